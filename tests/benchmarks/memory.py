"""The most memory that preparing data takes, by the data's size.

    python -m tests.benchmarks.memory [MEGABYTES]...

For each size (200 and 1000 without arguments) a .jsonl is read, tokenized with a tokenizer of 16,384 tokens and packed, in
a process of its own. What counts is its largest resident memory beyond that of the same process with a handful of rows. A
GB takes about ten minutes and 5 GB of room in the temporary folder.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.corpus import make_small_model, write_corpus
from tests.benchmarks.rates import in_its_own_process
from tui_finetune.cli.tables import table

GOAL_MEGABYTES = 1500
MAX_LENGTH = 512
HANDFUL, SAMPLE = 0.1, 10
"""Megabytes of a handful of rows, and of what the tokenizer learns from."""


def prepare_file(folder: str, path: str) -> None:
    """Prepare a file as a run does; prints the process's largest resident memory in bytes."""
    from tui_finetune.config.schema import RunConfig
    from tui_finetune.data.open import open_dataset
    from tui_finetune.data.prepare import prepare
    from tui_finetune.models.loading import load_tokenizer
    from tui_finetune.models.located import locate
    from tui_finetune.system.libraries import import_libraries

    import_libraries("torch", "transformers", "datasets")
    config = RunConfig(dataset_name=path, max_length=MAX_LENGTH)
    told = []
    began = time.monotonic()

    def report(done: int, total: int | None, unit: str) -> None:
        told.append(time.monotonic())

    tokenizer = load_tokenizer(locate(f"{folder}/model"))
    data = prepare(open_dataset(config, report), config, tokenizer, MAX_LENGTH, report)
    took = time.monotonic() - began
    waits = [b - a for a, b in zip([began, *told], [*told, time.monotonic()], strict=True)]
    print(
        f"  {data.statistics.tokens:,} tokens in {took:.0f} s, packed to {data.statistics.packing_efficiency:.2%}; "
        f"longest without a word of progress {max(waits):.2f} s",
        file=sys.stderr,
    )
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(kilobytes * (1 if sys.platform == "darwin" else 1024))


def measure(megabytes: float, folder: Path) -> float:
    path = folder / f"{megabytes:g}.jsonl"
    write_corpus(path, megabytes)
    try:
        return (
            in_its_own_process("tests.benchmarks.memory", f"prepare_file({str(folder)!r}, {str(path)!r})", folder) / 1e6
        )
    finally:
        path.unlink()


def main() -> int:
    sizes = [float(argument) for argument in sys.argv[1:]] or [200.0, 1000.0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "sample.jsonl", SAMPLE)
        make_small_model(folder / "model", folder / "sample.jsonl")
        empty = measure(HANDFUL, folder)
        peaks = [measure(size, folder) for size in sizes]
    print(
        f"Peak memory of preparing data (goal: at most {GOAL_MEGABYTES:,} MB above the empty process, whatever the size)"
    )
    rows = [("a handful of rows", f"{empty:,.0f}", "")]
    rows += [(f"{size:g} MB", f"{peak:,.0f}", f"{peak - empty:,.0f}") for size, peak in zip(sizes, peaks, strict=True)]
    for line in table(("", "MB", "above"), rows, right=frozenset({1, 2})):
        print("  " + line)
    return 0 if max(peaks) - empty <= GOAL_MEGABYTES else 1


if __name__ == "__main__":
    raise SystemExit(main())
