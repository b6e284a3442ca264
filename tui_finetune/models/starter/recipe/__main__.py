"""Make the starter from nothing: corpus, tokenizer, fresh weights, pretraining, model card.

    python -m tui_finetune.models.starter.recipe --out DIR

The finished model is in DIR/starter; the run in DIR/run can be watched with `finetune-tui attach DIR/run`. Where DIR
holds an unfinished run, it goes on.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from . import card, measure
from .corpus import tokenizer_texts, write_corpus
from .tokens import save_fresh

DOCUMENTS = 24_000
VOCABULARY = 2560
SEED = 0
RECIPE = Path(__file__).parent
STARTER = RECIPE.parent


def train(out: Path) -> None:
    """Pretrain with `finetune-tui train`, or go on with a run that is there."""
    run = out / "run"
    program = [sys.executable, "-m", "tui_finetune"]
    if run.exists():
        subprocess.run([*program, "resume", str(run)], check=True)
        return
    write_corpus(out / "corpus.jsonl", DOCUMENTS)
    save_fresh(tokenizer_texts(), out / "fresh", VOCABULARY, SEED)
    made = {"model_name_or_path": out / "fresh", "dataset_name": out / "corpus.jsonl", "output_dir": run}
    flags = [part for key, path in made.items() for part in (f"--{key}", str(path))]
    subprocess.run([*program, "train", str(RECIPE / "config.yaml"), *flags], check=True)


def finish(out: Path) -> None:
    """Write DIR/starter: the weights in half precision, the tokenizer, the settings and the model card."""
    folder = out / "starter"
    final = out / "run" / "final"
    tokenizer = AutoTokenizer.from_pretrained(final)
    AutoModelForCausalLM.from_pretrained(final, dtype=torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    shutil.copyfile(STARTER / "finetune-tui.yaml", folder / "finetune-tui.yaml")
    # Measured as it is shipped: half precision on disk, computed in full.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    fits = measure.fit(model, tokenizer)
    samples = measure.generate(model, tokenizer, [""] * 200, temperature=0.8, seed=SEED)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    facts = card.run_facts(out / "run")
    text = card.starter_card(parameters, len(tokenizer), DOCUMENTS, facts, fits, measure.writing(samples))
    (folder / "README.md").write_text(text, encoding="utf-8")
    print(text)


def main() -> None:
    program = "python -m tui_finetune.models.starter.recipe"
    parser = argparse.ArgumentParser(prog=program, description="Make the starter.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the corpus, the run and the finished model")
    out: Path = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "run" / "final").exists():
        train(out)
    finish(out)


if __name__ == "__main__":
    main()
