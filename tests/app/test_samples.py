"""The samples pane: how the answer to each prompt changed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.app.fake_run import FakeRun
from tests.events import event
from tui_finetune.runs.events import SampleEvent
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.screens.training.samples import SamplesPane, samples_view


def sample(step: int, prompt: str, text: str) -> SampleEvent:
    made = event("sample", step=step, prompt=prompt, text=text)
    assert isinstance(made, SampleEvent)
    return made


SAMPLES = [
    sample(step, prompt, f"{prompt} answer of {step}") for step in (0, 11, 22) for prompt in ("The lamp", "[red]A ship")
]


def seen(step: int | None, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, markup=True)
    console.print(samples_view(SAMPLES, step, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_first_and_newest_stand_side_by_side_for_each_prompt() -> None:
    lines = seen(None).splitlines()
    beside = [line for line in lines if "answer of 0" in line]
    assert len(beside) == 2
    assert all("answer of 22" in line for line in beside)
    assert sum(line.strip() in {"The lamp", "[red]A ship"} for line in lines) == 2
    assert "before training" in seen(None)
    assert "step 22, newest" in seen(None)


def test_an_earlier_moment_stands_in_its_place() -> None:
    assert "answer of 11" in seen(11)
    assert "answer of 22" not in seen(11)
    assert "[11]" in seen(11)


def test_where_it_is_narrow_they_stand_below_each_other() -> None:
    lines = seen(None, width=40).splitlines()
    assert not any("answer of 0" in line and "answer of 22" in line for line in lines)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_arrows_walk_through_time(home: Path, size: tuple[int, int]) -> None:
    fake = FakeRun(home / "runs" / "starter-1")
    fake.prepare()
    fake.train(20)
    for made in SAMPLES:
        fake.write([fake.event("sample", step=made.step, prompt=made.prompt, text=made.text)])
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        pane = app.screen.query_one(SamplesPane)
        pane.focus()
        for key, step in (("left", 11), ("left", 0), ("left", 0), ("right", 11), ("right", None)):
            await pilot.press(key)
            assert pane._step == step
