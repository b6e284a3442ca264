"""Runs beside each other, their names and notes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.app.fake_run import FakeRun, half_way
from tui_finetune.cli.main import main
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs.compare import compared, differing_settings, results
from tui_finetune.runs.lock import RunLock
from tui_finetune.runs.naming import create_run, new_run_path, rename_run
from tui_finetune.runs.registry import find_run, known_runs, note
from tui_finetune.tui.widgets.lines import Line, draw_lines


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def two(home: Path) -> tuple[FakeRun, FakeRun]:
    one = half_way(home / "runs" / "a-1", seed=1, learning_rate=1e-3)
    other = half_way(home / "runs" / "a-2", seed=2, learning_rate=2e-3, num_train_epochs=5.0)
    one.finish("stopped")
    other.finish("stopped")
    return one, other


def test_only_settings_that_differ_are_told(home: Path) -> None:
    runs = [compared(fake.run) for fake in two(home)]
    assert differing_settings(runs) == [("num_train_epochs", ["3", "5"]), ("learning_rate", ["0.001", "0.002"])]
    told = dict(results(runs))
    assert told["steps"] == ["360", "360"]
    assert sum("★" in value for value in told["best eval loss"]) == 1


def test_curves_run_along_steps_tokens_and_time(home: Path) -> None:
    run = compared(two(home)[0].run)
    curve = run.state.eval_losses
    assert run.along(curve, "step")[0] == [60.0, 120.0, 180.0, 240.0, 300.0, 360.0]
    assert run.along(curve, "tokens")[0] == [step * 3200.0 for step in curve.steps]
    seconds = run.along(curve, "time")[0]
    assert seconds == sorted(seconds)
    assert 20 < seconds[0] < 40


def test_the_command_prints_a_table_or_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two(home)
    assert main(["runs", "compare", "a-1", "a-2"]) == 0
    out = capsys.readouterr().out
    assert "best eval loss" in out
    assert re.search(r"learning_rate +0\.001 +0\.002", out)
    assert main(["runs", "compare", "a-1", "a-2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["learning_rate"] == {"a-1": "0.001", "a-2": "0.002"}
    assert [run["name"] for run in told["runs"]] == ["a-1", "a-2"]
    assert main(["runs", "compare", "a-1"]) == 2


def test_rename_moves_the_directory_and_is_known(home: Path) -> None:
    fake, other = two(home)
    note(fake.run)
    assert main(["runs", "rename", "a-1", "better"]) == 0
    assert find_run("better").path == home / "runs" / "better"
    assert find_run("better").final_dir.is_dir()
    assert "a-1" not in {run.name for run in known_runs()}
    for name in ("a-2", "no/slash", "..", ""):
        with pytest.raises(UserError):
            rename_run(find_run("better"), name)
    with RunLock(other.run.lock_path), pytest.raises(UserError):
        rename_run(other.run, "c")


def test_delete_asks_for_a_terminal_or_yes(home: Path) -> None:
    two(home)
    assert main(["runs", "delete", "a-1"]) == 2
    assert main(["runs", "delete", "a-1", "a-2", "--yes"]) == 0
    assert known_runs() == []


def test_a_new_run_takes_the_next_number_over_all_folders(home: Path, tmp_path: Path) -> None:
    config = RunConfig()
    first = create_run(config)
    note(first)
    elsewhere = new_run_path(config, tmp_path / "other")
    assert elsewhere == tmp_path / "other" / "runs" / "starter-sea-tales-2"


def test_a_name_that_two_runs_bear_is_refused_with_both_paths(home: Path, tmp_path: Path) -> None:
    for folder in (home, tmp_path / "other"):
        note(half_way(folder / "runs" / "a-1").run)
    with pytest.raises(UserError) as refused:
        find_run("a-1")
    assert str(home / "runs" / "a-1") in refused.value.message
    assert str(tmp_path / "other" / "runs" / "a-1") in refused.value.message
    assert find_run(str(home / "runs" / "a-1")).path == home / "runs" / "a-1"


def test_a_note_is_kept_with_the_run_and_deleted_with_it(home: Path) -> None:
    run = two(home)[0].run
    run.write_note("  lower rate, looks good\n")
    assert run.read_note() == "lower rate, looks good"
    run.write_note("")
    assert not run.note_path.exists()
    run.write_note("x")
    assert main(["runs", "delete", "a-1", "--yes"]) == 0
    assert not run.path.exists()


def test_lines_stand_where_their_values_are_and_end_in_their_letter() -> None:
    lines = [Line("A", [0, 10], [1.0, 3.0]), Line("B", [0, 10], [3.0, 1.0])]
    rows = draw_lines(lines, 40, 11).plain.splitlines()
    assert len(rows) == 11
    assert rows[0].startswith("      3┤")
    assert rows[9].startswith("      1┤")
    assert rows[0].rstrip().endswith("A")
    assert rows[9].rstrip().endswith("B")
    assert "⠀" not in rows[0]
    assert draw_lines(lines, 10, 2).plain == ""
    assert "(log)" in draw_lines([Line("", [0, 1], [1.0, 100.0])], 40, 8).plain
