"""transformers, kept from printing."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from tui_finetune.system.progress import Report


class _Bar:
    """Stands in for a progress bar of transformers: passes its count on and draws nothing."""

    def __init__(self, report: Report | None, iterable: Any = None, total: int | None = None) -> None:
        self._report = report
        self._iterable = iterable
        self._total = total if total is not None or not hasattr(iterable, "__len__") else len(iterable)
        self._done = 0

    def __iter__(self) -> Iterator[Any]:
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

    def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Bar:
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
