"""How fast data is read, tokenized and packed, against TRL's preparation of the same.

    python -m tests.benchmarks.preparation [RUNS] [MEGABYTES]

A .jsonl of 50 MB, with a tokenizer of 16,384 tokens, in rows of 512; from the file to rows that can be trained on, nothing
cached. TRL is asked to pack by `bfd`, its default. Needs TRL, of the extra `dev`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.corpus import make_small_model, write_corpus
from tests.benchmarks.rates import in_its_own_process
from tests.benchmarks.tables import print_ratios

MAX_LENGTH = 512


def ours(folder: str) -> None:
    """Prepare as a run does; prints megabytes a second, and, aside, how well the rows are filled."""
    from tui_finetune.config.schema import RunConfig
    from tui_finetune.data.open import open_dataset
    from tui_finetune.data.prepare import prepare
    from tui_finetune.models.loading import load_tokenizer
    from tui_finetune.models.located import locate
    from tui_finetune.system.libraries import quiet_libraries

    quiet_libraries()
    tokenizer = load_tokenizer(locate(f"{folder}/model"))
    config = RunConfig(dataset_name=f"{folder}/data.jsonl", max_length=MAX_LENGTH, validation_split=0)
    began = time.monotonic()
    data = prepare(open_dataset(config), config, tokenizer, MAX_LENGTH)
    took = time.monotonic() - began
    tokens = f"{data.statistics.tokens:,} tokens in {data.statistics.train_rows:,} rows"
    print(f"  {tokens}, packed to {data.statistics.packing_efficiency:.2%}", file=sys.stderr)
    print(Path(f"{folder}/data.jsonl").stat().st_size / 1e6 / took)


def theirs(folder: str) -> None:
    """Have SFTTrainer prepare it; prints megabytes a second."""
    import datasets
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(f"{folder}/model")
    model = AutoModelForCausalLM.from_pretrained(f"{folder}/model")
    with tempfile.TemporaryDirectory() as output:
        config = SFTConfig(
            output_dir=output, max_length=MAX_LENGTH, packing=True, report_to=[], use_cpu=True, bf16=False
        )
        began = time.monotonic()
        rows = datasets.load_dataset("json", data_files=f"{folder}/data.jsonl", split="train")
        SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
        took = time.monotonic() - began
    print(Path(f"{folder}/data.jsonl").stat().st_size / 1e6 / took)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    megabytes = float(sys.argv[2]) if len(sys.argv) > 2 else 50
    measured: dict[str, list[float]] = {"TRL": [], "finetune-tui": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "data.jsonl", megabytes)
        make_small_model(folder / "model", folder / "data.jsonl")
        for _ in range(runs):
            for series, function in (("TRL", "theirs"), ("finetune-tui", "ours")):
                for cache in ("cache", "datasets"):
                    shutil.rmtree(folder / cache, ignore_errors=True)
                rate = in_its_own_process("tests.benchmarks.preparation", f"{function}({name!r})", folder)
                measured[series].append(rate)
    print_ratios(f"Reading, tokenizing and packing {megabytes:g} MB", measured, "TRL", "MB/s", "at least 1.5")


if __name__ == "__main__":
    main()
