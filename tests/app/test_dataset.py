"""The Dataset screen: what it lists, what it says about data, and what its keys do."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList, Static

from tests.app.model_folders import write_model
from tests.app.pictures import pictures
from tests.tiny import make_tokenizer, sentences, write_jsonl
from tui_finetune.data import samples
from tui_finetune.errors import Cancelled
from tui_finetune.models import catalog, located
from tui_finetune.planning import dataset as dataset_look
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.screens.dataset.about import DataAbout
from tui_finetune.tui.screens.dataset.recent import recent_data, remember_data
from tui_finetune.tui.widgets.filter_list import FilterList

Until = Callable[..., Awaitable[None]]
Shown = Callable[[Any], str]


@pytest.fixture(autouse=True)
def data(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A starter with a tokenizer, one sample, and files of several kinds."""
    starter = write_model(tmp_path / "starter", vocabulary=320, context=64)
    make_tokenizer(starter)
    for module in (catalog, located):
        monkeypatch.setattr(module, "MODEL", starter)
    monkeypatch.setattr(samples, "SAMPLES", tmp_path / "samples")
    (tmp_path / "samples").mkdir()
    write_jsonl(tmp_path / "samples" / "sea-tales.jsonl", sentences(40, seed=3))
    (tmp_path / "samples" / "summaries.yaml").write_text("sea-tales: what the sea told\n")
    rows = [{"first": f"q {n}", "second": f"answer {n} " * n, "number": n} for n in range(1, 21)]
    (home / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (home / "story.txt").write_text("Once there was a lamp.\n\nIt kept its light.\n")
    (home / "notes.docx").write_text("no data")
    (home / ".hidden.txt").write_text("hidden")
    (home / "shelf").mkdir()
    (home / "shelf" / "inner.txt").write_text("An inner text.\n")


@pytest.fixture
def app() -> FinetuneApp:
    """The app, opening on the Dataset screen."""
    return FinetuneApp(tab="dataset")


def listed(app: FinetuneApp) -> list[str]:
    return [str(option.prompt) for choices in app.screen.query(OptionList) for option in choices.options]


def looked_at(app: FinetuneApp) -> str:
    item = app.screen.query_one(FilterList).looked
    return item.key if item else ""


def row(app: FinetuneApp) -> str:
    return str(app.screen.query_one("#row", Static).content)


async def look_at(pilot: Any, typed: str, until: Until) -> None:
    """Put the cursor on what this finds."""
    await until(pilot, lambda: listed(pilot.app))
    await pilot.press("slash", *typed, "down")


async def test_a_adds_data_to_what_is_chosen_and_takes_it_out(app: FinetuneApp, shown: Shown, until: Until) -> None:
    async with app.run_test(size=(100, 36)) as pilot:
        await look_at(pilot, "story", until)
        await until(pilot, lambda: looked_at(app).endswith("story.txt"))
        await pilot.press("enter")
        await until(pilot, lambda: app.state.draft.dataset.endswith("story.txt"))
        await pilot.press("slash", "escape", *"/pairs", "down")
        await until(pilot, lambda: looked_at(app).endswith("pairs.jsonl"))
        await pilot.press("a")
        await until(pilot, lambda: app.state.draft.dataset == "story + pairs")
        await until(pilot, lambda: "chosen · with others; a takes it out" in " ".join(shown(app).split()))
        await pilot.press("a")
        await until(pilot, lambda: app.state.draft.dataset.endswith("story.txt"))
        assert "datasets" not in app.state.draft.choices
        app.state.draft.choose(
            datasets="[{name: story.txt}, {name: pairs.jsonl, prompt_field: first, completion_field: second}]"
        )
        await pilot.press("slash", "escape")
        await until(pilot, lambda: "Sources" in shown(app) and "pairs   95%" in shown(app))


@pictures("dataset", "sample")
def test_picture(size: tuple[int, int], app: FinetuneApp, snap_compare: Any, until: Until) -> None:
    async def go(pilot: Any) -> None:
        await until(pilot, lambda: row(pilot.app))

    assert snap_compare(app, terminal_size=size, run_before=go)


@pictures("dataset", "unreadable", (80, 24))
def test_picture_of_data_that_cannot_be_read(
    app: FinetuneApp, snap_compare: Any, until: Until, shown: Shown, size: tuple[int, int]
) -> None:
    async def go(pilot: Any) -> None:
        await look_at(pilot, "pairs", until)
        await until(pilot, lambda: "Columns" in shown(pilot.app))

    assert snap_compare(app, terminal_size=size, run_before=go)


@pictures("dataset", "sample", (60, 30))
def test_picture_narrow(app: FinetuneApp, snap_compare: Any, until: Until, size: tuple[int, int]) -> None:
    async def go(pilot: Any) -> None:
        await until(pilot, lambda: row(pilot.app))

    assert snap_compare(app, terminal_size=size, run_before=go)


async def test_only_what_can_be_data_is_listed(app: FinetuneApp, until: Until) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: listed(app))
        text = "\n".join(listed(app))
        assert "story.txt" in text
        assert "shelf/" in text
        assert "● sea-tales" in text
        assert "notes.docx" not in text
        assert "hidden" not in text


