"""The Model screen: what it lists, what it says about a model, and what its keys do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList

from tests.app.model_folders import write_cached_model, write_model
from tests.app.pictures import pictures
from tui_finetune.errors import UserError
from tui_finetune.models import catalog, located
from tui_finetune.models.catalog import ModelEntry
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.widgets.filter_list import FilterList

Until = Callable[..., Awaitable[None]]
Shown = Callable[[Any], str]


@pytest.fixture(autouse=True)
def models(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A starter of known size, two folders, one of which can't be trained, and one model in the hub's cache."""
    starter = write_model(tmp_path / "starter", hidden=160, layers=4, vocabulary=1792, chat=True, license="mit")
    for module in (catalog, located):
        monkeypatch.setattr(module, "MODEL", starter)
    write_model(home / "models" / "tale-teller", hidden=512, layers=8, vocabulary=32000, context=2048, license="mit")
    write_model(home / "fill-in", architectures=["BertForMaskedLM"], model_type="bert")
    write_cached_model(
        tmp_path / "hub",
        "org/seven-billion",
        hidden=4096,
        layers=24,
        vocabulary=128000,
        context=32768,
        dtype="BF16",
        chat=True,
        license="apache-2.0",
    )


def listed(app: FinetuneApp) -> list[str]:
    return [str(option.prompt) for choices in app.screen.query(OptionList) for option in choices.options]


def looked_at(app: FinetuneApp) -> str:
    item = app.screen.query_one(FilterList).looked
    return item.key if item else ""


@pictures("model", "starter")
def test_picture(size: tuple[int, int], snap_compare: Any, until: Until, shown: Shown) -> None:
    async def go(pilot: Any) -> None:
        await until(pilot, lambda: "fits: needs" in shown(pilot.app))

    assert snap_compare(FinetuneApp(), terminal_size=size, run_before=go)


@pictures("model", "too-large", (120, 36))
def test_picture_of_a_model_that_does_not_fit(
    snap_compare: Any, until: Until, shown: Shown, size: tuple[int, int]
) -> None:
    async def go(pilot: Any) -> None:
        await until(pilot, lambda: "fits: needs" in shown(pilot.app))
        await pilot.press("end")
        await until(pilot, lambda: "does not fit" in shown(pilot.app))

    assert snap_compare(FinetuneApp(), terminal_size=size, run_before=go)


@pictures("model", "starter", (60, 30))
def test_picture_narrow(snap_compare: Any, until: Until, shown: Shown, size: tuple[int, int]) -> None:
    async def go(pilot: Any) -> None:
        await until(pilot, lambda: "Tiny" in shown(pilot.app))

    assert snap_compare(FinetuneApp(), terminal_size=size, run_before=go)


async def test_the_starter_is_chosen_and_the_list_has_the_focus_so_that_digits_and_ctrl_r_work(until: Until) -> None:
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        assert isinstance(app.focused, OptionList)
        assert any(line.startswith("● starter") for line in listed(app))
        assert looked_at(app) == "starter"


async def test_enter_chooses_what_is_under_the_cursor_and_marks_it(until: Until, shown: Shown) -> None:
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        while looked_at(app) != "./models/tale-teller":
            await pilot.press("down")
        await pilot.press("enter")
        assert app.state.draft.choices["model_name_or_path"] == "./models/tale-teller"
        assert any(line.startswith("● ./models/tale-teller") for line in listed(app))
        assert not any(line.startswith("● starter") for line in listed(app))
        await until(pilot, lambda: "● chosen" in shown(app))


async def test_typing_filters_and_down_goes_into_the_list(until: Until) -> None:
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        await pilot.press("slash", *"tale")
        assert app.screen.query_one(Input).value == "tale"
        assert any("tale-teller" in line for line in listed(app))
        assert not any("fill-in" in line for line in listed(app))
        assert looked_at(app) == "./models/tale-teller"
        await pilot.press("down")
        assert isinstance(app.focused, OptionList)
        await pilot.press("escape")
        assert any("fill-in" in line for line in listed(app))


async def test_digits_are_typed_into_the_filter_instead_of_switching_screens(until: Until) -> None:
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        await pilot.press("slash", "2")
        assert app.current_mode == "model"
        assert app.screen.query_one(Input).value == "2"


