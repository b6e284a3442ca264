"""Which documents are for training, and which for evaluation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from datasets import Dataset

    Indices = npt.NDArray[np.int64]


def divide(count: int, config: RunConfig) -> tuple[Indices, Indices]:
    """Numbers of the documents for training and for evaluation, in the order of `Dataset.train_test_split`.

    Raises:
        UserError: there are too few documents to keep some for evaluation.
    """
    import numpy as np
    from datasets import Dataset

    everything: Indices = np.arange(count)
    size: float | int = config.validation_split
    if size == 0:
        return everything, everything[:0]
    kept = int(size) if size >= 1 else math.ceil(size * count)
    if kept >= count:
        few = f"there {'is' if count == 1 else 'are'} only {count} document{'s' if count != 1 else ''}"
        raise UserError(
            f"{few}, too few to keep {kept} for evaluation",
            "set validation_split: 0 to train on all, or add documents",
            setting="validation_split",
        )
    split = Dataset.from_dict({"document": everything}).train_test_split(
        test_size=int(size) if size >= 1 else size, seed=config.seed
    )
    return _rows_of(split["train"]), _rows_of(split["test"])


def _rows_of(part: Dataset) -> Indices:
    """The numbers of a part's rows in what it is a part of, where that counts its own rows in 'document'."""
    import numpy as np

    if part._indices is None:
        return np.asarray(part.with_format("numpy")["document"][:], np.int64)
    # Reading the column would take half a minute for a million rows.
    numbers: Indices = part._indices.column(0).to_numpy().astype(np.int64)
    return numbers
