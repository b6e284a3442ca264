"""The libraries that compute: imported one at a time, and kept from printing, logging and drawing where nobody asked.

Two threads that import the same package at once may each see it half made, where its modules import each other.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from importlib import import_module
from pathlib import Path

from tui_finetune.system.environment import choose_gpu
from tui_finetune.system.progress import Report

_LOCK = threading.Lock()
_COMES_LATER = {
    "transformers": ("transformers.models.auto.tokenization_auto", "transformers.models.auto.modeling_auto")
}
"""What a package itself imports only when it is used."""


def import_libraries(*names: str) -> None:
    """Import packages, as 'torch' or 'transformers', after any other thread that is importing some.

    Whatever computes comes through here first: of several GPUs one is chosen before torch is imported.
    """
    with _LOCK:
        if "torch" in names:
            choose_gpu()
        for name in names:
            import_module(name)
            for later in _COMES_LATER.get(name, ()):
                import_module(later)
        ignore_future_warnings()  # again: some packages set filters of their own when they are imported


def ignore_future_warnings() -> None:
    """Keep to itself what libraries say to programmers about their next versions: a user can do nothing about it."""
    for category in (FutureWarning, DeprecationWarning, PendingDeprecationWarning):
        warnings.filterwarnings("ignore", category=category)


class _Bar:
    """Stands in for a progress bar of transformers: passes its count on and draws nothing."""

    def __init__(self, report: Report | None, iterable: object = None, total: object = None) -> None:
        self._report = report
        self._iterable = iterable if isinstance(iterable, Iterable) else ()
        self._total = total if isinstance(total, int) else len(iterable) if isinstance(iterable, Sized) else None
        self._done = 0

    def __iter__(self) -> Iterator[object]:
        for item in self._iterable:
            yield item
            self.update()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None

    def update(self, n: int = 1) -> None:
        self._done += n
        if self._report is not None:
            self._report(self._done, self._total, "weights")


@contextlib.contextmanager
def quiet(report: Report | None = None) -> Iterator[None]:
    """Within it transformers prints neither warnings nor progress bars; what its bars count goes to ``report``."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()

    def hook(_: object, args: Sequence[object], kwargs: Mapping[str, object]) -> _Bar:
        return _Bar(report, args[0] if args else kwargs.get("iterable"), kwargs.get("total"))

    # Not in the oldest transformers that is allowed; its bars go where the program's other output goes.
    set_hook = getattr(logging, "set_tqdm_hook", lambda _: None)
    previous = set_hook(hook)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        set_hook(previous)
        logging.set_verbosity(verbosity)


class _Log(logging.FileHandler):
    """Where what can't be written, as on a full disk, is passed over: nothing of it belongs on the terminal."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's own name
        return


@contextlib.contextmanager
def library_log(path: Path, who: str = "") -> Iterator[None]:
    """Lead what libraries log and warn about into the run's train.log.

    Args:
        path: the log.
        who: stands before each line, where several processes write into it.
    """
    handler = _Log(path, encoding="utf-8", delay=False)
    path.chmod(0o600)
    handler.setFormatter(logging.Formatter(f"{who}%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO) if level else logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(level)
        with contextlib.suppress(OSError):  # what is left of it finds the disk full
            handler.close()


def quiet_libraries() -> None:
    """Turn off progress bars, and hand the logs of transformers and datasets to the root logger."""
    import datasets
    import huggingface_hub.utils as hub
    import transformers.utils.logging as transformers_logging

    datasets.disable_progress_bars()
    hub.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