async def test_enter_opens_a_folder_chooses_a_file_and_remembers_it(app: FinetuneApp, home: Path, until: Until) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: listed(app))
        while not looked_at(app).endswith("shelf"):
            await pilot.press("down")
        await pilot.press("enter")
        assert any("inner.txt" in line for line in listed(app))
        while looked_at(app) != "./shelf/inner.txt":
            await pilot.press("down")
        await pilot.press("enter")
        assert app.state.draft.choices["dataset_name"] == "./shelf/inner.txt"
        assert recent_data() == [str(home / "shelf" / "inner.txt")]
        assert any(line.startswith("● ") and "inner.txt" in line for line in listed(app))
        await pilot.press("u")
        assert any("story.txt" in line for line in listed(app))


async def test_what_was_used_last_comes_first_among_the_used(app: FinetuneApp, home: Path, until: Until) -> None:
    remember_data("org/older")
    remember_data("story.txt")
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: listed(app))
        lines = listed(app)
        start = next(number for number, line in enumerate(lines) if "Used lately" in line)
        assert "./story.txt" in lines[start + 1]
        assert "org/older" in lines[start + 2]


async def test_rows_are_turned_with_n_and_b(app: FinetuneApp, until: Until) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: row(app))
        first = row(app)
        await pilot.press("n")
        assert row(app) != first
        await pilot.press("b", "b")
        assert row(app) == first


async def test_an_error_stands_beside_the_data_and_the_column_can_be_chosen(
    app: FinetuneApp, until: Until, shown: Shown
) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "pairs", until)
        await until(pilot, lambda: "✗" in shown(app))
        assert "dataset_name" not in app.state.draft.choices
        await pilot.press("c", "down", "enter")  # the form: text
        choices = app.screen.query_one(OptionList)
        assert [str(option.prompt).split()[0] for option in choices.options] == ["first", "second", "number"]
        await pilot.press("down", "enter")
        assert app.state.draft.choices["dataset_name"] == "./pairs.jsonl"
        assert app.state.draft.choices["dataset_text_field"] == "second"
        await until(pilot, lambda: row(app).startswith("answer 1"))


async def test_columns_of_unusual_names_are_mapped_with_the_keyboard(app: FinetuneApp, until: Until) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "pairs", until)
        await pilot.pause(0.5)
        await until(pilot, lambda: app.screen.query_one(DataAbout).findings is not None)
        await pilot.press("c", "down", "down", "enter", "enter", "down", "enter")
        assert app.state.draft.choices["dataset_format"] == "prompt-completion"
        assert app.state.draft.choices["dataset_prompt_field"] == "first"
        assert app.state.draft.choices["dataset_completion_field"] == "second"
        await until(pilot, lambda: "q 1" in row(app) and "answer 1" in row(app))


async def test_a_row_is_shown_as_text_as_tokens_and_packed(app: FinetuneApp, until: Until, shown: Shown) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: row(app))
        text = row(app)
        await pilot.press("t")
        await until(pilot, lambda: "trained on (underlined)" in shown(app))
        tokens = app.screen.query_one("#row", Static).content
        assert text.rstrip() in str(tokens)
        assert any("underline" in str(span.style) for span in tokens.spans)  # type: ignore[union-attr]
        await pilot.press("n")
        await until(pilot, lambda: "Row 2" in shown(app))
        await pilot.press("t")
        await until(pilot, lambda: "of 64 tokens" in shown(app))
        assert "document 1: tokens 1 to" in row(app)
        await pilot.press("t", "b")
        assert row(app) == text


