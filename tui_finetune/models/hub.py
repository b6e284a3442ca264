"""The Hugging Face hub: its cache on this machine, downloads that can be watched and cancelled, and plain errors.

huggingface_hub is imported inside the functions that need the network; the cache is read directly.
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tui_finetune.errors import Cancelled, UserError
from tui_finetune.models.weights import no_safetensors
from tui_finetune.system.progress import Report

T = TypeVar("T")

NAME = re.compile(r"(?=.{1,96}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?\Z")
REQUEST_SECONDS = 10.0
"""How long one answer of the hub is waited for."""
STALL_SECONDS = 45.0
"""How long a download may stand still before it is given up."""

_POLL_SECONDS = 0.2
_OFFLINE_REMEDY = "check the network and try again; without one, name a local folder, or 'starter'"


def cache_dir() -> Path:
    """Where huggingface_hub keeps its downloads."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(variable):
            return Path(os.path.expandvars(value)).expanduser()
    base = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.path.expandvars(str(base))).expanduser() / "hub"


def cached_folder(name: str, commit: str | None = None) -> Path | None:
    """The folder in the cache with a model's files (some or all of them), None where there is none.

    Args:
        name: the model's name on the hub.
        commit: the version; that of the last download if left out.
    """
    repository = cache_dir() / f"models--{name.replace('/', '--')}"
    try:
        known = (repository / "refs" / "main").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if commit is not None and commit != known:
        return None
    folder = repository / "snapshots" / known
    return folder if (folder / "config.json").is_file() else None


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


def _status(chain: list[BaseException]) -> int | None:
    """The status of the hub's answer, None where it never answered."""
    answers = (getattr(error, "response", None) for error in chain)
    return next((int(answer.status_code) for answer in answers if answer is not None), None)


def hub_error(error: BaseException, name: str, *, kind: str = "model", setting: str | None = None) -> UserError:
    """What went wrong with the hub, in plain words.

    Args:
        error: what huggingface_hub, or a library that uses it, raised; its causes are looked at too.
        name: what was looked for.
        kind: what it is, as 'model' or 'data set'.
        setting: the key of the setting that named it.
    """
    chain = list(_chain(error))
    kinds = {base.__name__ for item in chain for base in type(item).__mro__}
    status = _status(chain)
    login = "log in with `hf auth login`, or set HF_TOKEN"

    def made(message: str, remedy: str) -> UserError:
        return UserError(message, remedy, setting=setting)

    if "GatedRepoError" in kinds or (status == 403 and "RepositoryNotFoundError" not in kinds):
        return made(
            f"the {kind} '{name}' is gated: its owner gives access on request",
            f"ask for access on its page on the hub, then {login}",
        )
    if "RepositoryNotFoundError" in kinds or "DatasetNotFoundError" in kinds or status == 404:
        return made(
            f"there is no {kind} '{name}' on the hub, or it is private, and no such folder here",
            f"check the spelling; for a private one {login}",
        )
    if status == 401:
        return made(f"the hub refused the login for the {kind} '{name}'", f"{login}; the token may have expired")
    if status == 429:
        return made("the hub answers that it was asked too often", "wait a few minutes and try again")
    if status is not None and status >= 500:
        return made(f"the hub has a problem of its own (status {status})", "try again later, or name a local folder")
    if "OfflineModeIsEnabled" in kinds or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return made(
            f"the {kind} '{name}' is not on this machine, and HF_HUB_OFFLINE keeps it from being downloaded",
            "unset HF_HUB_OFFLINE; without a network name a local folder, or 'starter'",
        )
    for item in chain:
        number = getattr(item, "errno", None) if isinstance(item, OSError) else None
        if number in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            return made(
                f"the hub's cache can't be written to: {cache_dir()}",
                "set HF_HOME to a directory that you may write to",
            )
        if number in {errno.ENOSPC, errno.EDQUOT}:
            return made(f"the disk is full: {cache_dir()}", "make room, or set HF_HOME to a larger disk")
    if any("Timeout" in item for item in kinds):
        return made(f"the hub took too long to answer for the {kind} '{name}'", _OFFLINE_REMEDY)
    if kinds & {"ConnectError", "ConnectionError", "NetworkError", "TransportError", "LocalEntryNotFoundError"}:
        return made(f"the hub can't be reached for the {kind} '{name}'", _OFFLINE_REMEDY)
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return made(f"the {kind} '{name}' could not be fetched from the hub: {first}", _OFFLINE_REMEDY)


