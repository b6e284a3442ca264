"""The hub on the Model screen: searched as one types, downloaded from with progress, stopped and gone on with."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.app.test_model import listed, looked_at
from tui_finetune.errors import UserError
from tui_finetune.models import catalog, located
from tui_finetune.models.catalog import ModelEntry
from tui_finetune.models.located import LocatedModel
from tui_finetune.starter.paths import MODEL
from tui_finetune.system.progress import Report
from tui_finetune.tui.app import FinetuneApp

Until = Callable[..., Awaitable[None]]
Shown = Callable[[Any], str]

FOUND = [
    ModelEntry("hub", "org/found-one", None, "1.2M downloads · 135M", license="apache-2.0"),
    ModelEntry("hub", "org/found-two", None, "9k downloads", gated=True, license="llama3"),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the hub was searched for; it finds two models."""
    words: list[str] = []

    def search(query: str, limit: int = 20) -> list[ModelEntry]:
        words.append(query)
        return FOUND

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(catalog, "search_hub", search)
    return words


async def test_the_hub_is_searched_as_one_types_once_and_marks_what_is_gated(
    asked: list[str], until: Until, shown: Shown
) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: any("tale-teller" in line or "starter" in line for line in listed(app)))
        await pilot.press("slash", *"found <1b")
        await until(pilot, lambda: any("org/found-two" in line for line in listed(app)))
        assert asked == ["found <1b"]
        assert any("135M" in line for line in listed(app))
        assert any("gated" in line for line in listed(app))
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: looked_at(app) == "org/found-two")
        await until(pilot, lambda: "llama3" in shown(app))
        assert "gated:" in shown(app)


async def test_after_a_failure_it_is_searched_only_when_asked_to(
    asked: list[str], until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def search(query: str, limit: int = 20) -> list[ModelEntry]:
        calls.append(query)
        raise UserError("the hub received too many requests from here", "wait a few minutes and try again")

    monkeypatch.setattr(catalog, "search_hub", search)
    app = FinetuneApp()
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: listed(app))
        await pilot.press("slash", *"abc")
        await until(pilot, lambda: any("too many requests" in line for line in listed(app)))
        await pilot.press("d")
        await pilot.pause(0.8)
        assert calls == ["abc"]


class Hub:
    """Downloads as slowly as a test wants it."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.begun = 0
        self.problem: UserError | None = None

    def locate(self, name: str, *more: object, report: Report, **options: object) -> LocatedModel:
        self.begun += 1
        report(1_000_000, 4_000_000, "B")
        while not self.arrived.wait(0.01):
            report(1_000_000, 4_000_000, "B")
        if self.problem is not None:
            raise self.problem
        return LocatedModel(name, MODEL, "0" * 40)


@pytest.fixture
def hub(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> Hub:
    slow = Hub()
    monkeypatch.setattr(located, "locate", slow.locate)
    return slow


async def _at_the_first_find(pilot: Any, until: Until) -> None:
    app = pilot.app
    await until(pilot, lambda: listed(app))
    await pilot.press("slash", *"found", "ctrl+f")
    await until(pilot, lambda: looked_at(app) == "org/found-one")
    await pilot.press("down")
    await pilot.press("up")
    app.screen.query_one("#models ChoiceList").focus()
    await pilot.pause()


async def test_a_download_shows_its_progress_is_stopped_and_goes_on(hub: Hub, until: Until, shown: Shown) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(120, 36)) as pilot:
        await _at_the_first_find(pilot, until)
        await pilot.press("d")
        await until(pilot, lambda: "1.0 MB / 4.0 MB" in shown(app))
        assert "25 %" in shown(app)
        await pilot.press("d")
        await until(pilot, lambda: "1.0 MB / 4.0 MB" not in shown(app))
        hub.arrived.set()
        await pilot.press("d")
        await until(pilot, lambda: any("is downloaded" in n.message for n in app._notifications))
        assert hub.begun == 2


async def test_what_keeps_a_download_from_coming_is_said_with_its_remedy(hub: Hub, until: Until, shown: Shown) -> None:
    hub.problem = UserError("the model 'org/found-one' is gated", "ask for access on its page")
    hub.arrived.set()
    app = FinetuneApp()
    async with app.run_test(size=(120, 36)) as pilot:
        await _at_the_first_find(pilot, until)
        await pilot.press("d")
        await until(pilot, lambda: "is gated" in shown(app))
        assert "ask for access on its page" in shown(app)


async def test_leaving_the_app_ends_a_download(hub: Hub, until: Until) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(120, 36)) as pilot:
        await _at_the_first_find(pilot, until)
        await pilot.press("d")
        await until(pilot, lambda: hub.begun)


async def test_a_folder_that_is_chosen_by_its_path_is_remembered(home: Path, tmp_path: Path, until: Until) -> None:
    from tests.tiny import make_model
    from tui_finetune.models.recent import recent_folders

    folder = make_model(tmp_path / "elsewhere" / "mine")
    app = FinetuneApp()
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: listed(app))
        await pilot.press("slash", *str(folder))
        await until(pilot, lambda: looked_at(app) == str(folder))
        await pilot.press("enter")
        await until(pilot, lambda: recent_folders() == [folder])
