"""The directory of a run: what is where in it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.runs import control, places
from tui_finetune.runs.history import history_path
from tui_finetune.runs.lock import is_held
from tui_finetune.runs.log import digest_path
from tui_finetune.system.files import DISK_FULL, PRIVATE_DIRECTORY, PRIVATE_FILE, open_regular, write_atomically
from tui_finetune.system.paths import user_path

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

MAX_NOTE_BYTES = 10_000

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class OccupiedError(UserError):
    """There is something in the place of a run already."""


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
    def replies_dir(self) -> Path:
        """What the run answered when it was talked to."""
        return self.path / "replies"

    @property
    def note_path(self) -> Path:
        """What its owner has written down about it."""
        return self.path / "note.txt"

    @property
    def log_path(self) -> Path:
        return self.path / "train.log"

    @property
    def lock_path(self) -> Path:
        return self.path / "run.lock"

    @property
    def launch_lock_path(self) -> Path:
        """The lock of a process that was started for the run, held from its first moment on."""
        return self.path / "launch.lock"

    @property
    def failures_dir(self) -> Path:
        """Why processes of the run ended, where it has several."""
        return self.path / "failures"

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

    def final_place(self, config: RunConfig) -> Path:
        """Where the final model of a run with that configuration goes."""
        return (
            user_path(config.final_model_dir, "final_model_dir").absolute()
            if config.final_model_dir
            else self.path / "final"
        )

    @property
    def marker_path(self) -> Path:
        return self.path / "run.json"

    @property
    def is_marked(self) -> bool:
        """Whether this program made the directory: only then is anything in it ever replaced or deleted."""
        return os.path.isfile(self.marker_path) and not os.path.islink(self.marker_path)

    @property
    def id(self) -> str:
        """What tells this run from every other, wherever it is; '' for one of before there were ids."""
        return str(self._read_marker().get("id", ""))

    def _read_marker(self) -> dict[str, object]:
        try:
            with open(self.marker_path, "rb", opener=open_regular) as file:
                content = json.loads(file.read(MAX_MARKER_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def mark(self) -> None:
        """Give a run of an earlier version the marker that it lacks, or the id in it.

        Raises:
            UserError: the run is of a version that this one can't continue, or can't be written to.
        """
        marker = self._read_marker()
        if isinstance(made := marker.get("format", FORMAT), int) and made > FORMAT:
            raise UserError(f"{self.name} was made by a newer version of finetune-tui", "update finetune-tui")
        if marker.get("id"):
            return
        try:
            write_atomically(self.marker_path, json.dumps({**_new_marker(), **marker}))
        except OSError as error:
            remedy = "free some space" if error.errno in DISK_FULL else "check the permissions of the run's directory"
            raise UserError(f"{self.marker_path}: {error.strerror}", remedy) from None

    @property
    def exists(self) -> bool:
        """Whether there is a run in it, also one of before there were markers: what only looks like one is none."""
        return self.is_marked or _begins_a_run(self.events_path)

    @property
    def is_readable(self) -> bool:
        """Whether this user may look into it."""
        return os.access(self.path, os.R_OK | os.X_OK)

    def refuse_links(self) -> None:
        """Raise UserError where a part of the run is a link: what it leads to is nobody's to change."""
        for path in (*self.parts, self.marker_path, self.lock_path, self.launch_lock_path):
            if os.path.islink(path):
                raise UserError(
                    f"{path} is a link, and a run's files must lie in its own directory",
                    "replace the link by what it leads to, if you trust where the run is from",
                )

    @property
    def parts(self) -> tuple[Path, ...]:
        """The files and directories that a run makes in its directory, but for marker and locks."""
        final = self.path / "final"
        return (
            self.events_path,
            digest_path(self.events_path),
            history_path(self.events_path),
            self.log_path,
            self.control_dir,
            self.replies_dir,
            self.failures_dir,
            self.checkpoints_dir,
            final,
            self.note_path,
            self.config_path,
        )

    @property
    def is_live(self) -> bool:
        """Whether a process trains in it now."""
        return any(map(is_held, (self.lock_path, self.launch_lock_path, self.path)))

    def read_config(self) -> RunConfig:
        """The run's configuration; raises UserError where it can't be read.

        Settings that only a newer version of the program knows are passed over.
        """
        from tui_finetune.config.files import read_yaml
        from tui_finetune.config.resolve import make_config
        from tui_finetune.config.schema import RunConfig

        values = read_yaml(self.config_path)
        # Runs of before there were these settings: their evaluations have to stay comparable, their rows in order and
        # held out of the same data, and names of special tokens in their texts what they were.
        values.setdefault("eval_loss_average", "batches")
        values.setdefault("split_special_tokens", False)
        values.setdefault("dataset_eval_split", "none")
        values.setdefault("num_processes", 1)
        if values.get("packing") is False and values.get("padding") == "longest" and values.get("train_on_eos"):
            values.setdefault("group_by_length", True)
        return make_config({key: value for key, value in values.items() if key in RunConfig.model_fields})

    def read_note(self) -> str:
        """What its owner has written down about it, '' where there is nothing."""
        try:
            with open(self.note_path, "rb", opener=open_regular) as file:
                return file.read(MAX_NOTE_BYTES).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def write_note(self, text: str) -> None:
        """Write something down about it; nothing takes it away.

        Raises:
            UserError: it can't be written.
        """
        try:
            if text.strip():
                write_atomically(self.note_path, text.strip() + "\n")
            else:
                self.note_path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{self.note_path}: {error.strerror}", "the run's directory must be writable") from None

    def write_config(self, config: RunConfig) -> None:
        """Write the configuration; settings in it that only a newer version knows are kept."""
        from tui_finetune.config.files import to_yaml

        unknown = self.unknown_settings()
        more = "".join(f"{key}: {json.dumps(value, default=str)}\n" for key, value in unknown.items())
        write_atomically(self.config_path, to_yaml(config) + more)

    def unknown_settings(self) -> dict[str, object]:
        """What stands in the configuration that this version doesn't know, as of a newer one."""
        from tui_finetune.config.files import read_yaml
        from tui_finetune.config.schema import RunConfig

        try:
            values = read_yaml(self.config_path)
        except UserError:
            return {}
        return {key: value for key, value in values.items() if key not in RunConfig.model_fields}

    def request(self, action: control.Action, **fields: object) -> str:
        """Leave a request for the trainer of this run; returns its id, by which the answer names it."""
        return control.send(self.control_dir, action, **fields)

    def create(self, run_id: str | None = None) -> None:
        """Make the directory, its marker first.

        Args:
            run_id: the run's id; a new one if left out.

        Raises:
            UserError: there is a run in it already, or anything else, or it can't be made.
        """
        self.check_free()
        try:
            self.path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            # Exclusive: of two that make the same run at once, one finds it taken.
            descriptor = os.open(self.marker_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        except FileExistsError:
            raise self._taken() from None
        except OSError as error:
            raise self._not_made(error) from None
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(_new_marker(run_id), file)
            self.control_dir.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            self.checkpoints_dir.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        except OSError as error:
            with contextlib.suppress(OSError):
                for made in (self.control_dir, self.checkpoints_dir):
                    with contextlib.suppress(FileNotFoundError):
                        made.rmdir()
                self.marker_path.unlink(missing_ok=True)
                self.path.rmdir()
            raise self._not_made(error) from None

    def check_free(self) -> None:
        """Raise UserError where no run can be made in the directory: nothing that is there is ever replaced."""
        if not NAME.match(self.name):
            raise UserError(
                f"'{self.name}' can't be the name of a run",
                "use letters, digits, dots, dashes and underscores, at most 64",
                setting="output_dir",
            )
        if self.exists:
            raise self._taken()
        places.check_place(self.path, "output_dir")
        try:
            occupied = os.path.lexists(self.path) and (not self.path.is_dir() or any(self.path.iterdir()))
        except OSError as error:
            raise UserError(f"{self.path}: {error.strerror}", "choose another output_dir", "output_dir") from None
        if occupied:
            raise OccupiedError(
                f"{self.path} already exists and is not a run",
                "choose an output_dir that is empty or not there yet; nothing that is there is overwritten",
                setting="output_dir",
            )

    def _not_made(self, error: OSError) -> UserError:
        full = error.errno in DISK_FULL
        remedy = (
            "free some space, or choose another output_dir" if full else "choose an output_dir that you may write to"
        )
        return UserError(f"{self.path}: {error.strerror}", remedy, setting="output_dir")

    def check_can_be_made(self) -> None:
        """Raise UserError where the directory can't be made: it is tried, and what was made is removed again."""
        made: list[Path] = []
        try:
            for folder in [*reversed(self.path.parents), self.path]:
                if not folder.exists():
                    folder.mkdir(mode=PRIVATE_DIRECTORY)
                    made.append(folder)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "permission denied")
        except OSError as error:
            raise UserError(
                f"{self.path}: {(error.strerror or str(error)).lower()}",
                "choose an output_dir that you may write to",
                setting="output_dir",
            ) from None
        finally:
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def _taken(self) -> OccupiedError:
        return OccupiedError(
            f"{self.path} holds a run already",
            f"`finetune-tui resume {self.name}` resumes it; for a new run choose another output_dir",
            setting="output_dir",
        )


MAX_MARKER_BYTES = 64 * 1024

FORMAT = 1
"""The format of run directories; raised when an older program could not read a newer run any more."""

_FIRST_LINE_BYTES = 4096


def _new_marker(run_id: str | None = None) -> dict[str, object]:
    return {"made_by": "finetune-tui", "format": FORMAT, "id": run_id or uuid.uuid4().hex}


def _begins_a_run(events_path: Path) -> bool:
    """Whether a file begins as the event log of a run does."""
    try:
        with open(events_path, "rb", opener=open_regular) as file:
            return b'"type":"status"' in file.read(_FIRST_LINE_BYTES).split(b"\n")[0]
    except OSError:
        return False


def _word(text: str) -> str:
    """The last part of a path or hub name, as it may stand in a run's name."""
    last = Path(text.rstrip("/")).name
    for suffix in (".gz", ".jsonl", ".json", ".txt", ".md", ".csv", ".tsv", ".parquet", ".arrow"):
        last = last.removesuffix(suffix)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.")[:24] or "data"


def stem_of(config: RunConfig) -> str:
    """What the name of a configuration's run begins with: its model and its data set."""
    return f"{_word(config.model_name_or_path)}-{_word(config.dataset_name)}"
