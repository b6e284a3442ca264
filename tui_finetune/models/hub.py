"""The Hugging Face hub: its cache on this machine, which is read directly, and its errors in plain words."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tui_finetune.errors import UserError

NAME = re.compile(r"(?=.{1,96}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?\Z")
REQUEST_SECONDS = 10.0
"""How long one answer of the hub is waited for."""

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_OFFLINE_REMEDY = "check the network and try again; without one, name a local folder, or 'starter'"


def cache_dir() -> Path:
    """Where huggingface_hub keeps its downloads."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(variable):
            return Path(os.path.expandvars(value)).expanduser()
    base = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.path.expandvars(str(base))).expanduser() / "hub"


def is_offline(environ: Mapping[str, str] | None = None) -> bool:
    """Whether HF_HUB_OFFLINE forbids asking the hub; its values are read as huggingface_hub reads them."""
    return (os.environ if environ is None else environ).get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a commit's full hash, which always means the same files; a branch or a tag can move."""
    return revision is not None and _COMMIT.match(revision) is not None


def _repository(name: str) -> Path:
    return cache_dir() / f"models--{name.replace('/', '--')}"


def reference(name: str, revision: str | None) -> Path:
    """The file in the cache that says which commit a branch or tag was at the last time the hub was asked."""
    return _repository(name) / "refs" / (revision or "main")


def cached_folder(name: str, revision: str | None = None) -> Path | None:
    """The folder in the cache with a model's files (some or all of them), named after its commit; None where there is none.

    Args:
        name: the model's name on the hub.
        revision: a branch, tag or commit; the main branch if left out. What a branch or tag was at the last download counts.
    """
    try:
        commit = str(revision) if is_commit(revision) else reference(name, revision).read_text().strip()
    except (OSError, ValueError):
        return None
    folder = _repository(name) / "snapshots" / commit
    return folder if commit.isalnum() and (folder / "config.json").is_file() else None


def cached_models() -> Iterator[tuple[str, Path]]:
    """Names and folders of the models in the cache."""
    try:
        entries = sorted(entry.name for entry in os.scandir(cache_dir()) if entry.name.startswith("models--"))
    except OSError:
        return
    for entry in entries:
        name = entry.removeprefix("models--").replace("--", "/")
        if (folder := cached_folder(name)) is not None:
            yield name, folder


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def status_of(error: BaseException) -> int | None:
    """The HTTP status of the hub's answer, None where it never answered."""
    answers = (getattr(item, "response", None) for item in _chain(error))
    return next((int(answer.status_code) for answer in answers if answer is not None), None)


def hub_error(
    error: BaseException, name: str, *, kind: str = "model", setting: str | None = None, revision: str | None = None
) -> UserError:
    """What went wrong with the hub, in plain words.

    Args:
        error: what huggingface_hub, or a library that uses it, raised; its causes are looked at too.
        name: what was looked for.
        kind: what it is, as 'model' or 'data set'.
        setting: the key of the setting that named it.
        revision: the branch, tag or commit that was asked for.
    """
    chain = list(_chain(error))
    kinds = {base.__name__ for item in chain for base in type(item).__mro__}
    if "RevisionNotFoundError" in kinds and revision is not None:
        message, remedy = (
            f"the {kind} '{name}' has no revision '{revision}'",
            "name one of its branches, tags or commits",
        )
        return UserError(message, remedy, setting="model_revision" if kind == "model" else setting)
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    message, remedy = (
        _refusal(kinds, status_of(error), name, kind)
        or _no_answer(chain, kinds, name, kind)
        or (f"the {kind} '{name}' could not be downloaded from the hub: {first}", _OFFLINE_REMEDY)
    )
    return UserError(message, remedy, setting=setting)


def _refusal(kinds: set[str], status: int | None, name: str, kind: str) -> tuple[str, str] | None:
    """Message and remedy where the hub has answered, and not with what was asked for."""
    login = "log in with `hf auth login`, or set HF_TOKEN"
    if "GatedRepoError" in kinds or (status == 403 and "RepositoryNotFoundError" not in kinds):
        return (
            f"the {kind} '{name}' is gated: its owner gives access on request",
            f"ask for access on its page on the hub, then {login}",
        )
    if "RepositoryNotFoundError" in kinds or "DatasetNotFoundError" in kinds or status == 404:
        return (
            f"there is no {kind} '{name}' on the hub, or it is private, and there is no such folder here",
            f"check the spelling; for a private one {login}",
        )
    if status == 401:
        return f"the hub refused the login for the {kind} '{name}'", f"{login}; the token may have expired"
    if status == 429:
        return "the hub received too many requests from here", "wait a few minutes and try again"
    if status is not None and status >= 500:
        return f"the hub has a problem (status {status})", "try again later, or name a local folder"
    return None


def _no_answer(chain: list[BaseException], kinds: set[str], name: str, kind: str) -> tuple[str, str] | None:
    """Message and remedy where the hub was not asked, could not be reached, or its answer could not be stored."""
    if "OfflineModeIsEnabled" in kinds or is_offline():
        return (
            f"the {kind} '{name}' is not on this machine, and HF_HUB_OFFLINE keeps it from being downloaded",
            "unset HF_HUB_OFFLINE; without a network name a local folder, or 'starter'",
        )
    numbers = {item.errno for item in chain if isinstance(item, OSError)}
    if numbers & {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
        return f"the hub's cache can't be written to: {cache_dir()}", "set HF_HOME to a directory that you may write to"
    if numbers & {errno.ENOSPC, errno.EDQUOT}:
        return f"the disk is full: {cache_dir()}", "free some space, or set HF_HOME to a larger disk"
    if any("Timeout" in item for item in kinds):
        return f"the hub took too long to answer for the {kind} '{name}'", _OFFLINE_REMEDY
    if kinds & {"ConnectError", "ConnectionError", "NetworkError", "TransportError", "LocalEntryNotFoundError"}:
        return f"the hub can't be reached for the {kind} '{name}'", _OFFLINE_REMEDY
    return None
