"""Useful tokens a second on ragged text, against the tutorial's script.

    python -m tests.benchmarks.ragged [RUNS] [STEPS]

Both train one Llama of 5 million weights on the same documents, of 220 tokens in the mean with rows of 512; each in a
process of its own, in turns. Useful is a token that is learned: padding is not, nor is what a script cuts off.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.rates import MAX_LENGTH, UsefulTokens, in_its_own_process, make_data, make_model
from tests.benchmarks.tables import print_ratios

DOCUMENTS = 1200
BATCH = 8
ACCUMULATION = 2
WARM_UP = 2 * ACCUMULATION


def script(folder: str, steps: int) -> None:
    """The tutorial's calls; prints useful tokens a second."""
    from datasets import load_dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(f"{folder}/model")
    tokenizer.pad_token = tokenizer.eos_token
    rows = load_dataset("json", data_files=f"{folder}/data.jsonl", split="train").map(
        lambda batch: tokenizer(batch["text"], truncation=True, padding="max_length", max_length=MAX_LENGTH),
        batched=True,
        remove_columns=["text"],
    )
    with tempfile.TemporaryDirectory() as output, UsefulTokens() as counted:
        Trainer(
            model=AutoModelForCausalLM.from_pretrained(f"{folder}/model"),
            args=TrainingArguments(
                output_dir=output,
                max_steps=steps,
                per_device_train_batch_size=BATCH,
                gradient_accumulation_steps=ACCUMULATION,
                report_to=[],
                disable_tqdm=True,
                save_strategy="no",
                use_cpu=True,
            ),
            train_dataset=rows,
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        ).train()
    print(counted.rate(WARM_UP))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    measured: dict[str, list[float]] = {"tutorial's script": [], "finetune-tui": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder / "data.jsonl", make_model(folder / "model"), DOCUMENTS)
        for _ in range(runs):
            script_rate = in_its_own_process("tests.benchmarks.ragged", f"script({name!r}, {steps})", folder)
            measured["tutorial's script"].append(script_rate)
            ours = f"ours({name!r}, {steps}, {BATCH}, {ACCUMULATION}, {WARM_UP})"
            measured["finetune-tui"].append(in_its_own_process("tests.benchmarks.rates", ours, folder))
    print_ratios("Useful tokens on ragged text", measured, "tutorial's script", "tokens/s", "at least 2.3")


if __name__ == "__main__":
    main()
