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
    for tokens in rows.select_columns("input_ids").select(range(0, len(rows), stride))[:]["input_ids"]:
        digest.update(repr(list(tokens)).encode())
    return digest.hexdigest()[:32]


def weights_fingerprint(model: Any) -> str:
    """A hash of the names and shapes of a model's weights."""
    digest = hashlib.sha256()
    for name, weights in sorted(model.named_parameters()):
        digest.update(f"{name} {tuple(weights.shape)}\n".encode())
    return digest.hexdigest()[:32]


def check_fingerprint(now: dict[str, Any], then: dict[str, Any]) -> None:
    """Raises UserError where the data or the model is not the one that the checkpoint was trained with."""
    if then.get("model") not in (None, now["model"]):
        raise UserError(
            f"the checkpoint belongs to a run of {then['model']}, not of {now['model']}", "start a new run instead"
        )
    if then.get("weights") not in (None, now["weights"]):
        raise UserError(
            f"the checkpoint is of a model with other weights than {now['model']} has now",
            "put the model back as it was, or start a new run",
        )
    if then.get("data") not in (None, now["data"]):
        before, after = (f"{facts.get('dataset', 'it')} with {facts.get('rows', '?')} rows" for facts in (then, now))
        raise UserError(
            f"the data is not what this run was trained on, its tokens have changed: {before} then, {after} now",
            "put the data back as it was, or start a new run",
        )