async def test_a_key_goes_to_the_row_with_a_problem(app: FinetuneApp, home: Path, until: Until, shown: Shown) -> None:
    (home / "holes.jsonl").write_text('{"text": "one"}\n{"text": ""}\n{"text": "three"}\n{"text": null, "n": 4}\n')
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "holes", until)
        await until(pilot, lambda: row(app))
        await pilot.press("p")
        await until(pilot, lambda: row(app) == '{"text": ""}')
        await until(pilot, lambda: "holes.jsonl, line 2" in shown(app))


async def test_on_a_small_terminal_a_key_for_the_row_brings_it_into_view(
    app: FinetuneApp, home: Path, until: Until
) -> None:
    rows = [{"text": "one"}, *({"text": None, f"column_{n}": n} for n in range(20)), {"text": "three"}]
    (home / "holes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    async with app.run_test(size=(80, 24)) as pilot:
        await look_at(pilot, "holes", until)
        await until(pilot, lambda: row(app))
        head, about = app.screen.query_one("#row-head"), app.screen.query_one("#about")
        assert not about.region.contains_region(head.region)  # the facts take all the room
        await pilot.press("p")
        await until(pilot, lambda: '"column_0": 0' in row(app) and about.region.contains_region(head.region))
        about.scroll_home(animate=False)
        await pilot.press("n")
        await until(pilot, lambda: about.region.contains_region(head.region))


async def test_choosing_other_data_lets_go_of_the_column_of_the_data_before(app: FinetuneApp, until: Until) -> None:
    app.state.draft.choices = {"dataset_name": "./pairs.jsonl", "dataset_text_field": "second"}
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "story", until)
        await pilot.press("enter")
        assert app.state.draft.choices == {"dataset_name": "./story.txt"}


async def test_what_is_in_a_row_is_shown_and_never_obeyed(
    app: FinetuneApp, home: Path, until: Until, shown: Shown
) -> None:
    hostile = "[@click=app.quit()]press[/] [/red] \x1b]52;c;aGk=\x07 \u202eback"
    write_jsonl(home / "hostile.jsonl", [hostile] * 3)
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "hostile", until)
        await until(pilot, lambda: row(app))
        assert "[@click=app.quit()]press[/] [/red]" in shown(app)
        assert "\x1b" not in shown(app)
        assert "\u202e" not in shown(app)
        await pilot.click("#row", offset=(3, 0))
        await pilot.pause()
        assert app.is_running


async def test_a_broken_file_is_named_with_its_line(app: FinetuneApp, home: Path, until: Until, shown: Shown) -> None:
    (home / "broken.jsonl").write_text('{"text": "fine"}\n{"text": "cut\n')
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "broken", until)
        await until(pilot, lambda: "line 2" in shown(app))


async def test_looking_at_something_else_cancels_the_look_before(
    app: FinetuneApp, home: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun, cancelled = dataset_look.look, threading.Event(), []

    def slow(config: Any, kept: Any, report: Any = None) -> Any:
        if config.dataset_name != "./story.txt":
            return real(config, kept, report)
        begun.set()
        try:
            while True:
                report(0, None, "reading")
        except Cancelled:
            cancelled.append(config.dataset_name)
            raise

    monkeypatch.setattr("tui_finetune.tui.screens.dataset.screen.look", slow)
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "story", until)
        await until(pilot, begun.is_set)  # before, the screen says that it is reading, too
        await pilot.press("escape", "home")
        await until(pilot, lambda: cancelled)
        await until(pilot, lambda: row(app))


