"""The queue: runs that wait for their turn, in a file that survives everything.

The file is replaced as a whole, so that a reader sees the old queue or the new. Whoever changes it holds a lock meanwhile;
whoever trains the runs in it holds another one, for as long as it does. What a newer version wrote beside what is known
here is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import holder, is_held
from tui_finetune.runs.values import Fields
from tui_finetune.system.files import PRIVATE_DIRECTORY, PRIVATE_FILE, open_regular, write_atomically
from tui_finetune.system.paths import short_path, state_dir

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved

State = Literal["waiting", "started", "ended"]

FORMAT = 1
"""The format of the file; raised when an older program could not read a newer queue any more."""

MAX_BYTES = 32 << 20
MAX_RUNS = 1000
"""Runs that may wait."""

KEPT_ENDED = 200
"""Of the runs that have ended the newest that stay in the file; as runs all of them stay."""


@dataclass(frozen=True)
class QueuedRun:
    """A run in the queue.

    Attributes:
        id: what tells it from every other; the id in the marker of its directory, once that is made.
        config: its settings by key, with absolute paths.
        origins, preset: where they come from, as `Resolved` has it.
        folder: `runs` is in it, where the settings name no output_dir.
        varied: of a run of a sweep the settings in which it differs from the others, as they were given.
        sweep: what the runs of one sweep have in common; '' for a run of its own.
        state: whether it waits, was started, or has ended.
        run: its directory; '' while none was chosen.
        status, reason: how it ended.
        more: what a newer version keeps of it.
    """

    id: str
    config: Mapping[str, object]
    origins: Mapping[str, str] = field(default_factory=dict)
    preset: str = "default"
    folder: str = ""
    varied: Mapping[str, str] = field(default_factory=dict)
    sweep: str = ""
    state: State = "waiting"
    run: str = ""
    status: str = ""
    reason: str = ""
    more: Mapping[str, object] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is, in a line: its name once it has one, its model, its data set, and what is varied."""
        names = [str(self.config.get(key) or "?") for key in ("model_name_or_path", "dataset_name")]
        what = " on ".join(short_path(name) if name.startswith("/") else name for name in names)
        return f"{what}  {self.varied_words}" if self.varied else what

    @property
    def name(self) -> str:
        """The name of its directory; '' while none was chosen."""
        return Path(self.run).name if self.run else ""

    @property
    def varied_words(self) -> str:
        return "  ".join(f"{key} {value}" for key, value in self.varied.items())

    def resolved(self) -> Resolved:
        """Its configuration. Settings that only a newer version knows are passed over.

        Raises:
            UserError: a value is not allowed.
        """
        from tui_finetune.config.resolve import Resolved, make_config
        from tui_finetune.config.schema import RunConfig

        known = {key: value for key, value in self.config.items() if key in RunConfig.model_fields}
        return Resolved(make_config(known), self.origins, self.preset)

    def to_fields(self) -> dict[str, object]:
        """As it stands in the file."""
        known = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "more"}
        return {**self.more, **known}

    @classmethod
    def read(cls, given: object) -> QueuedRun:
        """From what stands in the file; raises ValueError where it is no run."""
        if not isinstance(given, dict) or not isinstance(given.get("config"), dict) or not given.get("id"):
            raise ValueError("no run")
        names = {item.name for item in fields(cls)} - {"more"}
        words = {key: str(given.get(key) or "") for key in names if key not in {"config", "origins", "varied"}}
        if words["state"] not in {"waiting", "started", "ended"}:
            raise ValueError("no state")
        return cls(
            words["id"],
            given["config"],
            _texts(given.get("origins")),
            words["preset"] or "default",
            words["folder"],
            _texts(given.get("varied")),
            words["sweep"],
            cast(State, words["state"]),
            words["run"],
            words["status"],
            words["reason"],
            {key: value for key, value in given.items() if key not in names},
        )


def _texts(given: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}


def queued(resolved: Resolved, folder: Path, varied: Mapping[str, str] | None = None, sweep: str = "") -> QueuedRun:
    """A configuration, whose paths are absolute, as a run for the queue; other arguments as for `QueuedRun`."""
    config = resolved.config.model_dump(mode="json")
    return QueuedRun(
        uuid.uuid4().hex, config, dict(resolved.origins), resolved.preset, str(folder), dict(varied or {}), sweep
    )


