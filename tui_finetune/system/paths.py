"""Where the program keeps what it knows between starts, and paths as people type them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import platformdirs

from tui_finetune.errors import UserError


def state_dir() -> Path:
    """Where the program keeps what it knows between runs (FINETUNE_TUI_STATE, or the platform's state directory)."""
    return Path(os.environ.get("FINETUNE_TUI_STATE") or platformdirs.user_state_path("finetune-tui"))


def user_path(name: str, setting: str | None = None) -> Path:
    """A path as a person typed it, with ~ for a home directory.

    Args:
        name: what was typed.
        setting: the setting that it is the value of.

    Raises:
        UserError: it can't be the path of anything.
    """
    shown = name if len(name) <= 80 else f"{name[:40]}…{name[-30:]}"
    if "\0" in name:
        raise UserError(f"'{shown}' can't be a path: it has a NUL character", "type the path anew", setting)
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        who = name.split("/")[0]
        raise UserError(
            f"{shown}: there is no user '{who[1:]}'", f"write ./{who} for a name that begins with ~", setting
        ) from None
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"'{shown}' is too long for a path", "check the path", setting) from None
        if error.errno == errno.EACCES:
            raise UserError(
                f"{shown}: {closed_above(path)} may not be looked into by this user",
                "ask its owner to let you read it, or copy what you need to a folder of your own",
                setting,
            ) from None
        if error.errno == errno.ELOOP:
            raise UserError(
                f"{shown} is a link that leads to itself", "name what it was meant to lead to", setting
            ) from None
    except ValueError:  # lone surrogates, which no file system takes
        raise UserError(f"'{shown}' can't be a path", "type the path anew", setting) from None
    return path


def closed_above(path: Path) -> Path:
    """The first folder on the way to a path that this user may not look into; the path itself where there is none."""
    for folder in reversed(path.absolute().parents):
        if not os.access(folder, os.X_OK):
            return folder
    return path


def refuse_closed(path: Path, name: str, setting: str | None = None) -> None:
    """Raises UserError where a file or folder that is there may not be read by this user."""
    needed = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
    if os.path.lexists(path) and not os.access(path, needed):
        raise UserError(
            f"{name} may not be read by this user",
            "ask its owner to let you read it (chmod -R g+rX), or copy it to a folder of your own",
            setting,
        )


def strange_kind(path: Path) -> str | None:
    """What is at a path that is neither a file nor a folder, in words: 'a link to nowhere', 'a pipe'; None otherwise."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "a link to what is not there" if path.is_symlink() else None
    except OSError:
        return None
    if stat.S_ISFIFO(mode):
        return "a pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else None


def refuse_strange(path: Path, name: str, setting: str | None = None) -> None:
    """Raises UserError where a pipe, a socket, a device, or a link to nowhere is at a path."""
    if (kind := strange_kind(path)) is not None:
        raise UserError(f"{name} is {kind}, not a file", "name a file or a folder", setting)


def short_path(path: str | Path, here: Path | None = None, home: Path | None = None) -> str:
    """A path as it is typed: relative where it lies below the current directory, with ~ for the home directory."""
    full = Path(path)
    for base, prefix in ((here or Path.cwd(), ""), (home or Path.home(), "~/")):
        try:
            return prefix + str(full.relative_to(base))
        except ValueError:
            continue
    return str(full)
