"""What a data set is, before anything is trained on it: format, examples, lengths, problems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice, zip_longest
from typing import TYPE_CHECKING

from tui_finetune.config.data_parts import DataPart, short_names
from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.config.steps import steps_per_epoch
from tui_finetune.data.examples import RowTransform, none_left
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.looking import EXAMPLES, FIRST, MAX_ROWS, Look
from tui_finetune.data.mixture import Part, amounts_of
from tui_finetune.data.parts import open_parts
from tui_finetune.data.previewed import Lengths, PartPreview, Preview
from tui_finetune.data.problems import Problem
from tui_finetune.data.source import Source
from tui_finetune.data.split import divide
from tui_finetune.errors import UserError
from tui_finetune.models.facts import DEFAULT_MAX_LENGTH
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tui_finetune.data.preferences.look import PreferenceLook
    from tui_finetune.data.tokens.tokenize import Tokens
    from tui_finetune.data.tokens.view import SeenToken, TokenReader


def preview(
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase | None = None,
    report: Report | None = None,
    max_rows: int = MAX_ROWS,
    max_length: int | None = None,
) -> Preview:
    """Open a data set, or several, and look at them.

    Args:
        config: names them.
        tokenizer: without one nothing is said about tokens.
        report: told how far it is.
        max_rows: look at no more rows than this, spread over the data set.
        max_length: tokens of a training row; the configuration's if left out, or 1024.

    Raises:
        UserError: the data set can't be read, or not be understood.
    """
    parts = open_parts(config, report)
    if len(parts) == 1 and not parts[0].label:
        return preview_of(parts[0].source, config, tokenizer, report, max_rows, max_length)
    each = max(max_rows // len(parts), 1)
    seen = [preview_of(part.source, part.config, tokenizer, report, each, max_length, alone=False) for part in parts]
    return _together(parts, seen, config, tokenizer is not None)


MIXED_DOCUMENTS = 20_000
"""The rows of a mix are estimated from so many documents."""


def _together(parts: Sequence[Part], seen: Sequence[Preview], config: RunConfig, counted: bool) -> Preview:
    """What several data sets are as one.

    Args:
        parts: the data sets.
        seen: what each is by itself.
        config: the run's settings.
        counted: whether there was a tokenizer.
    """
    plan = amounts_of([found.documents for found in seen], parts, config)
    total = max(sum(plan.taken), 1)
    described = [
        _part(part, found, taken, aside, total)
        for part, found, taken, aside in zip(parts, seen, plan.taken, plan.aside, strict=True)
    ]
    trained = [(part, found) for part, found in zip(parts, seen, strict=True) if part.trains]
    first = trained[0][1]
    scale = max(1.0, total / MIXED_DOCUMENTS)
    mixed = [
        length
        for found, taken in zip(seen, plan.taken, strict=True)
        for length in islice(cycle(_reached(found) or [0]), round(taken / scale))
    ]
    whole = replace(
        first,
        name=config.dataset_name,
        files=[file for found in seen for file in found.files],
        rows=sum(found.rows for _, found in trained),
        documents=total + sum(plan.aside),
        duplicates=sum(found.duplicates for _, found in trained),
        problems=[problem for found in seen for problem in found.problems],
        parts=described,
    )
    if len(trained) > 1:
        whole = _side_by_side(whole, [found for _, found in trained], MIXED_BY[plan.strategy])
    if not counted:
        return whole
    pairs = zip(described, seen, strict=True)
    evaluated = sum((found.tokens or 0) * part.evaluated / max(found.documents, 1) for part, found in pairs)
    whole = replace(
        whole,
        lengths=_lengths(mixed, whole.max_length, scale),
        tokens=round(sum(part.tokens or 0 for part in described) + evaluated),
        trained_tokens=sum(part.trained_tokens or 0 for part in described),
        token_lengths=mixed,
        out_of_reach=[],
        mixed=mixed,
        mixed_scale=scale,
    )
    return replace(
        whole, padding=_padding(whole), steps_per_epoch=steps_per_epoch(estimate_rows(whole, config), config)
    )


def _side_by_side(whole: Preview, trained: Sequence[Preview], reason: str) -> Preview:
    """The preview with formats and first rows of all data sets in turn."""
    firsts = zip_longest(*(found.examples for found in trained))
    tokens = zip_longest(*(found.example_tokens for found in trained))
    sampled = [found.sampled for found in trained if found.sampled is not None]
    return replace(
        whole,
        format=" + ".join(dict.fromkeys(found.format for found in trained)),
        reason=reason,
        columns=[],
        mapping={},
        examples=[example for several in firsts for example in several if example is not None][:EXAMPLES],
        example_tokens=[row for several in tokens for row in several if row is not None][:EXAMPLES],
        sampled=sum(sampled) if sampled else None,
    )


MIXED_BY = {
    "concatenate": "all rows of each",
    "first_exhausted": "rows by weight, until one has no more",
    "all_exhausted": "rows by weight, until each was seen whole",
}
"""How data sets are mixed, in words."""


def _part(part: Part, found: Preview, taken: int, aside: int, total: int) -> PartPreview:
    """What one data set is among several."""
    again = taken / max(found.documents, 1)
    return PartPreview(
        part.label or (short_names([DataPart(part.config.dataset_name)])[0]),
        part.source.name,
        found.format,
        found.documents,
        taken,
        aside,
        None if found.tokens is None else round(found.tokens * again),
        None if found.trained_tokens is None else round(found.trained_tokens * again),
        taken / total,
    )


def _reached(found: Preview) -> list[int]:
    """The tokens of each document; none of one in which nothing is trained on within reach."""
    lengths = list(found.token_lengths)
    for number in found.out_of_reach:
        lengths[number] = 0
    return lengths


def preview_of(
    source: Source,
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase | None = None,
    report: Report | None = None,
    max_rows: int = MAX_ROWS,
    max_length: int | None = None,
    *,
    alone: bool = True,
) -> Preview:
    """Look at an open data set; see `preview`.

    Args:
        alone: whether it is the only one, so that rows of it are kept aside for evaluation.
    """
    limit = max_length or config.max_length or DEFAULT_MAX_LENGTH
    total = len(source.rows)
    look: Look | PreferenceLook
    if config.task in PREFERENCES:
        from tui_finetune.data.preferences.look import look_at_preferences

        transform, mapping, look = look_at_preferences(source, config, tokenizer, report, limit, EXAMPLES)
    else:
        transform = RowTransform(recognize(source, config), config, tokenizer)
        mapping, look = transform.shape.mapping, Look(source, transform, config, tokenizer, report, limit)
    look.through(max_rows)
    if not look.documents:
        raise none_left(source, transform.shape, look.tally)
    found = Preview(
        name=source.name,
        files=source.files,
        columns=list(source.rows.column_names),
        format=transform.shape.name,
        reason=transform.reason,
        mapping=mapping,
        rows=total,
        examples=look.examples,
        lengths=None,
        tokens=None,
        trained_tokens=None,
        duplicates=look.duplicates,
        problems=[],
        sampled=look.seen if look.seen < total else None,
        documents=round(look.documents * total / look.seen),
        token_lengths=look.lengths,
        max_length=limit,
        splits=transform.splits,
        out_of_reach=look.out_of_reach,
        rejected=look.rejected,
        good=look.good,
    )
    about = _about_the_whole(found, config) if alone else []
    found = replace(found, problems=source.problems + look.tally.problems() + about)
    return found if tokenizer is None else _as_trained(look, found, config, tokenizer, total / look.seen)


def _about_the_whole(found: Preview, config: RunConfig) -> list[Problem]:
    """What is to be said of a data set as a whole."""
    problems = []
    if found.sampled is not None:
        message = f"numbers are estimated from {found.sampled:,} of {found.rows:,} rows"
        problems.append(Problem(message, "training takes all of them", level="info", file=found.name))
    try:
        divide(min(found.documents, 1_000_000), config)
    except UserError as error:
        problems.append(Problem(error.message, error.remedy, error.setting, file=found.name))
    return problems


def _as_trained(
    look: Look | PreferenceLook, found: Preview, config: RunConfig, tokenizer: PreTrainedTokenizerBase, scale: float
) -> Preview:
    """The preview with what is known in tokens: lengths, the first rows as they are trained on, batches in an epoch.

    Args:
        look: what was seen.
        found: the preview without tokens.
        config: the run's settings.
        tokenizer: made the tokens.
        scale: rows of the data set for each that was looked at.
    """
    from tui_finetune.data.tokens.view import TokenReader, fullest

    reader = TokenReader(tokenizer)
    first = look.first_chunks
    packed = (
        fullest([chunk for chunks in first for chunk in chunks[:FIRST]], found.max_length) if config.packing else None
    )
    found = replace(
        found,
        lengths=_lengths(look.lengths, found.max_length, scale),
        tokens=round(look.tokens * scale),
        trained_tokens=round(look.trained * scale),
        example_tokens=[_seen(reader, chunks) for chunks in first[:EXAMPLES]],
        packed_row=reader.documents(packed) if packed else [],
        rejected_tokens=[_seen(reader, chunks) for chunks in look.rejected_chunks],
    )
    try:
        rows = estimate_rows(found, config)
    except UserError:  # too few documents, which is among the problems
        return found
    return replace(found, padding=_padding(found), steps_per_epoch=steps_per_epoch(rows, config))


def _seen(reader: TokenReader, chunks: list[Tokens]) -> list[SeenToken]:
    from tui_finetune.data.tokens.view import alone

    if not chunks:
        return []
    row = alone(chunks[0])
    return reader.read(row.input_ids, row.labels)


def _padding(found: Preview) -> float:
    lengths = [min(length, found.max_length) for length in found.token_lengths]
    return round(1 - sum(lengths) / (len(lengths) * found.max_length), 4)


def _lengths(lengths: list[int], limit: int, scale: float) -> Lengths:
    import numpy as np

    p50, p95 = np.percentile(lengths, [50, 95], method="higher")
    over = sum(1 for length in lengths if length > limit)
    return Lengths(round(sum(lengths) / len(lengths), 1), int(p50), int(p95), max(lengths), round(over * scale))


def estimate_rows(data: Preview, config: RunConfig) -> int:
    """How many rows of tokens there will be to train on.

    Exact where every row was looked at with a tokenizer, but for documents too short to train on.

    Raises:
        UserError: there are too few documents to keep some for evaluation.
    """
    from tui_finetune.data.tokens.pack import best_fit

    # Of a pair, kto makes a good and a bad reply.
    each = 2 if config.task == "kto" and data.rejected else 1
    if data.parts and not data.token_lengths:
        return max(sum(part.trained for part in data.parts), 1)
    if not data.token_lengths:
        share = config.validation_split
        return max(data.documents - math.ceil(share if share >= 1 else share * data.documents), 1) * each
    limit = data.max_length
    # What has nothing to train on within reach is left out, as if it had no tokens.
    lengths = _reached(data)
    if data.mixed:
        chosen, share = data.mixed, data.mixed_scale
    elif data.sampled is None:
        chosen, share = [lengths[number] for number in divide(data.documents, config)[0]], 1.0
    else:
        aside = config.validation_split
        kept = data.documents - (aside if aside >= 1 else aside * data.documents)
        chosen, share = lengths, max(kept, 1) / len(lengths)
    if config.excess_length_strategy == "drop":
        chosen = [length for length in chosen if length <= limit]
    chunks = [min(length, limit) for length in chosen]
    if config.excess_length_strategy == "split" and data.splits:
        chunks += [min(length - start, limit) for length in chosen for start in range(limit, length, limit)]
    if config.packing or config.train_on_eos or not data.splits:
        chunks = [chunk for chunk in chunks if chunk > 1]
    rows = len(best_fit(chunks, limit)) if config.packing else len(chunks)
    return max(round(rows * share), 1) * each