class Queue:
    """The queue of this user.

    Args:
        path: its file; that in the program's own directory if left out.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or state_dir() / "queue.json"

    @property
    def _edit_lock(self) -> Path:
        return self.path.with_suffix(".lock")

    @property
    def runner_lock(self) -> Path:
        """Held by whoever trains the runs of the queue."""
        return self.path.with_suffix(".running")

    @property
    def log_path(self) -> Path:
        """What a runner without a terminal prints."""
        return self.path.with_suffix(".log")

    @property
    def is_running(self) -> bool:
        """Whether somebody trains its runs now."""
        return is_held(self.runner_lock)

    # Reading

    def runs(self) -> list[QueuedRun]:
        """The runs, in their order.

        Raises:
            UserError: the file is damaged, or of a newer version.
        """
        return self._read()[0]

    def find(self, run_id: str) -> QueuedRun | None:
        """The run with that id, as it stands in the file now."""
        return next((run for run in self.runs() if run.id == run_id), None)

    def _read(self) -> tuple[list[QueuedRun], dict[str, object]]:
        """The runs, and what else stands in the file."""
        try:
            with open(self.path, "rb", opener=open_regular) as file:
                data = file.read(MAX_BYTES)
        except FileNotFoundError:
            return [], {}
        except OSError as error:
            raise UserError(f"{self.path}: {error.strerror}", "check the permissions of the file") from None
        try:
            content = json.loads(data)
            made, given = content.pop("format"), content.pop("runs")
            if isinstance(made, int) and made > FORMAT:
                raise UserError("the queue was written by a newer version of finetune-tui", "update finetune-tui")
            return [QueuedRun.read(item) for item in given], content
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UserError(
                f"the queue can't be read: {self.path} is damaged",
                "mend the file, or put it elsewhere; runs that were started are in their directories",
            ) from None

    # Changing

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[QueuedRun]]:
        """The runs, to be changed; written when that is done. Nobody else changes them meanwhile."""
        try:
            self.path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._edit_lock, flags, PRIVATE_FILE)
        except OSError as error:
            raise UserError(f"{self.path.parent}: {error.strerror}", "the queue is kept there") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            runs, more = self._read()
            yield runs
            ended = [run.id for run in runs if run.state == "ended"]
            too_old = set(ended[: max(len(ended) - KEPT_ENDED, 0)])
            kept = [run.to_fields() for run in runs if run.id not in too_old]
            try:
                write_atomically(self.path, json.dumps({"format": FORMAT, "runs": kept, **more}, indent=1) + "\n")
            except OSError as error:
                raise UserError(f"{self.path}: {error.strerror}", "free some space") from None
        finally:
            os.close(descriptor)

    def add(self, added: Sequence[QueuedRun]) -> None:
        """Put runs at the end.

        Raises:
            UserError: too many would wait, or the file can't be written.
        """
        with self._changing() as runs:
            if sum(run.state == "waiting" for run in runs) + len(added) > MAX_RUNS:
                raise UserError(f"more than {MAX_RUNS:,} runs would wait in the queue", "add fewer of them")
            runs.extend(added)

    def change(self, run_id: str, **changes: object) -> QueuedRun | None:
        """Change what is known of a run; gives it as it is then, None where it was removed."""
        with self._changing() as runs:
            for place, run in enumerate(runs):
                if run.id == run_id:
                    runs[place] = replace(run, **changes)  # type: ignore[arg-type] # of the right kinds, by those who call
                    return runs[place]
        return None

    def move(self, run_id: str, by: int) -> None:
        """Let a run that waits change places with others that wait, so many up (negative) or down."""
        with self._changing() as runs:
            waiting = [place for place, run in enumerate(runs) if run.state == "waiting"]
            order = [runs[place] for place in waiting]
            at = next((n for n, run in enumerate(order) if run.id == run_id), None)
            if at is None:
                return
            moved = order.pop(at)
            order.insert(min(max(at + by, 0), len(order)), moved)
            for place, run in zip(waiting, order, strict=True):
                runs[place] = run

    def remove(self, run_ids: Sequence[str]) -> None:
        """Take runs out of the queue. What was trained of them stays where it is.

        Raises:
            UserError: one of them is being trained.
        """
        with self._changing() as runs:
            for run in runs:
                if run.id in run_ids and run.state == "started" and RunDirectory(Path(run.run)).is_live:
                    raise UserError(f"{run.name} is being trained", f"`finetune-tui stop {run.name}` stops it")
            runs[:] = [run for run in runs if run.id not in run_ids]

    def clear_ended(self) -> int:
        """Take all runs out of the queue that have ended; gives how many."""
        with self._changing() as runs:
            before = len(runs)
            runs[:] = [run for run in runs if run.state != "ended"]
            return before - len(runs)


class RunnerLock:
    """Held by the one process that trains the runs of a queue; frees itself however that ends.

    Raises:
        UserError: on entering: another process has it.
    """

    def __init__(self, queue: Queue) -> None:
        self._path = queue.runner_lock
        self._descriptor = -1

    def __enter__(self) -> RunnerLock:
        try:
            self._path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self._path, flags, PRIVATE_FILE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(_this_process()).encode(), 0)
        except BlockingIOError:
            self.__exit__()
            owner: Fields = holder(self._path) or {}
            who = f" (process {owner['pid']} on {owner['host']})" if owner else ""
            raise UserError(
                f"the queue is being run already{who}", "`finetune-tui queue list` shows how far it is"
            ) from None
        except OSError as error:
            self.__exit__()
            raise UserError(f"{self._path}: {error.strerror}", "the queue is kept there") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _this_process() -> dict[str, str | int]:
    return {"pid": os.getpid(), "host": socket.gethostname()}
