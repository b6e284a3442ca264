"""The export dialog: what it lists, that it makes it in a thread with progress, and that it can be stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.app.fake_run import BEGAN, half_way
from tests.app.pictures import NARROW, SIZES, pictures
from tests.programs import wait_for
from tests.tiny import make_model
from tui_finetune.errors import UserError
from tui_finetune.export import targets
from tui_finetune.export.subject import Subject
from tui_finetune.export.target import PLACE, Forecast, Made, Target
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.progress import Report
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.export import ExportDialog

Until = Callable[..., Awaitable[None]]


class Letter(Target):
    """A file of a few words, made as slowly as a test wants it."""

    name = "letter"
    title = "a letter about the run"
    held = threading.Event()

    def check(self, subject: Subject) -> None:
        if not subject.folder.is_dir():
            raise UserError("no", "no")

    def forecast(self, subject: Subject) -> Forecast:
        return Forecast(1200, 3)

    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        report(1, 4, "lines")
        while not self.held.wait(0.01):
            report(1, 4, "lines")
        (draft / "letter.txt").write_text("Dear all")
        return Made(notes=("It is short.",), commands=(f"cat {PLACE}",))


class Never(Letter):
    """What can't be made of this run."""

    name = "never"
    title = "what can't be made"

    def check(self, subject: Subject) -> None:
        raise UserError("the moon is not full", "wait for it")


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A finished run with a small model, of which a letter can be made."""
    fake = half_way(home / "runs" / "starter-sea-tales-1", seed=1)
    fake.train(240)
    fake.finish()
    make_model(fake.run.path / "final")
    Letter.held = threading.Event()
    monkeypatch.setattr(targets, "TARGETS", {"letter": Letter, "never": Never})
    monkeypatch.setattr("tui_finetune.system.libraries.import_libraries", lambda *names: None)
    monkeypatch.setattr("tui_finetune.system.libraries.quiet_libraries", lambda: None)
    return fake.run


def later() -> float:
    return BEGAN + 3 * 3600


async def opened(pilot: Pilot[Any], until: Until) -> ExportDialog:
    """The dialog over the Runs screen, with its list."""
    app = pilot.app
    await until(pilot, lambda: app.screen.query("RunsTable") and app.screen.check_action("export", ()))
    await pilot.press("x")
    await until(pilot, lambda: isinstance(app.screen, ExportDialog) and app.screen.query_one(OptionList).option_count)
    assert isinstance(app.screen, ExportDialog)
    return app.screen


async def test_lists_what_can_be_made_and_why_something_can_not(
    run: RunDirectory, until: Until, shown: Callable[[Any], str]
) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, until)
        screen = shown(app)
        assert "letter         1.2 kB       ~3.0 s" in screen
        assert "A letter about the run." in screen
        await pilot.press("down")
        await pilot.pause()
        assert "✗ the moon is not full" in shown(app)
        assert "→ wait for it" in shown(app)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, ExportDialog)


async def test_makes_it_with_progress_and_says_where_it_is_and_how_it_is_used(
    run: RunDirectory, home: Path, until: Until, shown: Callable[[Any], str]
) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, until)
        await pilot.press("enter")
        await until(pilot, lambda: "25 %" in shown(app))
        assert "1 / 4 lines" in shown(app)
        Letter.held.set()
        await until(pilot, lambda: "It is short." in shown(app))
        assert (home / "exports" / "starter-sea-tales-1-letter").read_text() == "Dear all"
        assert "✓ " in shown(app)
        assert "  cat" in shown(app)


async def test_escape_stops_it_and_leaves_nothing(
    run: RunDirectory, home: Path, until: Until, shown: Callable[[Any], str]
) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, until)
        await pilot.press("enter")
        await until(pilot, lambda: "25 %" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped. Nothing was written." in shown(app))
        assert isinstance(app.screen, ExportDialog)
        assert list((home / "exports").iterdir()) == []


async def test_leaving_the_app_ends_what_is_being_made(run: RunDirectory, home: Path, until: Until) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, until)
        await pilot.press("enter")
        await until(pilot, (home / "exports").is_dir)
    wait_for(lambda: not list((home / "exports").iterdir()), "the thread goes on")


async def test_the_end_of_a_run_leads_there_too(run: RunDirectory, until: Until, shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.screen.query("RunsTable") and app.screen.check_action("export", ()))
        await pilot.press("enter")
        await until(pilot, lambda: "x export" in shown(app))
        await pilot.press("x")
        await until(pilot, lambda: "A letter about the run." in shown(app))


async def test_m_goes_to_a_checkpoint_and_back(run: RunDirectory, until: Until, shown: Callable[[Any], str]) -> None:
    folder = make_model(run.checkpoints_dir / "checkpoint-300")
    (folder / "manifest.json").write_text(json.dumps({"step": 300, "files": {}}))
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, until)
        for words in ("its best checkpoint", "its checkpoint of step 300", "its final model"):
            await pilot.press("m")
            await until(pilot, lambda words=words: words in shown(app))


@pictures("export", "listed", NARROW, *SIZES)
@pytest.mark.usefixtures("run")
def test_picture_of_the_list(snap_compare: Any, size: tuple[int, int], until: Until) -> None:
    async def open_it(pilot: Pilot[Any]) -> None:
        await opened(pilot, until)
        await pilot.press("down")
        await pilot.pause()

    assert snap_compare(FinetuneApp(tab="runs", now=later), terminal_size=size, run_before=open_it)
