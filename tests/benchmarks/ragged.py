"""Useful tokens a second on ragged text, against the tutorial's script.

    python -m tests.benchmarks.ragged [RUNS]

Both train one Llama of 5 million weights on the same documents, of 220 tokens in the mean with rows of 512; each in a
process of its own, in turns. Useful is a token that is trained on: padding is not, nor is what a script cuts off.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.tables import print_ratios
from tests.tiny import WORDS, make_tokenizer

DOCUMENTS = 1200
MAX_LENGTH = 512
STEPS = 12


def make(folder: Path) -> None:
    """A model of random weights, and documents whose lengths are log-normal."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(folder / "model")
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=256, intermediate_size=768, num_hidden_layers=6,
            num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=MAX_LENGTH, bos_token_id=0,
            eos_token_id=0,
        )
    ).save_pretrained(folder / "model")  # fmt: skip
    rng = random.Random(0)
    per_word = len(tokenizer(" ".join(WORDS))["input_ids"]) / len(WORDS)
    with (folder / "data.jsonl").open("w") as file:
        for _ in range(DOCUMENTS):
            tokens = min(2000, max(8, rng.lognormvariate(5.05, 0.85)))
            text = " ".join(rng.choice(WORDS) for _ in range(round(tokens / per_word)))
            file.write(json.dumps({"text": text}) + "\n")


def script(folder: str) -> None:
    """The tutorial's calls; prints useful tokens a second over the steps after the second."""
    import time

    import torch
    from datasets import load_dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(f"{folder}/model")
    tokenizer.pad_token = tokenizer.eos_token
    rows = load_dataset("json", data_files=f"{folder}/data.jsonl", split="train").map(
        lambda batch: tokenizer(batch["text"], truncation=True, padding="max_length", max_length=MAX_LENGTH),
        batched=True, remove_columns=["text"],
    )  # fmt: skip
    useful, marks = [0], []
    collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)

    def counting(batch):
        made = collate(batch)
        useful[0] += int(torch.as_tensor(made["labels"]).ne(-100).sum())
        return made

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            marks.append((time.monotonic(), useful[0]))

    with tempfile.TemporaryDirectory() as output:
        Trainer(
            model=AutoModelForCausalLM.from_pretrained(f"{folder}/model"),
            args=TrainingArguments(
                output_dir=output, max_steps=STEPS, per_device_train_batch_size=8, gradient_accumulation_steps=2,
                report_to=[], disable_tqdm=True, save_strategy="no", use_cpu=True,
            ),
            train_dataset=rows, data_collator=counting, callbacks=[Clock()],
        ).train()  # fmt: skip
    (began, first), (ended, last) = marks[1], marks[-1]
    print((last - first) / (ended - began))


def ours(folder: str) -> None:
    """The same by this program; prints its own tokens a second over the steps after the second."""
    from tui_finetune.resolution import resolve
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.runs.log import read_events
    from tui_finetune.training.session import TrainingSession

    with tempfile.TemporaryDirectory() as output:
        run = RunDirectory(Path(output) / "run")
        run.create()
        settings = {
            "model": f"{folder}/model", "dataset": f"{folder}/data.jsonl", "max_length": MAX_LENGTH,
            "max_steps": STEPS, "logging_steps": 1, "validation_split": 0, "save_strategy": "no",
        }  # fmt: skip
        TrainingSession(resolve(settings), run).run()
        logs = [event for event in read_events(run.events_path) if event["type"] == "metrics"]
    tokens = [log["num_tokens"] for log in logs]
    seconds = sum(
        (b - a) / log["tokens_per_second"] for a, b, log in zip(tokens[1:], tokens[2:], logs[2:], strict=False)
    )
    print((tokens[-1] - tokens[1]) / seconds)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    measured: dict[str, list[float]] = {"tutorial's script": [], "finetune-tui": []}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        for _ in range(runs):
            for name, function in (("tutorial's script", "script"), ("finetune-tui", "ours")):
                code = f"from tests.benchmarks.ragged import {function}; {function}({folder!r})"
                output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
                measured[name].append(float(output.split()[-1]))
    print_ratios("Useful tokens on ragged text", measured, "tutorial's script", "tokens/s", "at least 2.2")


if __name__ == "__main__":
    main()
