"""From open data sets to the rows that are trained on: split, mix, tokenize, pack or pad; kept in the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.build import RowsBuilder
from tui_finetune.data.cache import Entry, fingerprint
from tui_finetune.data.chunk import is_plain
from tui_finetune.data.examples import RowTransform
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.mixture import Part
from tui_finetune.data.parts import alone
from tui_finetune.data.prepared import Collator as Collator
from tui_finetune.data.prepared import PreparedData as PreparedData
from tui_finetune.data.problems import Problem
from tui_finetune.data.source import Source
from tui_finetune.data.statistics import DataStatistics, Indices, PartStatistics, RowSources
from tui_finetune.data.tokens.tokenize import padding_of, tokenizer_fingerprint
from tui_finetune.errors import Notice, UserError
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


PREPARING = 5
"""Raise this when preparing changes, so that nothing prepared the old way is taken from the cache."""


def prepare(
    data: Source | Sequence[Part],
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    report: Report | None = None,
) -> PreparedData:
    """Make training and evaluation rows of a data set, or of several.

    The documents of one are divided by `Dataset.train_test_split` with the configuration's seed; packed or split they are only
    within their part. Those of several are divided and mixed as `mixture.divide_mix` says. Without packing and without train_on_eos (the preset 'tutorial') rows are those of the plain script,
    number and order included: blank rows stay, and texts are cut by the tokenizer itself.

    Args:
        data: the open data set, or all of them, as `open_parts` gives them.
        config: the run's settings.
        tokenizer: in the plain script's way a missing padding token is set to the end-of-text token.
        max_length: tokens of a row.
        report: told of rows done; may raise Cancelled.

    Raises:
        UserError: the text's column can't be found, there are too few rows for the split, nothing is left to train on.
    """
    parts = alone(data, config) if isinstance(data, Source) else list(data)
    transforms = [RowTransform(recognize(part.source, part.config), part.config, tokenizer) for part in parts]
    # What puts conversations into words, where any of the data has some, is what is saved with the model.
    transform = next((each for each in transforms if each.rendered), transforms[0])
    plain = all(is_plain(each.shape.name, config) for each in transforms)
    if plain:
        _need_padding(tokenizer)
    key = _key(parts, config, tokenizer, max_length, transforms)
    entry = Entry("prepared", key)
    meta, rows = _made(entry, lambda: RowsBuilder(parts, transforms, config, tokenizer, max_length, report), config)
    train, evaluation, sources = rows
    statistics = DataStatistics(**meta["statistics"])
    grouped = config.group_by_length and not config.packing and config.padding == "longest"
    return PreparedData(
        train=train,
        evaluation=evaluation,
        collator=_collator(tokenizer, config, max_length, plain),
        statistics=statistics,
        packed=config.packing,
        notices=_notices(statistics, config, transform, tokenizer, max_length),
        problems=[
            *(problem for part in parts for problem in part.source.problems),
            *(Problem.from_json(problem) for problem in meta["problems"]),
        ],
        format=transform.shape,
        fingerprint=key,
        chat_template=transform.template,
        end_token=transform.end_token(),
        lengths=row_lengths(train) if grouped else None,
        sources=sources if len(parts) == 1 and not parts[0].label else None,
        parts=[PartStatistics(**part) for part in meta["parts"]],
    )


def _made(
    entry: Entry, builder: Callable[[], RowsBuilder], config: RunConfig
) -> tuple[dict[str, Any], tuple[Dataset, Dataset | None, RowSources]]:
    """What is in the cache, made where it isn't there yet: what was noted of it, and the rows."""
    for _ in range(2):
        if (meta := entry.meta()) is None:
            builder().build(entry)
            meta = entry.meta()
        try:
            if meta is not None:
                return meta, (*_load(entry.path, config), RowSources(entry.path))
        except (OSError, ValueError):  # damaged without a change of size
            entry.remove()
    raise UserError("the prepared data can't be written to the cache", "check the disk, then try again")


