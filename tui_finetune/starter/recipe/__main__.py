"""Make the starter from nothing: corpus, tokenizer, fresh weights, pretraining in three stages, model card.

    python -m tui_finetune.starter.recipe --out DIR

The first stage learns from notes, a few words long, that what was mentioned comes again; the others learn the stories,
the last from as many new ones again, once more from a high learning rate to none. The finished model is in DIR/starter;
the runs DIR/notes, DIR/stories and DIR/more-stories can be watched with `finetune-tui attach`. Where one of them is
unfinished, it goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tui_finetune.runs.log import read_events
from tui_finetune.runs.state import RunState
from tui_finetune.starter.paths import MODEL

from . import card, measure
from .corpus import tokenizer_texts, write_corpus, write_notes
from .tokens import save_fresh, tell_unseen_tokens_apart

NOTES = 60_000
DOCUMENTS = 80_000
MORE_DOCUMENTS = 100_000
STAGES = ("notes", "stories", "more-stories")
VOCABULARY = 3072
SEED = 0
RECIPE = Path(__file__).parent
STARTER = MODEL


def train(run: Path, config: Path, model: Path, data: Path) -> None:
    """Train with `finetune-tui train`, or go on with a run that is there."""
    if _finished(run):
        return
    program = [sys.executable, "-m", "tui_finetune"]
    if run.exists():
        subprocess.run([*program, "resume", str(run)], check=True)
        return
    flags = ["--model_name_or_path", str(model), "--dataset_name", str(data), "--output_dir", str(run)]
    subprocess.run([*program, "train", str(config), *flags], check=True)


def _finished(run: Path) -> bool:
    """Whether a run has come to its end; one that was stopped has a final model too."""
    state = RunState()
    state.apply_all(read_events(run / "events.jsonl"))
    return state.status == "finished"


def pretrain(out: Path) -> None:
    """All stages, with what they need."""
    if not (out / "fresh").exists():
        write_notes(out / "notes.jsonl", NOTES)
        write_corpus(out / "stories.jsonl", 0, DOCUMENTS)
        save_fresh(tokenizer_texts(), out / "fresh", VOCABULARY, SEED)
    train(out / "notes", RECIPE / "notes.yaml", out / "fresh", out / "notes.jsonl")
    train(out / "stories", RECIPE / "config.yaml", out / "notes" / "final", out / "stories.jsonl")
    if not (out / "more-stories").exists():
        write_corpus(out / "more-stories.jsonl", DOCUMENTS, DOCUMENTS + MORE_DOCUMENTS)
    train(out / "more-stories", RECIPE / "config.yaml", out / "stories" / "final", out / "more-stories.jsonl")


def finish(out: Path) -> None:
    """Write DIR/starter: the weights in half precision, the tokenizer, the settings and the model card."""
    folder = out / "starter"
    final = out / "more-stories" / "final"
    tokenizer = AutoTokenizer.from_pretrained(final)
    model = AutoModelForCausalLM.from_pretrained(final, dtype=torch.float32)
    tell_unseen_tokens_apart(model, tokenizer, _texts(out), SEED)
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    shutil.copyfile(STARTER / "finetune-tui.yaml", folder / "finetune-tui.yaml")
    # Measured as it is shipped: half precision on disk, computed in full.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    fits = measure.fit(model, tokenizer)
    samples = measure.generate(model, tokenizer, [""] * 200, temperature=0.8, seed=SEED)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    runs = [card.run_facts(out / stage) for stage in STAGES]
    documents = DOCUMENTS + MORE_DOCUMENTS
    text = card.starter_card(parameters, len(tokenizer), NOTES, documents, runs, fits, measure.writing(samples))
    (folder / "README.md").write_text(text, encoding="utf-8")
    print(text)


def _texts(out: Path) -> Iterator[str]:
    """All that the model has been trained on."""
    for stage in STAGES:
        with (out / f"{stage}.jsonl").open(encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)


def main() -> None:
    program = "python -m tui_finetune.starter.recipe"
    parser = argparse.ArgumentParser(prog=program, description="Make the starter.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the corpora, the runs and the model")
    out: Path = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    pretrain(out)
    finish(out)


if __name__ == "__main__":
    main()