async def test_a_bug_while_looking_does_not_leave_the_screen_waiting(
    app: FinetuneApp, until: Until, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(config: Any, kept: Any, report: Any = None) -> Any:
        report(0, None, "counting")
        raise AttributeError("oh no")

    monkeypatch.setattr("tui_finetune.tui.screens.dataset.screen.look", broken)
    async with app.run_test(size=(100, 40), notifications=True) as pilot:
        await until(pilot, lambda: "it could not be read" in shown(app))
        assert "counting" not in shown(app)
        await until(pilot, lambda: "oh no" in shown(app))


async def test_hub_data_is_taken_as_typed_and_not_downloaded_by_looking(
    app: FinetuneApp, until: Until, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = dataset_look.look

    def look(config: Any, kept: Any, report: Any = None) -> Any:
        looked.append(config.dataset_name)
        return real(config, kept, report)

    monkeypatch.setattr("tui_finetune.tui.screens.dataset.screen.look", look)
    async with app.run_test(size=(100, 40)) as pilot:
        await look_at(pilot, "org/some-data", until)
        await until(pilot, lambda: "enter downloads it" in shown(app))
        assert "org/some-data" not in looked
        await pilot.press("enter")
        assert app.state.draft.choices["dataset_name"] == "org/some-data"
        await until(pilot, lambda: "✗" in shown(app))  # no network here: the words are beside it
        assert "org/some-data" in looked


async def test_a_path_is_completed_while_it_is_typed(app: FinetuneApp, home: Path, until: Until) -> None:
    async with app.run_test(size=(100, 40)) as pilot:
        await until(pilot, lambda: listed(app))
        await pilot.press("slash", *"./sh", "enter")
        assert app.screen.query_one(Input).value == "./shelf/"
        await pilot.press(*"inn", "enter")
        assert app.state.draft.choices["dataset_name"] == "./shelf/inner.txt"


async def test_a_model_without_tokenizer_leaves_the_rows_to_be_read(
    app: FinetuneApp, home: Path, until: Until, shown: Shown
) -> None:
    write_model(home / "bare")
    app.state.draft.choices = {"model_name_or_path": "./bare"}
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: row(app))
        assert "not known" in shown(app)


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12)])
async def test_any_size_is_taken(size: tuple[int, int], app: FinetuneApp, until: Until) -> None:
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: row(app))
        await pilot.resize_terminal(130, 40)
        await until(pilot, lambda: app.screen.query("LengthHistogram"))
        await pilot.resize_terminal(*size)


# Preferences


@pytest.mark.parametrize(("size", "beside"), [((120, 36), True), ((80, 24), False)])
async def test_both_replies_stand_side_by_side_or_below_each_other(
    size: tuple[int, int], beside: bool, tmp_path: Path, until: Until
) -> None:
    path = tmp_path / "preferred.jsonl"
    rows = [{"prompt": "Ask", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = FinetuneApp({"dataset_name": str(path), "max_length": 64}, preset="dpo", tab="dataset")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: row(app))
        one, other = app.screen.query_one("#row"), app.screen.query_one("#other-row", Static)
        await until(pilot, lambda: other.region.height > 0 or not other.display)
        assert "good 0" in row(app)
        assert "bad 0" in str(other.content)
        assert "▌" in row(app)
        assert "▌" in str(other.content)
        assert (one.region.y == other.region.y) == beside
        assert (one.region.x == other.region.x) != beside
        await pilot.press("n", "t")
        await until(pilot, lambda: "underlined" in str(app.screen.query_one("#row-head", Static).content))
        assert "good" in row(app)
        assert "bad" in str(other.content)


async def test_the_row_that_is_read_stays_when_more_is_found_out(app: FinetuneApp, until: Until) -> None:
    async with app.run_test(size=(100, 36)) as pilot:
        await until(pilot, lambda: row(app))
        head = app.screen.query_one("#row-head", Static)
        await pilot.press("n")
        await until(pilot, lambda: "Row 2" in str(head.content))
        app.state.draft.choose(learning_rate=1e-4)  # the plan is made anew, and the data looked at again
        await pilot.pause()
        assert "Row 2" in str(head.content)
        await pilot.press("slash", *"story", "down")
        await until(pilot, lambda: looked_at(app).endswith("story.txt") and "Row 1" in str(head.content))


async def test_a_single_reply_is_said_to_be_good_or_bad(tmp_path: Path, until: Until) -> None:
    path = tmp_path / "judged.jsonl"
    rows = [{"prompt": "Ask", "completion": " it", "label": n % 2 == 0} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    app = FinetuneApp({"dataset_name": str(path), "max_length": 64}, preset="kto", tab="dataset")
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: row(app))
        head = app.screen.query_one("#row-head", Static)
        assert "a good reply" in str(head.content)
        assert not app.screen.query_one("#other-row").display
        await pilot.press("n")
        await until(pilot, lambda: "a bad reply" in str(head.content))
