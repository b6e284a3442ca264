"""Useful tokens a second on ragged text, against TRL's SFTTrainer with packing.

    python -m tests.benchmarks.trl [RUNS] [STEPS] [BATCH]

All train one Llama of 5 million weights on the same documents, of 220 tokens in the mean with rows of 512, on SDPA; each
in a process of its own, in turns. TRL packs `wrapped`, which joins all documents and cuts them every 512 tokens, and
`bfd`, which keeps them whole and apart as this program does, but in one row as long as the batch: its attention grows
with the square of that. A batch of 16 is what this program's defaults come to. Needs TRL, of the extra `dev`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.rates import MAX_LENGTH, UsefulTokens, in_its_own_process, make_data, make_model
from tests.benchmarks.tables import print_ratios

DOCUMENTS = 1200
BATCH = 16
BFD_STEPS = 3
"""It is slow."""


def theirs(folder: str, packing: str, steps: int, batch: int) -> None:
    """Train with SFTTrainer; prints useful tokens a second."""
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    with tempfile.TemporaryDirectory() as output, UsefulTokens() as counted:
        SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(f"{folder}/model", attn_implementation="sdpa"),
            args=SFTConfig(
                output_dir=output,
                max_steps=steps,
                per_device_train_batch_size=batch,
                gradient_accumulation_steps=1,
                max_length=MAX_LENGTH,
                packing=True,
                packing_strategy=packing,
                gradient_checkpointing=False,
                bf16=False,
                report_to=[],
                disable_tqdm=True,
                save_strategy="no",
                use_cpu=True,
            ),
            train_dataset=load_dataset("json", data_files=f"{folder}/data.jsonl", split="train"),
            processing_class=AutoTokenizer.from_pretrained(f"{folder}/model"),
        ).train()
    print(counted.rate(1))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    batch = int(sys.argv[3]) if len(sys.argv) > 3 else BATCH
    measured: dict[str, list[float]] = {"TRL, bfd": [], "TRL, wrapped": [], "finetune-tui": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder / "data.jsonl", make_model(folder / "model"), DOCUMENTS)
        for _ in range(runs):
            for series, module, call in (
                ("TRL, wrapped", "trl", f"theirs({name!r}, 'wrapped', {steps}, {batch})"),
                ("finetune-tui", "rates", f"ours({name!r}, {steps}, {batch}, 1, 1)"),
                ("TRL, bfd", "trl", f"theirs({name!r}, 'bfd', {min(steps, BFD_STEPS)}, {batch})"),
            ):
                measured[series].append(in_its_own_process(f"tests.benchmarks.{module}", call, folder))
    print_ratios("Useful tokens on ragged text", measured, "TRL, wrapped", "tokens/s", "at least 1.1")
    print_ratios("The same with documents kept apart", measured, "TRL, bfd", "tokens/s", "at least 5")


if __name__ == "__main__":
    main()
