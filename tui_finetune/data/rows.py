"""The rows that a task is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.data.mixture import Part
from tui_finetune.data.preferences.prepare import prepare_preferences
from tui_finetune.data.prepare import prepare
from tui_finetune.data.prepared import PreparedData
from tui_finetune.data.source import Source
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def prepare_rows(
    data: Source | Sequence[Part],
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    report: Report | None = None,
) -> PreparedData:
    """Make training and evaluation rows of a data set, of documents or of replies; see `prepare.prepare`."""
    if config.task in PREFERENCES:
        source = data if isinstance(data, Source) else data[0].source
        return prepare_preferences(source, config, tokenizer, max_length, report)
    return prepare(data, config, tokenizer, max_length, report)
