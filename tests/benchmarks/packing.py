"""How well packed rows are filled, on ragged documents.

    python -m tests.benchmarks.packing [DOCUMENTS]

Documents of log-normal length, 220 tokens in the mean, in rows of 512; what is longer is split. Efficiency is tokens over
the room in the rows. Beside it, what padding each batch to its longest row would come to, as the rows come and grouped
by length.
"""

from __future__ import annotations

import random
import sys
import time

import numpy as np

from tui_finetune.cli.tables import table
from tui_finetune.data.tokens.pack import Filler, joined
from tui_finetune.data.tokens.tokenize import Tokens

GOAL = 0.99
MAX_LENGTH = 512
BATCH = 8
DOCUMENTS = 100_000


def pieces(documents: int) -> list[int]:
    """Their lengths, in random order."""
    rng = random.Random(0)
    lengths = [min(2000, max(8, round(rng.lognormvariate(5.05, 0.85)))) for _ in range(documents)]
    print(f"{documents:,} documents of {sum(lengths) / documents:.0f} tokens in the mean, in rows of {MAX_LENGTH}")
    return [min(length - start, MAX_LENGTH) for length in lengths for start in range(0, length, MAX_LENGTH)]


def padded(lengths: list[int], order: list[int]) -> float:
    """Tokens over the room in batches that are padded to their longest row."""
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    return sum(lengths) / sum(max(lengths[row] for row in batch) * len(batch) for batch in batches)


def main() -> int:
    from transformers.trainer_pt_utils import get_length_grouped_indices

    lengths = pieces(int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS)
    filler: Filler[Tokens] = Filler(MAX_LENGTH, lambda tokens: len(tokens.ids))
    rows = used = 0
    began = time.monotonic()
    for length in lengths:
        for row in map(joined, filler.add(Tokens(np.zeros(length, np.int32), np.ones(length, np.bool_)))):
            rows, used = rows + 1, used + len(row.input_ids)
    for row in map(joined, filler.finish()):
        rows, used = rows + 1, used + len(row.input_ids)
    took = time.monotonic() - began
    packed = used / (rows * MAX_LENGTH)
    results = [
        ("packed", packed, f"goal: at least {GOAL:.0%}; {used / took:,.0f} tokens/s"),
        ("padded, rows grouped by length", padded(lengths, get_length_grouped_indices(lengths, BATCH * 2)), ""),
        ("padded to the longest of the batch", padded(lengths, list(range(len(lengths)))), ""),
        ("padded to max_length", sum(lengths) / (len(lengths) * MAX_LENGTH), ""),
    ]
    for line in table(("", "tokens over room", ""), [(a, f"{b:.2%}", c) for a, b, c in results], right=frozenset({1})):
        print("  " + line)
    return 0 if packed >= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
