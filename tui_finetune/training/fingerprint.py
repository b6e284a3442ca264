"""Whether a run goes on with the data it began with."""

from __future__ import annotations

import hashlib
from typing import Any

from tui_finetune.errors import UserError

SAMPLED_ROWS = 1000


def data_fingerprint(rows: Any) -> str:
    """A hash of prepared training rows: their number, and the tokens of up to 1000 of them, spread evenly."""
    digest = hashlib.sha256(str(len(rows)).encode())
    stride = max(1, len(rows) // SAMPLED_ROWS)
    for index in range(0, len(rows), stride):
        digest.update(repr(list(rows[index]["input_ids"])).encode())
    return digest.hexdigest()[:32]


def check_fingerprint(now: dict[str, Any], then: dict[str, Any]) -> None:
    """Raises UserError where the data or the model is not the one that the checkpoint was trained with."""
    if then.get("model") not in (None, now["model"]):
        raise UserError(
            f"the checkpoint belongs to a run of {then['model']}, not of {now['model']}", "start a new run instead"
        )
    if then.get("data") not in (None, now["data"]):
        raise UserError(
            "the data is not what this run was trained on: its tokens have changed",
            "put the data back as it was, or start a new run",
        )