class _Transfer:
    """Bytes of a download so far, counted by progress bars that draw nothing."""

    def __init__(self) -> None:
        self.before = 0
        """Bytes of the files before the one that is on its way."""
        self.done = 0
        self.total: int | None = None
        self.moved = time.monotonic()
        self.cancelled = False

    def check(self) -> None:
        """Something moved; raises Cancelled where nobody waits for it any more."""
        self.moved = time.monotonic()
        if self.cancelled:
            raise Cancelled

    def bar_class(self) -> type:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]

        transfer = self

        class Bar(tqdm):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                kwargs.pop("name", None)
                self.bytes = int(kwargs.get("initial") or 0)
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n: float | None = 1) -> None:
                transfer.check()
                self.bytes += int(n or 0)
                # Some files have two bars, for bytes received and bytes written.
                transfer.done = max(transfer.done, transfer.before + self.bytes)

        return Bar


def _watched(work: Callable[[], T], transfer: _Transfer, report: Report | None, patience: float) -> T:
    """The result of some work in a thread, while this thread reports its progress and can leave it.

    Raises:
        TimeoutError: nothing moved for ``patience`` seconds.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="hub download", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            if report is not None:
                report(transfer.done, transfer.total, "B")
            if thread.is_alive() and time.monotonic() - transfer.moved > patience:
                raise TimeoutError("the download stands still")
    except BaseException:
        transfer.cancelled = True  # the thread ends at its next piece
        raise
    if failure:
        raise failure[0]
    return outcome[0]


_SMALL = ("*.json", "*.txt", "*.jinja", "*.model", "*.md", "LICENSE*")


def _wanted(files: list[str], *, weights: bool) -> list[str]:
    """The files of a repository that a model needs: those at its top, and of the weights only safetensors."""
    from fnmatch import fnmatch

    top = [file for file in files if "/" not in file and "\\" not in file]
    wanted = [file for file in top if any(fnmatch(file, pattern) for pattern in _SMALL)]
    if weights:
        single = "model.safetensors" in top
        wanted += [
            file for file in top if file == "model.safetensors" or (not single and fnmatch(file, "model-*.safetensors"))
        ]
    return wanted


def fetch(name: str, *, weights: bool = True, report: Report | None = None, patience: float = STALL_SECONDS) -> Path:
    """A folder with a hub model's newest files; what is in the cache already is not downloaded again.

    Args:
        name: the model's name on the hub.
        weights: with its weights; otherwise only configuration, tokenizer and model card.
        report: called about five times a second with the bytes so far; may raise Cancelled.
        patience: seconds without progress after which it is given up.

    Raises:
        UserError: it can't be had, and is not in the cache either.
    """
    transfer = _Transfer()

    def work() -> Path:
        from huggingface_hub import HfApi, hf_hub_download

        info = HfApi().model_info(name, files_metadata=True, timeout=REQUEST_SECONDS)
        transfer.check()
        sizes = {item.rfilename: item.size or 0 for item in info.siblings or []}
        wanted = _wanted(list(sizes), weights=weights)
        if weights and not any(file.endswith(".safetensors") for file in wanted):
            pickled = next((file for file in sizes if file.endswith((".bin", ".pt", ".pth", ".ckpt"))), None)
            raise no_safetensors(name, pickled)
        present = cached_folder(name, info.sha)
        missing = [file for file in wanted if present is None or not (present / file).is_file()]
        if not missing and present is not None:
            return present
        # One file after the other, in this thread: the threads of snapshot_download are waited for at the end of the
        # process, for minutes where the hub stands still. Last, and by the branch's name, config.json: that makes the
        # cache remember this version as the newest only when it is whole.
        missing = sorted({*missing, "config.json"} & sizes.keys(), key=lambda file: (file == "config.json", file))
        transfer.total = sum(sizes[file] for file in missing)
        path = ""
        for file in missing:
            path = hf_hub_download(
                name,
                file,
                revision=None if file == "config.json" else info.sha,
                etag_timeout=REQUEST_SECONDS,
                tqdm_class=transfer.bar_class(),
            )
            transfer.before += sizes[file]
            transfer.done = transfer.before
            transfer.check()
        return Path(path).parent

    try:
        return _watched(work, transfer, report, patience)
    except (Cancelled, UserError):
        raise
    except Exception as error:
        if not _is_answer(error) and (folder := cached_folder(name)) is not None and is_whole(folder, weights):
            return folder
        raise hub_error(error, name, setting="model_name_or_path") from error


def _is_answer(error: BaseException) -> bool:
    """Whether the hub has said no, as opposed to not being reached."""
    return _status(list(_chain(error))) in {401, 403, 404}


def is_whole(folder: Path, weights: bool) -> bool:
    """Whether a folder in the cache has the weights that belong to it; what is in them is checked on loading."""
    if not weights:
        return True
    if (folder / "model.safetensors").is_file():
        return True
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_bytes())
        return all((folder / file).is_file() for file in set(index["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
