"""`finetune-tui export` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.conftest import Train, train
from tui_finetune.cli import export
from tui_finetune.cli.main import main
from tui_finetune.export import targets

__all__ = ["train"]


@pytest.fixture
def run(train: Train, place: Path) -> Path:
    """A tiny run that has ended, named 'run'."""
    return train(max_steps=2).run.path


def test_lists_what_can_be_made_and_why_not(run: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "data.jsonl").rename(place / "elsewhere.jsonl")
    assert main(["export", str(run)]) == 0
    out = capsys.readouterr().out
    listed = [line.split()[0] for line in out.splitlines()[1:] if not line.startswith("note")]
    assert list(dict.fromkeys(listed)) == list(targets.TARGETS)
    assert "note: script, dataset: the data of the run is gone" in out


def test_makes_what_is_asked_for_beside_the_runs(run: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run-dataset", "run-dataset-2"):  # nothing is overwritten
        assert main(["export", str(run), "--to", "dataset"]) == 0
        assert (place / "exports" / name / "rows").is_dir()
    assert str(place / "exports" / "run-dataset-2") in capsys.readouterr().out


def test_the_folder_of_a_model_stands_for_its_run(run: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run / "final"), "--to", "hub", "--dry-run"]) == 0
    assert "to run;" in capsys.readouterr().out
    assert main(["export", str(run / "checkpoints" / "checkpoint-2"), "--to", "hub", "--dry-run"]) == 0
    assert "to run-step-2;" in capsys.readouterr().out
    assert main(["export", str(models / "llama")]) == 2
    assert "not the model of a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--to", "dataset", "--out", "data.jsonl"], "is there already"),
        (["--to", "dataset", "--type", "f16"], "takes no --type"),
        (["--checkpoint", "99"], "no checkpoint '99'"),
        (["--to", "nothing"], "invalid choice"),
    ],
)
def test_refuses(run: Path, arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), *arguments]) == 2
    assert error in capsys.readouterr().err


def test_the_names_are_those_of_the_targets() -> None:
    """They are written down once more, so that the command line loads none of them."""
    assert set(targets.TARGETS) <= set(export.NAMES)