async def test_a_path_lists_its_folders_and_enter_opens_and_chooses(home: Path, until: Until) -> None:
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        await pilot.press("slash", *"./mod")
        await pilot.press("enter")
        assert app.screen.query_one(Input).value == "./models/"
        await pilot.pause()
        assert looked_at(app) == "./models/tale-teller"
        await pilot.press("enter")
        assert app.state.draft.choices["model_name_or_path"] == "./models/tale-teller"


async def test_a_model_that_cannot_be_trained_says_why_beside_it(until: Until, shown: Shown) -> None:
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("fill-in" in line for line in listed(app)))
        await pilot.press("slash", *"fill")
        await until(pilot, lambda: "left to" in shown(app))
        assert "Training it" not in shown(app)


async def test_a_folder_that_is_not_there_shows_the_error_where_its_facts_would_be(until: Until, shown: Shown) -> None:
    app = FinetuneApp(choices={"model_name_or_path": "./gone"})
    async with app.run_test() as pilot:
        await until(pilot, lambda: "✗ there is no folder ./gone" in shown(app))
        assert any(line.startswith("● ./gone") for line in listed(app))


async def test_what_is_written_in_a_model_card_is_shown_and_never_obeyed(
    home: Path, until: Until, shown: Shown
) -> None:
    hostile = "[@click=app.quit()]quit[/] [/red] \x1b]52;c;aGk=\x07"
    write_model(home / "hostile", architectures=[hostile])
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("hostile" in line for line in listed(app)))
        await pilot.press("slash", *"hostile")
        await until(pilot, lambda: "[@click=app.quit()]" in shown(app))
        assert "\x1b" not in shown(app)
        assert app.is_running


async def test_offline_is_said_in_the_list_and_nothing_is_asked(until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "search_hub", lambda *_: pytest.fail("the hub was asked"))
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("HF_HUB_OFFLINE" in line for line in listed(app)))
        await pilot.press("slash", *"qwen", "ctrl+f")
        await pilot.pause()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")


async def test_the_hub_is_searched_for_what_was_typed_and_a_find_can_be_chosen(
    online: None, until: Until, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def search(query: str, limit: int = 20) -> list[ModelEntry]:
        asked.append(query)
        return [ModelEntry("hub", "org/found-one", None, "1.2M downloads")]

    monkeypatch.setattr(catalog, "search_hub", search)
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        await pilot.press("slash", *"found", "ctrl+f")
        await until(pilot, lambda: looked_at(app) == "org/found-one")
        assert asked == ["found"]
        await until(pilot, lambda: "Not on this machine" in shown(app))
        await pilot.press("enter")
        assert app.state.draft.choices["model_name_or_path"] == "org/found-one"


async def test_a_search_that_fails_is_one_plain_line(
    online: None, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(query: str, limit: int = 20) -> list[ModelEntry]:
        raise UserError("the hub can't be reached", "check the network")

    monkeypatch.setattr(catalog, "search_hub", search)
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        await pilot.press("slash", *"found", "enter")
        await until(pilot, lambda: any("the hub can't be reached" in line for line in listed(app)))
        assert app.screen.query_one(Input).value == "found"


async def test_a_hub_name_can_be_chosen_as_typed(online: None, until: Until) -> None:
    app = FinetuneApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        await pilot.press("slash", *"Qwen/Qwen3-0.6B")
        assert looked_at(app) == "Qwen/Qwen3-0.6B"
        await pilot.press("enter")
        assert app.state.draft.choices["model_name_or_path"] == "Qwen/Qwen3-0.6B"


async def test_keys_pressed_before_the_first_frame_is_complete_do_no_harm(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FinetuneApp()
    monkeypatch.setattr(FinetuneApp, "on_ready", lambda self: None)  # what completes the frame comes below
    async with app.run_test() as pilot:
        await pilot.press("ctrl+f", "f", "2", "1")
        await app.first_frame_drawn()
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
        assert app.screen.query("Footer")


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12)])
async def test_any_size_is_taken(size: tuple[int, int], until: Until) -> None:
    app = FinetuneApp()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: any("starter" in line for line in listed(app)))
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: any("tale-teller" in line for line in listed(app)))
