"""What is said of a run's health is true of its losses, and what is said at its end is true of its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.events import event
from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.health import diagnose
from tui_finetune.runs.outcome import outcome
from tui_finetune.runs.state import RunState
from tui_finetune.system.paths import short_path
from tui_finetune.system.tail import MAX_BYTES, tail_lines


def run(losses: list[float], evaluations: dict[int, float]) -> RunState:
    state = RunState()
    for step, loss in enumerate(losses, 1):
        state.apply(event("metrics", step=step, loss=loss))
        if step in evaluations:
            state.apply(event("metrics", step=step, eval_loss=evaluations[step]))
    return state


FALLING = [3 - 0.02 * n for n in range(60)]


def told(state: RunState, level: str, config: RunConfig | None = None) -> str:
    return " ".join(f.message + f.remedy for f in diagnose(state, config) if f.level == level)


def test_rising_evaluation_with_falling_training_is_called_overfitting() -> None:
    state = run(FALLING, {10: 2.5, 20: 2.2, 30: 2.3, 40: 2.4, 60: 2.6})
    assert "Overfitting" in told(state, "warning")
    assert "step 20" in told(state, "warning")


def test_rising_evaluation_with_rising_training_is_not_overfitting() -> None:
    rising = [1 + 0.02 * n for n in range(60)]
    assert "Overfitting" not in told(run(rising, {20: 2.2, 40: 2.4, 60: 2.6}), "warning")
    assert "rose from 1.00 to 2.09" in told(run(rising, {}), "error")


def test_a_run_that_learns_has_no_warnings() -> None:
    state = run(FALLING, {20: 2.5, 40: 2.2, 60: 2.0})
    assert told(state, "warning") == ""
    assert "falling" in told(state, "good")
    assert "newest of 3 evaluations is the best" in told(state, "good")


@pytest.mark.parametrize("losses", [[], [2.0], FALLING[:3]])
def test_with_few_points_nothing_is_claimed_of_the_trend(losses: list[float]) -> None:
    assert diagnose(run(losses, {})) == []


def test_an_evaluation_that_was_only_asked_for_is_not_judged() -> None:
    state = run([], {})
    state.apply(event("metrics", step=8, eval_loss=2.0, asked_for=True))
    assert diagnose(state) == []


def test_a_run_without_evaluation_says_so() -> None:
    assert "no evaluation" in told(run(FALLING, {}), "info", RunConfig(validation_split=0.0))


def test_an_interrupted_run_without_a_checkpoint_offers_no_resume(tmp_path: Path) -> None:
    state = run(FALLING, {})
    end = outcome(state, "interrupted", tmp_path)
    assert not end.can_resume
    assert not end.good
    assert "no checkpoint had been saved" in end.headline


def test_a_stopped_run_whose_best_model_was_kept_names_its_step(tmp_path: Path) -> None:
    state = run(FALLING, {})
    state.apply(event("progress", phase="training", done=60, total=100, unit="steps"))
    state.apply(
        event(
            "status",
            status="stopped",
            final_dir=str(tmp_path / "final"),
            final_step=40,
            checkpoint="checkpoints/checkpoint-60",
            checkpoint_step=60,
        )
    )
    end = outcome(state, "stopped", tmp_path)
    assert end.can_resume
    assert end.can_chat
    assert [label for label, _ in end.saved] == ["model of step 40", "checkpoint 60"]
    assert end.saved[1][1].endswith("checkpoints/checkpoint-60")


def test_a_run_stopped_before_its_first_step_offers_nothing_to_go_on_from(tmp_path: Path) -> None:
    state = RunState()
    state.apply(event("status", status="stopped", reason="stopped before the first step"))
    end = outcome(state, "stopped", tmp_path)
    assert not end.can_resume
    assert not end.can_chat
    assert end.saved == []


def test_paths_are_told_as_they_are_typed() -> None:
    here, home = Path("/home/ada/work"), Path("/home/ada")
    assert short_path("/home/ada/work/runs/a", here, home) == "runs/a"
    assert short_path("/home/ada/models/b", here, home) == "~/models/b"
    assert short_path("/data/c", here, home) == "/data/c"


def test_the_end_of_a_log_is_bounded_and_harmless(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(b"x" * (3 * MAX_BYTES) + b"\n" + b"10%\r50%\r100%\n\x1b[31mred\x1b[0m \x1b]0;t\x07\xff\n")
    assert tail_lines(log) == ["100%", "red ␛]0;t␇�"]
    assert tail_lines(tmp_path / "none.log") == []
