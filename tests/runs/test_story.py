"""What happened in a run, in words."""

from __future__ import annotations

from tests.events import event
from tui_finetune.runs.state import RunState
from tui_finetune.runs.story import happened


def test_each_telling_event_has_its_line() -> None:
    state = RunState()
    state.apply_all(
        [
            event("status", status="starting", model="starter", dataset="tiny"),
            event("progress", phase="training", done=1, total=9, unit="steps"),
            event("metrics", step=0, eval_loss=3.9, before_training=True),
            event("metrics", step=4, loss=3.0),
            event("metrics", step=5, eval_loss=2.5),
            event("checkpoint", step=5, path="checkpoints/checkpoint-5", seconds=0.4, bytes=31_000_000, best=True),
            event("notice", level="warning", message="12 texts are cut off.", remedy="split them"),
            event("spike", step=7, loss=9.0, usual=2.0, rows=[4]),
            event("status", status="starting", resumed_from=5),
        ]
    )
    assert [line.words for line in state.story] == [
        "Started: starter on tiny.",
        "Evaluated before training: 3.9000.",
        "Evaluated at step 5: 2.5000.",
        "Saved step 5 in 0.4 s, 31.0 MB, the best so far.",
        "12 texts are cut off.",
        "The loss spiked at step 7: 9.00, where 2.00 is usual.",
        "Resuming from step 5.",
    ]
    assert [line.level for line in state.story][4:6] == ["warning", "warning"]


def test_a_failure_stands_out() -> None:
    line = happened(event("status", status="failed", reason="the disk is full"))
    assert line is not None
    assert (line.level, line.words) == ("error", "Failed: the disk is full.")
