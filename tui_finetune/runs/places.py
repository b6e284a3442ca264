"""Where a run and its final model may go, and whose what is there: nothing of anybody else is ever replaced.

A folder for a final model outside of its run is claimed by a file in it before the training begins, so that of two runs
that are told the same folder one is refused. The file names the run, and later what the run wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.system.files import PRIVATE_DIRECTORY, PRIVATE_FILE, open_regular, write_atomically

CLAIM = ".finetune-tui.json"
"""In the folder of a final model: which run it is of, and the names of the files that the run wrote."""

MAX_CLAIM_BYTES = 1 << 20

_PROGRAM = Path(__file__).parents[1]

_OF_RUNS = frozenset(
    {"checkpoints", "control", "replies", "config.yaml", "events.jsonl", "digest.jsonl", "history.bin", "train.log", "run.json", "run.lock",
     "launch.lock"}
)  # fmt: skip
"""What else a run has in its directory, where no model goes."""


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def check_place(path: Path, setting: str) -> None:
    """Raise UserError for the root, a home, the folder one is in, or one around them, and for the program's own folder."""
    real = _real(path)
    remedy = f"choose another {setting}, best one that is not there yet"
    if real == Path(real.anchor):
        raise UserError(f"{setting} {path} is the root of the file system", remedy, setting)
    if _real(Path.home()).is_relative_to(real):
        raise UserError(f"{setting} {path} is your home directory, or one around it", remedy, setting)
    with contextlib.suppress(FileNotFoundError):
        if _real(Path.cwd()).is_relative_to(real):
            raise UserError(f"{setting} {path} is the folder that you are in, or one around it", remedy, setting)
    if real.is_relative_to(_real(_PROGRAM)) or _real(_PROGRAM).is_relative_to(real):
        raise UserError(f"{setting} {path} is this program's own folder, or lies in it or around it", remedy, setting)


def check_final_place(final: Path, run: Path) -> None:
    """Raise UserError where a run's final model can't be put there, whatever is there: in the way of the run itself."""
    setting = "final_model_dir"
    where, home = _real(final), _real(run)
    remedy = f"leave {setting} out, or choose a folder elsewhere"
    if home.is_relative_to(where):
        raise UserError(f"{setting} {final} is the run's own directory, or one around it", remedy, setting)
    if not where.is_relative_to(home):
        check_place(final, setting)
        return
    first = where.relative_to(home).parts[0]
    if first in _OF_RUNS or first.startswith("."):
        raise UserError(f"{setting} {final} lies where the run keeps its {first}", remedy, setting)


def check_final_free(final: Path, run: Path, run_id: str, *, written: bool = False) -> None:
    """Raise UserError where something is in a final model's place that this run did not put there.

    Args:
        final: the folder for the final model.
        run: the run's directory; a folder in it is the run's.
        run_id: the id in the run's marker, '' for a run that isn't made yet.
        written: whether the run's log says that it wrote what is there, where the folder itself doesn't say whose it is.
    """
    check_final_place(final, run)
    if not os.path.lexists(final) or _real(final).is_relative_to(_real(run)):
        return
    setting, remedy = "final_model_dir", "choose another place; nothing that is saved is overwritten"
    try:
        if os.path.islink(final) or not final.is_dir():
            raise UserError(f"{setting} {final} is there already, and is no folder", remedy, setting)
        owner, _ = read_claim(final)
        if owner and owner != run_id:
            raise UserError(f"{setting} {final} belongs to another run", remedy, setting)
        if not owner and not written and any(final.iterdir()):
            raise UserError(f"{setting} {final} is there already and not empty", remedy, setting)
    except OSError as error:
        raise UserError(f"{setting} {final}: {error.strerror}", "choose another place", setting) from None


def claim(final: Path, run: Path, run_id: str, *, written: bool = False) -> None:
    """Make a folder for a run's final model and say in it that it is this run's; in the run itself nothing has to be said.

    Raises:
        UserError: it is another's, or can't be made.
    """
    check_final_free(final, run, run_id, written=written)
    if _real(final).is_relative_to(_real(run)) or (final.is_dir() and read_claim(final)[0] == run_id):
        return
    try:
        final.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        # Exclusive: of two runs that begin at once, one finds it taken.
        descriptor = os.open(final / CLAIM, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_content(run_id, ()))
    except FileExistsError:
        raise UserError(
            f"final_model_dir {final} belongs to another run", "choose another place", "final_model_dir"
        ) from None
    except OSError as error:
        raise UserError(
            f"final_model_dir {final}: {error.strerror}", "choose a place that you may write to", "final_model_dir"
        ) from None


def release(final: Path, run_id: str) -> None:
    """Give up a claim that came to nothing: the folder goes where only the claim is in it."""
    with contextlib.suppress(OSError):
        if run_id and read_claim(final) == (run_id, frozenset()) and os.listdir(final) == [CLAIM]:
            (final / CLAIM).unlink()
            final.rmdir()


def sign(folder: Path, run_id: str, *, finished: bool = True) -> None:
    """Write into a folder that a run made it, and, when it is finished, what it wrote."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != CLAIM] if finished else ()
    write_atomically(folder / CLAIM, _content(run_id, sorted(names)))


def read_claim(folder: Path) -> tuple[str, frozenset[str]]:
    """The id of the run that made a folder, '' where it isn't said, and the names of what it wrote there."""
    try:
        with open(folder / CLAIM, "rb", opener=open_regular) as file:
            content = json.loads(file.read(MAX_CLAIM_BYTES))
        return str(content["run"]), frozenset(str(name) for name in content.get("files", ()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", frozenset()


def _content(run_id: str, names: Iterable[str]) -> str:
    return json.dumps({"made_by": "finetune-tui", "format": 1, "run": run_id, "files": list(names)}, indent=1) + "\n"


def keep_others(old: Path, new: Path) -> None:
    """Move what a run did not write from the folder of its earlier final model into that of the new one."""
    owner, names = read_claim(old)
    if not owner:
        return  # of a version that did not say: all of it is the model
    for path in old.iterdir():
        if path.name not in names and path.name != CLAIM and not os.path.lexists(new / path.name):
            shutil.move(path, new / path.name)


def remove_drafts(final: Path, run_id: str) -> None:
    """Remove what a killed process left of final models half written, beside their place."""
    for draft in final.parent.glob(f".{final.name}-*"):
        if run_id and not draft.is_symlink() and read_claim(draft)[0] == run_id:
            shutil.rmtree(draft, ignore_errors=True)
