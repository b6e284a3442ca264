"""The rows that a run is evaluated on, as prompts with the answer that is expected."""

from __future__ import annotations

from itertools import chain

from tui_finetune.chat.prompt_set import Asked
from tui_finetune.config.schema import PREFERENCES
from tui_finetune.data.mixture import divide_mix
from tui_finetune.data.readers.row import Row
from tui_finetune.data.split import divide
from tui_finetune.errors import UserError
from tui_finetune.export.rows import RunRows, rows_of
from tui_finetune.export.subject import subject_of
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.progress import Report

MOST_ROWS = 200
"""So many rows are read."""

FIRST_WORDS, NEXT_WORDS = 8, 40
"""Of a text the model is given so many words, and so many are expected."""


def evaluation_set(run: RunDirectory, report: Report | None = None, most: int = MOST_ROWS) -> list[Asked]:
    """The first rows that a run is evaluated on; those that it is trained on where there are no others.

    Args:
        run: the run.
        report: told of rows done; may raise Cancelled.
        most: so many at most.

    Raises:
        UserError: the run's data is gone, or none of its rows has a prompt and an answer.
    """
    subject = subject_of(run)
    if subject.config.task in PREFERENCES:
        raise UserError("the run compares replies, so no row of it has one answer", "write a prompt instead")
    rows = rows_of(subject, report)
    wanted = _wanted(rows, report)
    found: list[Asked] = []
    documents = chain.from_iterable(rows.documents(part) for part in range(len(rows.parts)))
    for number, (_, document) in enumerate(documents):
        if number in wanted and (asked := asked_of(document)) is not None:
            found.append(asked)
            if len(found) >= most:
                break
    if not found:
        raise UserError("no row of the run's data has a prompt and an answer", "write a prompt instead")
    return found


def _wanted(rows: RunRows, report: Report | None) -> set[int]:
    """The numbers of the documents that are evaluated on, those of all data sets numbered through."""
    if rows.several:
        sizes = [sum(1 for _ in rows.documents(part)) for part in range(len(rows.parts))]
        division = divide_mix(sizes, rows.parts, rows.config)
        evaluation = {number for part in division.evaluation for number in part.tolist()}
        return evaluation or set(division.train.tolist())
    train, held_out = divide(rows.prepared(report).statistics.documents, rows.config)
    return set((held_out if len(held_out) else train).tolist())


def asked_of(document: Row) -> Asked | None:
    """A document as a prompt and its answer: the last turn, the completion, or how a text continues. None where it has
    no two parts."""
    messages = document.get("messages")
    if isinstance(messages, list):
        return _of_turns([dict(message) for message in messages if isinstance(message, dict)])
    prompt, completion, text = (document.get(part) for part in ("prompt", "completion", "text"))
    if isinstance(prompt, str) and isinstance(completion, str):
        return Asked(prompt, (), completion) if prompt.strip() and completion.strip() else None
    if not isinstance(text, str):
        return None
    words = text.split(" ")
    given, expected = " ".join(words[:FIRST_WORDS]), " ".join(words[FIRST_WORDS : FIRST_WORDS + NEXT_WORDS])
    return Asked(given, (), f" {expected}") if given.strip() and expected.strip() else None


def _of_turns(messages: list[dict[str, object]]) -> Asked | None:
    said = [{"role": str(turn.get("role")), "content": str(turn.get("content") or "")} for turn in messages]
    while said and said[-1]["role"] != "assistant":
        said.pop()
    if len(said) < 2 or said[-2]["role"] != "user" or not said[-1]["content"].strip():
        return None
    return Asked(said[-2]["content"], tuple(said[:-2]), said[-1]["content"])
