"""Downloads from the Hugging Face hub that can be watched, cancelled and resumed. huggingface_hub is imported inside."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from tui_finetune.errors import Cancelled, UserError
from tui_finetune.models.hub import REQUEST_SECONDS, cached_folder, hub_error, is_commit, reference, status_of
from tui_finetune.models.weights import no_safetensors
from tui_finetune.system.files import write_atomically
from tui_finetune.system.progress import Report

T = TypeVar("T")

STALL_SECONDS = 45.0
"""How long a download may stand still before it is given up."""
_POLL_SECONDS = 0.2

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip


class Transfer:
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

        class Bar(tqdm):  # type: ignore[misc] # tqdm has no types
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


def watched(work: Callable[[], T], transfer: Transfer, report: Report | None, patience: float) -> T:
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
                raise TimeoutError("the download has stalled")
    except BaseException:
        transfer.cancelled = True  # the thread ends at its next piece
        raise
    if failure:
        raise failure[0]
    return outcome[0]


_SMALL = ("*.json", "*.txt", "*.jinja", "*.model", "*.md", "LICENSE*")


def _wanted(files: list[str], *, weights: bool) -> list[str]:
    """The files of a repository that a model needs: those at its top, and of the weights only safetensors."""
    top = [file for file in files if "/" not in file and "\\" not in file]
    wanted = [file for file in top if any(fnmatch(file, pattern) for pattern in _SMALL)]
    if weights:
        single = "model.safetensors" in top
        wanted += [
            file for file in top if file == "model.safetensors" or (not single and fnmatch(file, "model-*.safetensors"))
        ]
    return wanted


def fetch(
    name: str,
    revision: str | None = None,
    *,
    weights: bool = True,
    newest: bool = True,
    report: Report | None = None,
    patience: float = STALL_SECONDS,
) -> Path:
    """A folder of the cache with a hub model's files, named after its commit. What is there already is not downloaded again.

    Args:
        name: the model's name on the hub.
        revision: a branch, tag or commit; the newest version of the main branch if left out.
        weights: with its weights; otherwise only configuration, tokenizer and model card.
        newest: ask what the revision is now. Otherwise, and for a commit always, a version in the cache that has all
            that is needed is taken without asking.
        report: called about five times a second with the bytes so far; may raise Cancelled.
        patience: seconds without progress after which it is given up.

    Raises:
        UserError: it can't be had, and is not in the cache either.
    """
    known = cached_folder(name, revision)
    if known is not None and (is_commit(revision) or not newest) and _has_tokenizer(known) and is_whole(known, weights):
        return known
    transfer = Transfer()
    try:
        return watched(lambda: _download(name, revision, transfer, weights=weights), transfer, report, patience)
    except (Cancelled, UserError):
        raise
    except Exception as error:
        refused = status_of(error) in {401, 403, 404}  # as opposed to not being reached
        if not refused and known is not None and is_whole(known, weights):
            return known
        raise hub_error(error, name, setting="model_name_or_path", revision=revision) from error


def _download(name: str, revision: str | None, transfer: Transfer, *, weights: bool) -> Path:
    """Ask what a revision is, and download those of its files that are missing."""
    from huggingface_hub import HfApi, hf_hub_download

    info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=REQUEST_SECONDS)
    transfer.check()
    sizes = {item.rfilename: item.size or 0 for item in info.siblings or []}
    wanted = _wanted(list(sizes), weights=weights)
    if weights and not any(file.endswith(".safetensors") for file in wanted):
        pickled = next((file for file in sizes if file.endswith((".bin", ".pt", ".pth", ".ckpt"))), None)
        raise no_safetensors(name, pickled)
    commit = str(info.sha)
    folder = cached_folder(name, commit)
    missing = [file for file in wanted if folder is None or not (folder / file).is_file()]
    # One file after the other, in this thread: the threads of snapshot_download are waited for at the end of the
    # process, for minutes where the hub stands still. config.json comes last: with it the cache counts as whole.
    missing.sort(key=lambda file: (file == "config.json", file))
    transfer.total = sum(sizes[file] for file in missing)
    for file in missing:
        path = hf_hub_download(
            name, file, revision=commit, etag_timeout=REQUEST_SECONDS, tqdm_class=transfer.bar_class()
        )
        folder = Path(path).parent
        transfer.before += sizes[file]
        transfer.done = transfer.before
        transfer.check()
    if folder is None:
        raise no_safetensors(name, None)  # an empty repository
    _remember(name, revision, commit)
    return folder


def _remember(name: str, revision: str | None, commit: str) -> None:
    """Note in the cache which commit a branch or tag is now, as huggingface_hub does; only when all of it is there."""
    path = reference(name, revision)
    with contextlib.suppress(OSError):  # a cache that others fill and only they may write to
        if not is_commit(revision) and (not path.is_file() or path.read_text().strip() != commit):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, commit, mode=0o644, durable=False)


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / file).is_file() for file in TOKENIZER_FILES)


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
