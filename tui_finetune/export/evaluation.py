"""The loss of a model on documents that its run was evaluated on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.export.rows import rows_of
from tui_finetune.export.subject import Subject
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENS = 8192
"""So many tokens are enough to compare two sets of weights by: the loss of both is on the same ones."""

Document = tuple[list[int], list[int]]
"""Tokens and labels, of the same length."""


def evaluation_documents(subject: Subject, report: Report, tokens: int = TOKENS) -> list[Document]:
    """The first documents that the run was evaluated on, or where it was not, trained on; some thousand tokens.

    Returns:
        [] where the data is gone.
    """
    try:
        data = rows_of(subject, report).prepared(report)
    except UserError:
        return []
    rows = data.train if data.evaluation is None else data.evaluation
    found: list[Document] = []
    for row in rows.with_format(None):
        labels = row.get("labels") or row["input_ids"]
        found += _taken_apart(row["input_ids"], labels, row.get("position_ids") or range(len(labels)))
        if sum(len(ids) for ids, _ in found) >= tokens:
            break
    return [(ids, labels) for ids, labels in found if any(label != -100 for label in labels[1:])]


def _taken_apart(ids: Sequence[int], labels: Sequence[int], positions: Sequence[int]) -> Iterator[Document]:
    starts = [number for number, position in enumerate(positions) if position == 0]
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        yield list(ids[start:end]), list(labels[start:end])


def loss_on(model: PreTrainedModel, documents: Sequence[Document], report: Report | None = None) -> float:
    """The mean loss over all tokens of the documents that are to be predicted; each document by itself."""
    import torch

    tick = Ticker(report, len(documents), "documents evaluated")
    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for number, (ids, labels) in enumerate(documents):
            logits = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False).logits[0, :-1].float()
            wanted = torch.tensor(labels[1:], device=logits.device)
            total += (
                torch.nn.functional.cross_entropy(logits, wanted, ignore_index=-100, reduction="sum").double().item()
            )
            count += int((wanted != -100).sum())
            tick(number)
    return total / max(count, 1)
