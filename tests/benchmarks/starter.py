"""What the starter has learned, and what fine-tuning makes of it, beside the figures that it is to reach.

    python -m tests.benchmarks.starter [DIR]

Trains the default plan, helpdesk, story-to-facts and tiny with `finetune-tui train` and its default settings, one after another,
in DIR (a temporary folder without it). Takes about ten minutes on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from tui_finetune.starter.paths import MODEL
from tui_finetune.starter.recipe import helpdesk, measure
from tui_finetune.starter.recipe.judge import judge_facts
from tui_finetune.starter.recipe.samples import story_to_facts

SAMPLES = 200
TEMPERATURE = 0.8
UNSEEN_SEED = 77  # story-to-facts rows of this seed are in no sample
UNSEEN_ROWS = 100

Row = tuple[str, str, str]
"""A line of the table: what is measured, what it is to reach, what it is."""


def load(folder: Path) -> tuple[Any, Any]:
    """Model, computed in full precision, and tokenizer."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval(), AutoTokenizer.from_pretrained(folder)


def train(run: Path, *flags: str) -> list[dict[str, Any]]:
    """Train with the default settings but for the flags; returns the run's events."""
    command = [sys.executable, "-m", "tui_finetune", "train", "--output_dir", str(run), *flags]
    environment = {**os.environ, "FINETUNE_TUI_STATE": str(run.parent / "state"), "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (run / "events.jsonl").read_text("utf-8").splitlines()]


def seconds_of_training(events: Sequence[dict[str, Any]]) -> float:
    """From the first step to the last, evaluations and checkpoints included."""
    times = [event["time"] for event in events if event["type"] == "metrics" or event.get("phase") == "training"]
    return float(times[-1] - times[0])


def logged(events: Sequence[dict[str, Any]], key: str) -> list[float]:
    """The values of a metric in order."""
    return [event[key] for event in events if event["type"] == "metrics" and key in event]


def free_samples(model: Any, tokenizer: Any, prompt: str = "") -> measure.Writing:
    """The judge on 200 samples from nothing, or from a prompt."""
    samples = measure.generate(model, tokenizer, [prompt] * SAMPLES, temperature=TEMPERATURE, seed=1)
    return measure.writing(samples)


def starter_rows(model: Any, tokenizer: Any) -> tuple[list[Row], measure.Writing]:
    """How well the starter knows its world."""
    fits = measure.fit(model, tokenizer)
    rows = [
        (f"held-out loss / entropy, {kind}", "<= 1.05", f"{fit.ratio:.3f}  ({fit.loss:.4f} / {fit.entropy:.4f})")
        for kind, fit in fits.items()
    ]
    writing = free_samples(model, tokenizer)
    rows += [
        ("sentences accepted", ">= 95 %", f"{writing.accepted:.1%}"),
        ("stories consistent", ">= 80 %", f"{writing.consistent:.1%}"),
    ]
    return rows, writing


def sea_rows(folder: Path, before: measure.Writing, starter: tuple[Any, Any]) -> list[Row]:
    """The default plan: how long it takes and what it changes."""
    events = train(folder / "sea")
    tuned = load(folder / "sea" / "final")
    after = free_samples(*tuned)
    asked = measure.chat_prompt("Tell me a story.")
    chat_before, chat_after = free_samples(*starter, asked), free_samples(*tuned, asked)
    evaluations = " > ".join(f"{loss:.3f}" for loss in logged(events, "eval_loss"))
    return [
        ("default plan, seconds of training", "<= 90", f"{seconds_of_training(events):.0f}"),
        ("default plan, points on the chart", ">= 30", str(len(logged(events, "loss")))),
        ("default plan, evaluation loss", "falls", evaluations),
        ("sea style before", "< 5 %", f"{before.sea:.1%}"),
        ("sea style after", "> 90 %", f"{after.sea:.1%}"),
        ("sea style before, asked in the chat", "", f"{chat_before.sea:.1%}"),
        ("sea style after, asked in the chat", "", f"{chat_after.sea:.1%}"),
        ("tales consistent after", "", f"{after.consistent:.1%}"),
    ]


def helpdesk_rows(folder: Path, starter: tuple[Any, Any]) -> list[Row]:
    """helpdesk: right answers to single questions, in the words of the data and in others."""
    events = train(folder / "helpdesk", "--dataset_name", "helpdesk")
    tuned = load(folder / "helpdesk" / "final")
    known, other = helpdesk.seen(), helpdesk.unseen()
    return [
        ("helpdesk, seconds of training", "", f"{seconds_of_training(events):.0f}"),
        ("helpdesk, right answers before", "near 0", f"{_answered(*starter, other):.1%}"),
        ("helpdesk, asked in the words of the data", ">= 90 %", f"{_answered(*tuned, known):.1%}"),
        ("helpdesk, asked in other words", ">= 60 %", f"{_answered(*tuned, other):.1%}"),
    ]


def _answered(model: Any, tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> float:
    """The share of questions that get the right answer, the likeliest token taken each time."""
    prompts = [measure.chat_prompt(question) for question, _ in pairs]
    replies = measure.generate(model, tokenizer, prompts, temperature=0, seed=1, max_new_tokens=60)
    right = [helpdesk.right_answer(reply, question) for (reply, _), (question, _) in zip(replies, pairs, strict=True)]
    return sum(right) / len(right)


def facts_rows(folder: Path, starter: tuple[Any, Any]) -> list[Row]:
    """story-to-facts: exact JSON on stories that are in no sample."""
    train(folder / "facts", "--dataset_name", "story-to-facts")
    tuned = load(folder / "facts" / "final")
    return [
        ("story-to-facts, exact JSON before", "near 0", f"{_exact(*starter):.1%}"),
        ("story-to-facts, exact JSON after", ">= 80 %", f"{_exact(*tuned):.1%}"),
    ]


def _exact(model: Any, tokenizer: Any) -> float:
    unseen = list(story_to_facts(UNSEEN_SEED, UNSEEN_ROWS))
    prompts = [row["prompt"] for row in unseen]
    replies = measure.generate(model, tokenizer, prompts, temperature=0, seed=1, max_new_tokens=80)
    right = [
        judge_facts(reply, json.loads(row["completion"]))[1] for (reply, _), row in zip(replies, unseen, strict=True)
    ]
    return sum(right) / len(right)


def tiny_rows(folder: Path) -> list[Row]:
    """tiny, for many epochs: it overfits, is stopped, and the best checkpoint is what is saved."""
    events = train(folder / "tiny", "--dataset_name", "tiny", "--num_train_epochs", "40")
    losses = logged(events, "eval_loss")
    end = [event for event in events if event["type"] == "status"][-1]
    best = losses.index(min(losses)) + 1
    return [
        (
            "tiny, evaluation loss turns up after epoch",
            "yes",
            f"{best} of {len(losses)}" if best < len(losses) else "no",
        ),
        ("tiny, early stopping ends the run", "yes", "yes" if end.get("early_stopped") else "no"),
        ("tiny, evaluation loss of what is saved", f"{min(losses):.4f}", f"{end.get('eval_loss', float('nan')):.4f}"),
    ]


def table(rows: Sequence[Row]) -> str:
    """Three columns, aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def run(folder: Path) -> None:
    """Measure all and print the table, a part at a time."""
    began = time.monotonic()
    starter = load(MODEL)
    rows, before = starter_rows(*starter)
    print(table(rows), flush=True)
    for part in (
        lambda: sea_rows(folder, before, starter),
        lambda: helpdesk_rows(folder, starter),
        lambda: facts_rows(folder, starter),
        lambda: tiny_rows(folder),
    ):
        print(table(part()), flush=True)
    print(f"{time.monotonic() - began:.0f} s in all")


def main() -> None:
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1]).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        run(folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        run(Path(temporary))


if __name__ == "__main__":
    main()
