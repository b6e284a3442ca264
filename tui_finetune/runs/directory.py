"""The directory of a run: what is where in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.runs import control
from tui_finetune.runs.lock import is_held
from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


@dataclass(frozen=True)
class RunDirectory:
    """The paths in a run's directory."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config_path(self) -> Path:
        return self.path / "config.yaml"

    @property
    def events_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def control_dir(self) -> Path:
        return self.path / "control"

    @property
    def log_path(self) -> Path:
        return self.path / "train.log"

    @property
    def lock_path(self) -> Path:
        return self.path / "run.lock"

    @property
    def checkpoints_dir(self) -> Path:
        return self.path / "checkpoints"

    @property
    def final_dir(self) -> Path:
        """Where the final model of this run is, which its configuration may have put elsewhere."""
        try:
            chosen = self.read_config().final_model_dir
        except UserError:
            chosen = None
        return Path(chosen) if chosen else self.path / "final"

    @property
    def exists(self) -> bool:
        return self.config_path.is_file() or self.events_path.is_file()

    @property
    def is_live(self) -> bool:
        """Whether a process trains in it now."""
        return is_held(self.lock_path)

    def read_config(self) -> RunConfig:
        """The run's configuration; raises UserError where it can't be read."""
        from tui_finetune.config.resolve import make_config, read_yaml

        return make_config(read_yaml(self.config_path))

    def write_config(self, config: RunConfig) -> None:
        from tui_finetune.config.resolve import to_yaml

        write_atomically(self.config_path, to_yaml(config))

    def request(self, action: control.Action, **fields: object) -> str:
        """Leave a request for the trainer of this run; returns its id, by which the answer names it."""
        return control.send(self.control_dir, action, **fields)

    def create(self) -> None:
        """Make the directory; raises UserError where there is a run in it already, or it can't be made."""
        if not NAME.match(self.name):
            raise UserError(
                f"'{self.name}' can't be the name of a run",
                "use letters, digits, dots, dashes and underscores, at most 64",
                setting="output_dir",
            )
        if self.exists:
            raise UserError(
                f"{self.path} holds a run already",
                f"`finetune-tui resume {self.name}` goes on with it; for a new run choose another output_dir",
                setting="output_dir",
            )
        try:
            self.path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            self.control_dir.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            self.checkpoints_dir.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{self.path}: {error.strerror}", "choose an output_dir that you may write to", setting="output_dir"
            ) from None


def _word(text: str) -> str:
    """The last part of a path or hub name, as it may stand in a run's name."""
    last = Path(text.rstrip("/")).name
    for suffix in (".gz", ".jsonl", ".json", ".txt", ".md", ".csv", ".tsv", ".parquet", ".arrow"):
        last = last.removesuffix(suffix)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")[:24] or "data"


def new_run_path(config: RunConfig, base: Path | None = None) -> Path:
    """Where the run of a configuration goes: its output_dir, or the first free runs/<model>-<dataset>-<n>.

    Args:
        config: the configuration.
        base: the directory that `runs` is in; the current one if left out.
    """
    if config.output_dir is not None:
        return Path(config.output_dir).expanduser().absolute()
    runs = (base or Path.cwd()) / "runs"
    stem = f"{_word(config.model_name_or_path)}-{_word(config.dataset_name)}"
    number = 1
    while (runs / f"{stem}-{number}").exists():
        number += 1
    return (runs / f"{stem}-{number}").absolute()
