"""What is thought of a run must not cost how it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import RunResult
from tui_finetune.training import judging


def test_a_bug_in_a_verdict_leaves_the_result_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    run = RunDirectory(tmp_path / "run")
    run.create()
    result = RunResult("finished", step=3)
    assert judging.judged(result, run, RunConfig()).verdict is not None
    monkeypatch.setattr(judging, "judge", broken)
    assert judging.judged(result, run, RunConfig()) == result
