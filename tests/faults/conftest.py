"""Tiny runs, as the tests of training have them, and what is done to them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.faults.operations import Operations
from tests.training.conftest import models, place, soon, train

__all__ = ["models", "place", "soon", "train"]


@pytest.fixture(scope="session")
def operations() -> Operations:
    """The operations on files of this process."""
    return Operations()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without what takes their time and is not looked at: no plot, and no thread that reads the device."""
    from tui_finetune.export import folder as final
    from tui_finetune.training import resources

    def draw(_state: Any, path: Path, _title: str) -> None:
        path.write_bytes(b"")

    monkeypatch.setattr(final, "draw_losses", draw)
    monkeypatch.setattr(resources, "watch_resources", lambda _log: nullcontext())
