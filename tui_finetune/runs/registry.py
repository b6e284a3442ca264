"""The runs that are known on this machine, so that they are found from anywhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import NAME, RunDirectory
from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically
from tui_finetune.system.paths import state_dir, user_path


def note(run: RunDirectory) -> None:
    """Remember a run. Where the state directory can't be written to, it is only found by its path."""
    file = _note_of(run)
    try:
        file.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        write_atomically(file, json.dumps({"path": str(run.path.absolute())}), durable=False)
    except OSError:
        return


def forget(run: RunDirectory) -> None:
    """Remember a run no longer."""
    try:
        _note_of(run).unlink(missing_ok=True)
    except OSError:
        return


def _note_of(run: RunDirectory) -> Path:
    path = str(run.path.absolute())
    name = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:24] + ".json"
    return state_dir() / "runs" / name


def known_runs(base: Path | None = None) -> list[RunDirectory]:
    """The runs noted, and those in ./runs; those that are gone are left out. Newest activity first.

    Runs of other users, which may not be looked into, are among them where they lie in ./runs: see `is_readable`.
    """
    paths = set(_noted())
    with contextlib.suppress(OSError):
        paths.update(
            Path(entry.path).absolute() for entry in os.scandir((base or Path.cwd()) / "runs") if entry.is_dir()
        )
    runs = [run for path in paths if (run := RunDirectory(path)).exists or _is_closed(run)]
    return sorted(runs, key=last_activity, reverse=True)


def _noted() -> Iterator[Path]:
    try:
        entries = sorted(entry.path for entry in os.scandir(state_dir() / "runs") if entry.name.endswith(".json"))
    except OSError:
        return
    for entry in entries:
        try:
            yield Path(json.loads(Path(entry).read_bytes())["path"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue


def _is_closed(run: RunDirectory) -> bool:
    """Whether it is a directory that this user may not look into."""
    return run.path.is_dir() and not run.is_readable


def last_activity(run: RunDirectory) -> tuple[float, str]:
    for path in (run.events_path, run.config_path):
        try:
            return path.stat().st_mtime, run.name
        except OSError:
            continue
    return 0.0, run.name


def find_run(name: str | None, base: Path | None = None) -> RunDirectory:
    """The run of that name or directory; the newest where it is left out.

    Raises:
        UserError: there is none.
    """
    known = [run for run in known_runs(base) if run.is_readable]
    if name is None:
        if not known:
            raise UserError("there are no runs yet", "`finetune-tui train` makes one")
        return known[0]
    by_path = RunDirectory(user_path(name).absolute())
    if ("/" in name or not NAME.match(name) or by_path.exists) and by_path.exists:
        return by_path
    named = [run for run in known if run.name == name]
    if len(named) > 1:
        paths = " and ".join(str(run.path) for run in named)
        raise UserError(f"there are {len(named)} runs '{name}': {paths}", "give the directory of the one that is meant")
    if named:
        return named[0]
    raise UserError(f"there is no run '{name}'", "`finetune-tui runs` lists them")
