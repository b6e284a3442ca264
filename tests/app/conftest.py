"""What all tests of the app stand on: an empty home, no network, no clock-driven drawing, one known machine.

Fixtures that hold for every test here without being asked for: `home` (state, home, hub cache and working directory in
the test's temporary directory), `still` (no animation, no blinking cursor), `plan_off` (nothing is worked out in the
background; a test that names the fixture `real_plan` gets the real thing), `unasked` (nothing is said of earlier runs, but
in tests that name `earlier_runs`), and `known_machine` (device facts).
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tui_finetune.models import devices

# Read once, when textual is first imported: set before any test module imports it.
os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["TEXTUAL_SMOOTH_SCROLL"] = "0"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing was done yet; returns the working directory."""
    for name in ("state", "home", "hub", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing moves by itself, so that a picture is the same each time."""
    from textual.widgets import Input, TextArea

    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    monkeypatch.setattr(TextArea.cursor_blink, "_default", False)


@pytest.fixture
def real_plan() -> None:
    """Named by a test that wants the plan worked out as for a user."""


@pytest.fixture(autouse=True)
def plan_off(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is not worked out: it needs seconds of imports and says what this machine can do."""
    if "real_plan" in request.fixturenames:
        return

    monkeypatch.setattr("tui_finetune.tui.draft.Draft._work_out_plan", lambda draft: draft.show_plan(None))


@pytest.fixture
def earlier_runs() -> None:
    """Named by a test that wants the app, on opening, to look for the runs that are there."""


@pytest.fixture(autouse=True)
def unasked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No dialog about a run that is going opens by itself."""
    if "earlier_runs" not in request.fixturenames:
        monkeypatch.setattr("tui_finetune.tui.monitor.Monitor.look_for_runs", lambda self: None)


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same modest CPU machine everywhere: 16 GB, two cores."""
    facts = devices.DeviceFacts(name="CPU", kind="cpu", total=16 * 10**9, free=12 * 10**9, count=2, bf16_good=False)
    monkeypatch.setattr(devices, "cpu_facts", lambda: facts)
    monkeypatch.setattr(devices, "device_facts", lambda: facts)


@pytest.fixture(autouse=True)
def idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is going on: on a busy machine less is drawn."""
    monkeypatch.setattr("tui_finetune.tui.monitor.is_busy", lambda: False)


@pytest.fixture
def shown() -> Callable[[Any], str]:
    """The text on the screen of a running app, line by line, as a person reads it."""

    def text(app: Any) -> str:
        strips = app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    return text


@pytest.fixture
def until(shown: Callable[[Any], str]) -> Callable[..., Awaitable[None]]:
    """Wait, in a running app, until something holds: `await until(pilot, lambda: ...)`. Work is done in threads."""

    async def wait(pilot: Any, condition: Callable[[], object], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not come true; the screen:\n{shown(pilot.app)}"
            await pilot.pause(0.02)
        await pilot.pause()

    return wait
