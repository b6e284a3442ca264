"""The rows that a run was trained and evaluated on, once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.mixture import configs_of, eval_configs_of
from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.data.chunk import is_plain
from tui_finetune.data.documents import understood
from tui_finetune.data.examples import RowTransform
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.mixture import Part
from tui_finetune.data.parts import open_parts
from tui_finetune.data.prepare import PreparedData, prepare
from tui_finetune.data.readers.row import Row
from tui_finetune.errors import UserError
from tui_finetune.export.subject import Subject
from tui_finetune.models.loading import load_tokenizer, resolve_max_length
from tui_finetune.models.located import LocatedModel, locate
from tui_finetune.runs.state import RunState
from tui_finetune.starter.paths import SAMPLES
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PADS_INSTEAD = "can't keep packed texts apart"
"""What a run says that was to be packed, and pads."""


@dataclass(frozen=True)
class RunRows:
    """A run's data, read and prepared as the run does it.

    Attributes:
        config: the run's settings, with `packing` as it was in the end.
        base: the model that training began from; its small files are here, its weights perhaps not.
        tokenizer: its tokenizer.
        max_length: tokens of a row.
        parts: the data sets, open.
    """

    config: RunConfig
    base: LocatedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    parts: list[Part]

    @property
    def several(self) -> bool:
        """Whether there is more than one data set, be it one to evaluate on."""
        return len(self.parts) > 1 or bool(self.parts[0].label)

    @cached_property
    def transforms(self) -> list[RowTransform]:
        """How the rows of each data set become documents."""
        return [RowTransform(recognize(part.source, part.config), part.config, self.tokenizer) for part in self.parts]

    @property
    def transform(self) -> RowTransform:
        """How the rows of the first data set become documents."""
        return self.transforms[0]

    @property
    def plain(self) -> bool:
        """Whether rows are made as the plain script makes them."""
        return all(is_plain(transform.shape.name, self.config) for transform in self.transforms)

    def prepared(self, report: Report | None = None) -> PreparedData:
        """The rows of tokens; from the cache where they are still there."""
        return prepare(self.parts, self.config, self.tokenizer, self.max_length, report)

    def documents(self, part: int = 0) -> Iterator[tuple[int, Row]]:
        """The documents of a data set as JSON objects, in its order, each with the number of its row."""
        return understood(self.parts[part].source, self.transforms[part], keep_blank=self.plain)

    def write_documents(self, path: Path, report: Report | None = None, part: int = 0) -> int:
        """Write the documents of a data set as JSON lines; how many they are."""
        tick = Ticker(report, len(self.parts[part].source.rows), "rows")
        number = 0
        with path.open("w", encoding="utf-8") as file:
            for row, document in self.documents(part):
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
                number += 1
                tick(row)
        return number


def rows_of(subject: Subject, report: Report | None = None) -> RunRows:
    """Open a run's data.

    Raises:
        UserError: the data or the tokenizer of its base model is gone.
    """
    config = subject.config
    if packed_in_vain(subject.state):
        config = config.model_copy(update={"packing": False})
    base = locate(config.model_name_or_path, config.model_revision, weights=False, newest=False, report=report)
    max_length = resolve_max_length(config, base)
    try:
        parts = open_parts(config, report)
    except UserError as error:
        raise UserError(f"the data of the run can't be read: {error.message}", error.remedy) from error
    return RunRows(config, base, load_tokenizer(base), max_length, parts)


def check_data(config: RunConfig) -> None:
    """Raise UserError where a run's data was on this machine and is gone, or is compared and not written like."""
    if config.task in PREFERENCES:
        raise UserError(
            f"what a run with task: {config.task} learns from can't be taken elsewhere yet, neither as a script nor as rows",
            "its model can: --to merged, gguf, ollama or hub",
        )
    for name in _names(config):
        path = Path(name).expanduser()
        if path.is_absolute() and not path.exists() and not any(letter in name for letter in "*?["):
            raise UserError(f"the data of the run is gone: {name}", "put it back where it was")


def _names(config: RunConfig) -> list[str]:
    """The data sets of a run as they are named."""
    return [own.dataset_name for _, own in [*configs_of(config), *eval_configs_of(config)]]


def data_bytes(config: RunConfig) -> int | None:
    """The size of a run's data on disk; None where it is not on this machine."""
    sizes = [_bytes_of(name) for name in _names(config)]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _bytes_of(name: str) -> int | None:
    sample = SAMPLES / f"{name}.jsonl"
    path = sample if sample.is_file() else Path(name).expanduser()
    try:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in files) or None
    except OSError:
        return None


def packed_in_vain(state: RunState) -> bool:
    """Whether a run was to be packed, and its model could not keep packed texts apart."""
    return any(PADS_INSTEAD in event.notice.message for event in state.notices)
