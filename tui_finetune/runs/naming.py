"""The names of runs: chosen for new ones, no two alike on a machine, and changed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs import places, registry
from tui_finetune.runs.directory import NAME, OccupiedError, RunDirectory, stem_of
from tui_finetune.runs.lock import RunLock
from tui_finetune.system.paths import user_path


def new_run_path(config: RunConfig, base: Path | None = None) -> Path:
    """Where the run of a configuration goes: its output_dir, or runs/<model>-<dataset>-<n> with the first number that no
    run that is known on this machine has.

    Args:
        config: the configuration.
        base: the directory that `runs` is in; the current one if left out.
    """
    if config.output_dir is not None:
        return user_path(config.output_dir, "output_dir").absolute()
    taken = {run.name for run in registry.known_runs(base)}
    return next(path for path in _numbered(config, base) if not os.path.lexists(path) and path.name not in taken)


def _numbered(config: RunConfig, base: Path | None) -> Iterator[Path]:
    runs = (base or Path.cwd()) / "runs"
    stem = stem_of(config)
    return ((runs / f"{stem}-{number}").absolute() for number in itertools.count(1))


def check_places(run: RunDirectory, config: RunConfig) -> None:
    """Raise UserError where a new run can't be made there, or its final model can't be put where it is to go."""
    run.check_free()
    places.check_final_free(run.final_place(config), run.path, "")


def create_run(config: RunConfig, base: Path | None = None) -> RunDirectory:
    """Make the directory of a new run; of several that are made at once, each takes the next free name.

    Raises:
        UserError: its output_dir is taken, or can't be made.
    """
    while True:
        run = RunDirectory(new_run_path(config, base))
        try:
            check_places(run, config)
            run.create()
            return run
        except OccupiedError:
            if config.output_dir is not None:
                raise


def rename_run(run: RunDirectory, name: str) -> RunDirectory:
    """Give a run another name, which is that of its directory; returns it as it is then.

    Raises:
        UserError: the name is none or taken, or the run is being trained.
    """
    if not NAME.match(name) or name in {".", ".."}:
        raise UserError(
            f"'{name}' can't be the name of a run", "use letters, digits, dots, dashes and underscores, at most 64"
        )
    renamed = RunDirectory(run.path.with_name(name))
    if name == run.name:
        return run
    if os.path.lexists(renamed.path):
        raise UserError(f"{renamed.path} is there already", "choose another name")
    if (other := next((known for known in registry.known_runs() if known.name == name), None)) is not None:
        raise UserError(f"there is a run '{name}' already, in {other.path}", "choose another name")
    try:
        with RunLock(run.lock_path):
            run.path.rename(renamed.path)
    except OSError as error:
        raise UserError(f"{run.path}: {error.strerror}", "check the permissions of the folder that it is in") from None
    registry.forget(run)
    registry.note(renamed)
    return renamed
