"""The Training screen: what it shows of a run, what its keys ask of it, what it says when the run is over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static
from textual.widgets._footer import FooterKey

from tests.app.fake_run import FakeRun, half_way
from tests.app.pictures import NARROW, SIZES, pictures
from tests.app.stand_ins import Clock
from tui_finetune.config.schema import RunConfig
from tui_finetune.planning.plan import Plan
from tui_finetune.runs.control import take
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.monitor import Monitor
from tui_finetune.tui.screens.training.panes import RunPanes
from tui_finetune.tui.theme import theme_name
from tui_finetune.tui.widgets.chart import panels, run_chart
from tui_finetune.tui.widgets.chart.axis import Axis
from tui_finetune.tui.widgets.chart.canvas import Canvas
from tui_finetune.tui.widgets.chart.panels import Panel, Shown, View, draw_panels
from tui_finetune.tui.widgets.chart.plot import Layers, Picture, draw
from tui_finetune.tui.widgets.chart.run_chart import RunChart

HOSTILE = "[/red][bold][@click=app.quit()]boom[/] \x1b]52;c;aGk=\x07\x9b31m"


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a picture shows is the run's own."""


@pytest.fixture
def going(home: Path) -> Iterator[FakeRun]:
    """A run that is being trained, by somebody else, at step 360 of 600."""
    fake = half_way(home / "runs" / "starter-sea-tales-1")
    with RunLock(fake.run.lock_path):
        yield fake


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The width of each picture of the curves, in order."""
    widths: list[int] = []

    def counting(shown: list[Panel], view: View, size: tuple[int, int], strip_rows: int) -> Shown:
        widths.append(size[0])
        return draw_panels(shown, view, size, strip_rows)

    monkeypatch.setattr(run_chart, "draw_panels", counting)
    return widths


async def settle(pilot: Pilot[Any]) -> None:
    """Let the app look at its run, and lay out what it found."""
    app = pilot.app
    assert isinstance(app, FinetuneApp)
    await pilot.pause()
    app.poll()
    for _ in range(3):
        await pilot.pause()


def text_of(app: FinetuneApp, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).content)


# Pictures


ALL_SIZES = [NARROW, *SIZES, (200, 60)]
APPEARANCES = {
    "dark": theme_name(),
    "light": theme_name(dark=False),
    "16": theme_name("16"),
    "nocolor": theme_name("16"),
}


@pytest.mark.parametrize(
    ("size", "appearance"),
    [
        pytest.param(size, appearance, id=f"training-{size[0]}x{size[1]}-running-{appearance}")
        for size in ALL_SIZES
        for appearance in APPEARANCES
    ],
)
def test_picture_of_a_run_that_is_going(
    snap_compare: Any, going: FakeRun, size: tuple[int, int], appearance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if appearance == "nocolor":
        monkeypatch.setenv("NO_COLOR", "1")
    going.write([going.event("metrics", step=0, epoch=0, eval_loss=3.902, asked_for=True, before_training=True)])
    app = FinetuneApp(clock=lambda: 0.0, run=going.run, theme=APPEARANCES[appearance])
    assert snap_compare(app, terminal_size=size, run_before=settle)


@pictures("training", "finished")
def test_picture_of_a_finished_run(snap_compare: Any, home: Path, size: tuple[int, int]) -> None:
    fake = half_way(home / "runs" / "starter-sea-tales-1")
    fake.train(240)
    fake.finish()
    assert snap_compare(FinetuneApp(clock=lambda: 0.0, run=fake.run), terminal_size=size, run_before=settle)


@pictures("training", "preparing", NARROW, *SIZES)
def test_picture_of_the_preparation(snap_compare: Any, home: Path, size: tuple[int, int]) -> None:
    fake = FakeRun(home / "runs" / "starter-sea-tales-1")
    fake.phase("checking", 0, None, "", "Getting ready")
    fake.phase("loading_data", 1204, 1204, "rows", "Reading sea-tales")
    fake.phase("preparing_data", 701, 1204, "rows")
    with RunLock(fake.run.lock_path):
        assert snap_compare(FinetuneApp(clock=lambda: 0.0, run=fake.run), terminal_size=size, run_before=settle)


@pictures("training", "no-run")
def test_picture_before_any_run(snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(FinetuneApp(clock=lambda: 0.0, tab="training"), terminal_size=size, run_before=settle)


# What is shown


async def test_without_a_run_it_says_what_to_press(shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(clock=lambda: 0.0, tab="training")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "ctrl+r trains starter on sea-tales" in shown(app)
        await pilot.press("p", "e", "plus", "right", "r")


async def test_numbers_and_chart_tell_of_the_run(going: FakeRun, shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        screen = shown(app)
        for words in ("360  of 600", "1.80  of 3", "best 1.804 at step 360", "tok/s", "900 MB", "60 %", "360 / 600"):
            assert words in screen, words
        assert "●" in screen
        assert "★" in screen
        assert any("\u2800" < c <= "\u28ff" for c in screen)


async def test_new_events_appear_and_without_any_nothing_is_drawn(
    going: FakeRun, drawn: list[int], shown: Callable[[Any], str]
) -> None:
    clock = Clock()
    app = FinetuneApp(clock=clock, run=going.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        before = len(drawn)
        for _ in range(5):
            await settle(pilot)
        assert len(drawn) == before
        going.train(20)
        clock.seconds += 3
        await settle(pilot)
        assert len(drawn) == before + 1
        assert "380 / 600" in shown(app)


async def test_nothing_is_drawn_while_another_screen_is_in_front(going: FakeRun, drawn: list[int]) -> None:
    clock = Clock()
    app = FinetuneApp(clock=clock, run=going.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        app.add_mode("elsewhere", Screen)
        await app.switch_mode("elsewhere")
        await settle(pilot)
        before = len(drawn)
        going.train(20)
        clock.seconds += 3
        await settle(pilot)
        assert len(drawn) == before
        await app.switch_mode("training")
        await settle(pilot)
        assert len(drawn) > before


async def test_a_run_with_100_000_points_hands_plotext_only_a_few(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRun(home / "runs" / "long-1", total=100_000)
    fake.prepare()
    fake.train(100_000, every=1, evaluate_every=5_000)
    handed: list[float] = []

    def counting(layers: Layers, x: Axis, *args: Any, **options: Any) -> Picture:
        handed.append(sum(len(steps) for steps, _ in layers.lines.values()) / x.cells)
        return draw(layers, x, *args, **options)

    monkeypatch.setattr(panels, "draw", counting)
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        chart = app.screen.query_one(RunChart)
        assert len(chart.train) == 100_000
        # Four points a column of dots for the one curve, one for the other, and the evaluations.
        assert 0 < max(handed) <= 2 * 5 + 1


async def test_the_phase_is_shown_big_until_there_is_a_point(home: Path, shown: Callable[[Any], str]) -> None:
    fake = FakeRun(home / "runs" / "starter-1")
    fake.phase("loading_data", 1204, 1204, "rows", "Reading sea-tales")
    fake.phase("preparing_data", 602, 1204, "rows")
    with RunLock(fake.run.lock_path):
        app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            screen = shown(app)
            assert "✓ Reading sea-tales" in screen
            assert "● Turning text into tokens" in screen
            assert "50 %   602 / 1,204 rows" in screen
            fake.phase("loading_model", 1, 1, "file")
            fake.begin_training()
            fake.train(10)
            await settle(pilot)
            assert app.screen.query_one(RunChart).display
            assert not app.screen.query_one("#preparation").display


async def test_an_evaluation_is_named_with_its_progress(going: FakeRun, shown: Callable[[Any], str]) -> None:
    going.phase("evaluating", 5, 10, "batches")
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert "● Evaluating" in shown(app)
        assert "50 %  5 / 10 batches" in shown(app)


async def test_hostile_text_is_only_text(going: FakeRun, shown: Callable[[Any], str]) -> None:
    going.train(5)
    going.sample(prompt="[@click=app.quit()]x", text=HOSTILE)
    going.notice(HOSTILE, HOSTILE)
    going.run.log_path.write_text(f"10%\r100% done\n{HOSTILE}\n\x1b[31mred\x1b[0m\n")
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        for pane in RunPanes.NAMES[:3]:
            assert app.screen.query_one(RunPanes).current == pane
            screen = shown(app)
            assert "[/red][bold][@click=app.quit()]boom[/]" in screen
            assert not any(c in screen for c in "\x1b\x07\x9b")
            await pilot.press("v")
            await settle(pilot)
        await pilot.press("shift+tab")
        await pilot.click(RunPanes, offset=(10, 3))
        assert app.is_running


async def test_the_log_shows_the_last_form_of_a_line_that_was_written_over(
    going: FakeRun, shown: Callable[[Any], str]
) -> None:
    going.run.log_path.write_text("Loading weights:  10%\rLoading weights: 100%\n\x1b[33mcareful\x1b[0m\n")
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(100, 36)) as pilot:
        await settle(pilot)
        await pilot.press("v")
        await settle(pilot)
        assert "Evaluated at step 360" in shown(app)
        assert "Loading weights" not in shown(app)
        await pilot.press("v", "v", "v")
        await settle(pilot)
        screen = shown(app)
        assert "Loading weights: 100%" in screen
        assert "10%\r" not in screen
        assert "  10%" not in screen
        assert "careful" in screen
        assert "Evaluated at step 360" not in screen


async def test_the_log_is_filtered_as_it_is_typed(going: FakeRun, shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(100, 36)) as pilot:
        await settle(pilot)
        await pilot.press("slash")
        await settle(pilot)
        assert "Evaluated at step 360" in shown(app)
        await pilot.press(*"max_length")
        await settle(pilot)
        assert "12 texts are longer than max_length." in shown(app)
        assert "Evaluated at step" not in shown(app)


# Keys


@pytest.mark.parametrize(("key", "action"), [("p", "pause"), ("e", "evaluate"), ("s", "save"), ("g", "sample")])
async def test_a_key_leaves_a_request(going: FakeRun, key: str, action: str) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press(key)
        assert [request.action for request in take(going.run.control_dir)] == [action]


async def test_p_on_a_paused_run_goes_on_and_the_heading_says_what_was_asked(going: FakeRun) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("p")
        assert "pausing after this step" in text_of(app, "#heading-text")
        (request,) = take(going.run.control_dir)
        assert request.action == "pause"
        going.status("paused", answers=[request.id])
        await settle(pilot)
        assert "‖ Paused at step 360" in text_of(app, "#heading-text")
        assert "pausing" not in text_of(app, "#heading-text")
        await pilot.press("p")
        assert [request.action for request in take(going.run.control_dir)] == ["continue"]


async def test_evaluating_without_rows_says_why_not(home: Path) -> None:
    fake = half_way(home / "runs" / "starter-1", validation_split=0.0)
    with RunLock(fake.run.lock_path):
        app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
        async with app.run_test(size=(100, 30)) as pilot:
            await settle(pilot)
            await pilot.press("e")
            await settle(pilot)
            assert any("validation_split is 0" in notice.message for notice in app._notifications)
            assert take(fake.run.control_dir) == []


async def test_the_chart_zooms_at_the_tail_and_follows_it(going: FakeRun) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        view = app.screen.query_one(RunChart).view
        assert view.window() == (0, 400)
        await pilot.press("plus", "plus")
        low, high = view.window()
        assert high == 360
        going.train(20)
        await settle(pilot)
        assert view.window() == pytest.approx((low + 20, 380))
        await pilot.press("left_square_bracket")
        assert view.window()[1] < 380
        await pilot.press("minus", "0")
        assert view.window() == (0, 400)


async def test_the_crosshair_tells_the_values_of_a_point(going: FakeRun) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        chart = app.screen.query_one(RunChart)
        await pilot.press("left")
        assert "step 360" in text_of(app, "#chart-caption")
        await pilot.press("left")
        first = text_of(app, "#chart-caption")
        assert "step 355" in first
        assert f"loss {chart.train.ys[-2]:.4f}" in first
        await pilot.press("right")
        assert "step 360" in text_of(app, "#chart-caption")
        assert "evaluation 1.8035" in text_of(app, "#chart-caption")
        await pilot.press("escape")
        assert "training" in text_of(app, "#chart-caption")


async def test_smoothing_and_log_scale_say_that_they_are_on(going: FakeRun) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        await pilot.press("l", "y")
        assert "log scale · smoothing strong" in text_of(app, "#chart-caption")
        await pilot.press("l", "y")
        assert "smoothing off" in text_of(app, "#chart-caption")
        assert "as logged" not in text_of(app, "#chart-caption")


async def test_the_footer_leads_with_what_a_run_needs(going: FakeRun) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        for status, keys in (("running", "^c p e s g ^d"), ("paused", "^c p e s g ^d"), ("stopped", "r ^q ^r ?")):
            going.status(status, checkpoint="checkpoints/checkpoint-360")
            await settle(pilot)
            await pilot.pause(0.1)
            assert " ".join(key.key_display for key in app.screen.query(FooterKey)) == keys, status


async def test_any_curve_that_is_logged_comes_to_the_large_place(going: FakeRun, shown: Callable[[Any], str]) -> None:
    reward = {"rewards/margins": 0.4, "eval_rewards/margins": 0.3, "rewards/accuracies": 0.6, "eval_runtime": 1.0}
    going.write([going.event("metrics", step=step, epoch=1.8, **reward) for step in (361, 365)])
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        seen = []
        for _ in range(8):
            await pilot.press("m")
            seen.append(text_of(app, "#chart-caption").split("  ")[0])
        assert seen == [
            "Learning rate", "Gradient norm", "Useful tokens/s", "Memory", "rewards/margins", "rewards/accuracies",
            "Loss", "Learning rate",
        ]  # fmt: skip
        assert "Loss  " in shown(app)  # in a strip now


async def test_perplexity_stands_in_place_of_the_losses_on_a_key(going: FakeRun, shown: Callable[[Any], str]) -> None:
    going.write([going.event("metrics", step=0, epoch=0, eval_loss=3.902, asked_for=True, before_training=True)])
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert "1.804  ▼ was 3.902" in shown(app)
        assert "before 3.902" in shown(app)
        await pilot.press("u")
        await settle(pilot)
        assert "6.071  ▼ was 49.501" in shown(app)


async def test_the_mouse_zooms_drags_and_puts_the_crosshair(going: FakeRun) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        chart, canvas = app.screen.query_one(RunChart), app.screen.query_one(Canvas)
        assert chart.shown is not None
        column = chart.shown.left + 1 + (chart.shown.x.dot(200) or 0)
        await pilot.click(Canvas, offset=(column, 4))
        await settle(pilot)
        assert "step 200" in text_of(app, "#chart-caption")
        canvas.post_message(Canvas.Wheeled(column, up=True))
        canvas.post_message(Canvas.Wheeled(column, up=True))
        await settle(pilot)
        low, high = chart.view.window()
        assert high - low == pytest.approx(400 / 1.6**2)
        assert chart.shown.x.dot(200) == pytest.approx(column - chart.shown.left - 1, abs=4)
        await pilot.mouse_down(Canvas, offset=(60, 4))
        await pilot.hover(Canvas, offset=(50, 4))
        await pilot.mouse_up(Canvas, offset=(50, 4))
        await settle(pilot)
        assert chart.view.window()[0] > low


async def test_the_plan_line_and_the_numbers_tell_one_time(going: FakeRun, shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        estimate: Any = SimpleNamespace(seconds=480.0, needed=10**8, usable=10**9, fits=True)
        app.state.draft.show_plan(Plan(RunConfig(), steps=600, estimate=estimate, complete=True))
        await settle(pilot)
        left = re.search(r"left +(\d+ min \d+ s)", shown(app))
        assert left is not None
        assert f"600 steps  ·  {left[1]} left" in shown(app)
        app.state.draft.show_plan(Plan(RunConfig(), steps=900, estimate=estimate, complete=True))
        await settle(pilot)
        assert "900 steps  ·  about 8 min" in shown(app)


# The end


async def test_a_finished_run_says_where_its_model_is_and_what_to_do_next(
    home: Path, shown: Callable[[Any], str]
) -> None:
    fake = half_way(home / "runs" / "starter-1")
    fake.train(240)
    fake.finish()
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        screen = shown(app)
        assert "✓ Finished at step 600 in" in screen
        assert "runs/starter-1/final" in screen
        assert "training_plot.png in it" in screen
        assert "c chat " in screen
        assert "Resume" not in screen


async def test_a_stopped_run_goes_on_with_r(
    home: Path, monkeypatch: pytest.MonkeyPatch, shown: Callable[[Any], str]
) -> None:
    fake = half_way(home / "runs" / "starter-1")
    fake.finish("stopped")
    resumed: list[RunDirectory] = []
    monkeypatch.setattr(Monitor, "resume", lambda self, run: resumed.append(run))
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        screen = shown(app)
        assert "■ Stopped at step 360 of 600; everything is saved" in screen
        assert "runs/starter-1/checkpoints/checkpoint-360" in screen
        await pilot.press("r")
        assert resumed == [fake.run]


async def test_a_failed_run_says_why_and_what_to_do(home: Path, shown: Callable[[Any], str]) -> None:
    fake = half_way(home / "runs" / "starter-1")
    fake.status("failed", reason="the device's memory is full", remedy="halve per_device_train_batch_size")
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert "✗ Failed: the device's memory is full" in shown(app)
        assert "→ halve per_device_train_batch_size" in shown(app)
        assert "checkpoint 360" in shown(app)


async def test_fault_18_one_key_goes_on_with_what_is_advised(
    home: Path, shown: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = half_way(home / "runs" / "starter-1")
    changes = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}
    fake.status("failed", reason="the device's memory is full", remedies=[{"words": "", "changes": changes}])
    began: list[tuple[RunDirectory, Any]] = []
    monkeypatch.setattr(Monitor, "_prepare", lambda self, run, resolved, changes: began.append((run, changes)))
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert "r resume" in shown(app)
        await pilot.press("r")
        assert began == [(fake.run, changes)]


async def test_a_run_whose_process_is_gone_is_called_interrupted(home: Path, shown: Callable[[Any], str]) -> None:
    fake = half_way(home / "runs" / "starter-1")
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert "✗ Interrupted at step 360 of 600" in shown(app)
        assert "r resume" in shown(app)


async def test_any_size_is_survived(going: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    layouts = 0
    real = Screen._refresh_layout

    def counting(self: Screen[Any], *args: Any, **options: Any) -> None:
        nonlocal layouts
        layouts += 1
        real(self, *args, **options)

    monkeypatch.setattr(Screen, "_refresh_layout", counting)
    app = FinetuneApp(clock=lambda: 0.0, run=going.run)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for width, height in [(1, 1), (20, 5), (2, 40), (200, 3), (60, 20), (240, 80), (79, 29), (80, 24)]:
            layouts = 0
            await pilot.resize_terminal(width, height)
            await pilot.press("left", "plus")
            await settle(pilot)
            assert layouts < 15, (width, height)  # it comes to rest: no scrollbar appears because it is not there
        assert app.is_running
