"""The queue on the Runs screen: seen, changed, filled and started there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from tests.app.fake_run import half_way
from tui_finetune.config.resolve import resolve
from tui_finetune.runs.queue import Queue, RunnerLock, queued
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.queue import QueueDialog

Until = Callable[..., Awaitable[None]]
Shown = Callable[[Any], str]


@pytest.fixture
def queue(home: Path) -> Queue:
    """A run that was interrupted, and three that wait."""
    made = Queue()
    runs = [queued(resolve({"seed": str(seed)}), home, {"seed": str(seed)}) for seed in range(1, 5)]
    made.add(runs)
    begun = half_way(home / "runs" / "starter-sea-tales-1", seed=1)
    made.change(runs[0].id, state="started", run=str(begun.run.path))
    return made


def seeds(queue: Queue) -> list[str]:
    return [run.varied["seed"] for run in queue.runs() if run.varied]


async def opened(pilot: Pilot[Any], until: Until) -> QueueDialog:
    await pilot.press("6")
    await until(pilot, lambda: "q shows it" in str(pilot.app.screen.query_one("#queue-line", Static).render()))
    await pilot.press("q")
    await until(pilot, lambda: isinstance(pilot.app.screen, QueueDialog) and pilot.app.screen.selected is not None)
    assert isinstance(pilot.app.screen, QueueDialog)
    return pilot.app.screen


async def test_the_queue_is_seen_and_its_order_is_changed(queue: Queue, until: Until, shown: Shown) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "queue: 1 interrupted, 3 waiting" in shown(app))
        screen = await opened(pilot, until)
        assert "Queue: 1 interrupted, 3 waiting" in shown(app)
        assert "interrupted 360/600" in shown(app)
        await pilot.press("k")  # it was begun, and stays where it is
        await pilot.press("down", "down", "down")
        assert screen.selected is not None
        assert screen.selected.varied == {"seed": "4"}
        await pilot.press("k")
        await until(pilot, lambda: seeds(queue) == ["1", "2", "4", "3"])
        await pilot.press("k")
        await until(pilot, lambda: seeds(queue) == ["1", "4", "2", "3"])
        await pilot.press("j")
        await until(pilot, lambda: seeds(queue) == ["1", "2", "4", "3"])
        await until(pilot, lambda: screen.selected is not None and screen.selected.varied == {"seed": "4"})
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, QueueDialog))


async def test_a_run_is_taken_out_after_a_question_that_the_same_key_does_not_answer(
    queue: Queue, until: Until, shown: Shown
) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, until)
        await pilot.press("down")
        await pilot.press("d", "d", "d")
        await until(pilot, lambda: "Take this run out" in shown(app))
        assert seeds(queue) == ["1", "2", "3", "4"]
        await pilot.press("x")
        await until(pilot, lambda: seeds(queue) == ["1", "3", "4"])
        queue.change(queue.runs()[0].id, state="ended", status="failed", reason="the data is gone")
        await until(pilot, lambda: "1 ended" in shown(app))
        await pilot.press("up")
        await until(pilot, lambda: "the data is gone" in shown(app))
        await pilot.press("c")
        await until(pilot, lambda: seeds(queue) == ["3", "4"])


async def test_what_is_chosen_is_added_and_the_queue_is_started(
    queue: Queue, home: Path, until: Until, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []
    monkeypatch.setattr("tui_finetune.training.queue.start_runner", lambda queue: started.append(queue.path))
    app = FinetuneApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, until)
        app.state.draft.choose(max_steps="7")
        await pilot.press("a")
        await until(pilot, lambda: len(queue.runs()) == 5)
        added = queue.runs()[-1]
        assert (added.config["max_steps"], added.folder, added.state) == (7, str(home), "waiting")
        await pilot.press("s")
        await until(pilot, lambda: started == [queue.path])
        with RunnerLock(queue):
            await until(pilot, lambda: "1 being trained" in shown(app))
            assert "Not started" not in shown(app)


async def test_a_damaged_queue_is_said_and_nothing_else_suffers(home: Path, until: Until, shown: Shown) -> None:
    half_way(home / "runs" / "starter-sea-tales-1", seed=1)
    Queue().path.parent.mkdir(exist_ok=True)
    Queue().path.write_text("{")
    app = FinetuneApp()
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "queue can't be read" in shown(app))
        assert "starter-sea-tales-1" in shown(app)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, QueueDialog) and "mend the file" in shown(app))