def _need_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    """Have the tokenizer pad with the end-of-text token where it has no token for that, as the plain script does."""
    if tokenizer.pad_token_id is not None:
        return
    if tokenizer.eos_token is None:
        raise UserError(
            "the tokenizer has neither a padding nor an end-of-text token",
            "set packing: true, or choose another model",
            setting="packing",
        )
    tokenizer.pad_token = tokenizer.eos_token


def _key(
    parts: Sequence[Part],
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    transforms: Sequence[RowTransform],
) -> str:
    """A name for all that the rows depend on."""
    return fingerprint(
        PREPARING,
        [
            [part.label, part.role, part.weight, part.source.fingerprint, transform.identity]
            for part, transform in zip(parts, transforms, strict=True)
        ],
        config.mix_strategy,
        tokenizer_fingerprint(tokenizer),
        max_length,
        config.packing,
        config.excess_length_strategy,
        config.train_on_eos,
        config.validation_split,
        config.seed,
    )


def _collator(tokenizer: PreTrainedTokenizerBase, config: RunConfig, max_length: int, plain: bool) -> Collator:
    from tui_finetune.data.tokens.collate import PackedCollator, PaddingCollator, ScriptCollator

    width = max_length if config.padding == "max_length" else None
    if plain:
        return ScriptCollator(tokenizer, width)
    pad = padding_of(tokenizer)
    return PackedCollator(pad) if config.packing else PaddingCollator(pad, width)


def _load(path: Path, config: RunConfig) -> tuple[Dataset, Dataset | None]:
    from datasets import Dataset

    if config.packing:
        train = Dataset.from_file(str(path / "train.arrow")).with_format("numpy")
        evaluation = Dataset.from_file(str(path / "evaluation.arrow")).with_format("numpy")
        return train, evaluation if len(evaluation) else None
    rows = Dataset.from_file(str(path / "rows.arrow"))
    train_rows, eval_rows = np.load(path / "train.npy"), np.load(path / "evaluation.npy")
    return rows.select(train_rows), rows.select(eval_rows) if len(eval_rows) else None


def row_lengths(rows: Dataset) -> Indices:
    """Tokens of each row, without reading them; of replies that are compared, those of the prompt with the longer one."""
    import pyarrow.compute as pc

    def of(name: str) -> Indices:
        found: Indices = pc.list_value_length(rows.data.column(name)).to_numpy().astype(np.int64)
        return found

    replies = [name for name in ("chosen_ids", "rejected_ids", "completion_ids") if name in rows.column_names]
    lengths = of("prompt_ids") + np.max([of(name) for name in replies], axis=0) if replies else of("input_ids")
    return lengths if rows._indices is None else lengths[rows._indices.column(0).to_numpy()]


def _notices(
    statistics: DataStatistics,
    config: RunConfig,
    transform: RowTransform,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> list[Notice]:
    """What the user should know before it is trained on."""
    notices = []
    if config.train_on_eos and tokenizer.eos_token_id is None and transform.end_token() is None:
        notices.append(
            Notice(
                "warning",
                "the tokenizer has no end-of-text token: the model will not learn when to stop",
                "choose a model whose tokenizer has one",
                "model_name_or_path",
            )
        )
    if statistics.left_out:
        total = statistics.documents + statistics.left_out
        notices.append(
            Notice(
                "warning",
                f"{statistics.left_out:,} of {total:,} rows are left out",
                "`finetune-tui preview` shows which and why",
                "dataset_name",
            )
        )
    if statistics.special_in_text:
        notices.append(
            Notice(
                "warning",
                f"names of special tokens in the texts of {statistics.special_in_text:,} rows are read as text",
                "set split_special_tokens: false to make tokens of them, where the texts are in a chat format already",
                "split_special_tokens",
            )
        )
    over, strategy = statistics.over_max_length, config.excess_length_strategy
    if over and strategy != "drop" and (strategy == "truncate" or not transform.splits):
        what = "texts" if transform.splits else "rows"
        notices.append(
            Notice(
                "warning",
                f"{over:,} {what} are longer than {max_length} tokens, and cut off there",
                "set a larger max_length, or excess_length_strategy: " + ("split" if transform.splits else "drop"),
                "max_length",
            )
        )
    return notices
