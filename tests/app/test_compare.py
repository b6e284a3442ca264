"""Comparing runs on the Runs screen, and what is written about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.app.fake_run import half_way
from tests.app.test_runs import later, names, settle
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.screens.runs.table import RunsTable


@pytest.fixture
def pair(home: Path) -> list[RunDirectory]:
    """Two runs that differ in their learning rate."""
    made = [
        half_way(home / "runs" / f"starter-{number}", seed=number, learning_rate=number * 1e-3) for number in (1, 2)
    ]
    for fake in made:
        fake.finish("stopped")
    return [fake.run for fake in made]


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_marked_runs_stand_beside_each_other(
    pair: list[RunDirectory], shown: Callable[[Any], str], size: tuple[int, int]
) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("space", "down", "space")
        await settle(pilot)
        screen = shown(app)
        assert "evaluation loss by step" in screen
        assert any("\u2800" < c <= "\u28ff" for c in screen)
        assert "best eval loss" in screen
        if size[1] > 24:
            assert "learning_rate" in screen
            assert "weight_decay" not in screen
        for words in ("evaluation loss by tokens", "evaluation loss by time", "training loss by step"):
            await pilot.press("t")
            await settle(pilot)
            assert words in shown(app)
        await pilot.press("space")
        await settle(pilot)
        assert "training loss by step" not in shown(app)


@pytest.mark.usefixtures("pair")
async def test_a_run_is_renamed_and_noted(home: Path, shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        under = app.screen.query_one(RunsTable).selected
        assert under is not None
        await pilot.press("n", "ctrl+u", *"better", "enter")
        await settle(pilot)
        assert "better" in names(app)
        assert (home / "runs" / "better").is_dir()
        row = names(app).index("better")
        app.screen.query_one(RunsTable).move_cursor(row=row)
        await settle(pilot)
        await pilot.press("w", *"good", "enter")
        await settle(pilot)
        assert (home / "runs" / "better" / "note.txt").read_text() == "good\n"
        assert "note      good" in shown(app)


async def test_use_these_settings_puts_them_into_the_plan(pair: list[RunDirectory]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        under = app.screen.query_one(RunsTable).selected
        assert under is not None
        await pilot.press("u")
        await settle(pilot)
        resolved = app.state.draft.resolved
        assert resolved is not None
        assert resolved.config == RunDirectory(Path(under.path)).read_config()


@pytest.mark.usefixtures("pair")
async def test_columns_sort_the_list(home: Path) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        await pilot.press("o")
        await settle(pilot)
        assert names(app) == ["starter-1", "starter-2"]
        for _ in range(6):
            await pilot.press("o")
        await settle(pilot)
        assert sorted(names(app)) == ["starter-1", "starter-2"]
