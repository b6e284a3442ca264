"""Where runs and final models may go: what is somebody else's is never replaced (D3, D4)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs import places
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.naming import create_run


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    (tmp_path / "home" / "me" / "project").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "home" / "me" / "project")
    return tmp_path


@pytest.mark.parametrize("path", ["/", "~", "~/..", ".", "..", str(Path(__file__).parents[2] / "tui_finetune" / "run")])
@pytest.mark.parametrize("setting", ["output_dir", "final_model_dir"])
def test_root_home_and_the_folder_one_is_in_are_refused(path: str, setting: str) -> None:
    with pytest.raises(UserError) as caught:
        places.check_place(Path(path).expanduser().absolute(), setting)
    assert caught.value.setting == setting


@pytest.mark.parametrize(
    "final", ["R", ".", "R/checkpoints", "R/checkpoints/x", "R/control", "R/events.jsonl", "R/.hidden", "R/run.json"]
)
def test_d4_a_final_model_in_the_way_of_its_run_is_refused(final: str) -> None:
    config = RunConfig(output_dir="R", final_model_dir=str(Path(final).absolute()))
    with pytest.raises(UserError) as caught:
        create_run(config)
    assert caught.value.setting == "final_model_dir"
    assert not Path("R").exists()


def test_d3_a_folder_that_holds_anything_is_not_taken_for_a_final_model(place: Path) -> None:
    (place / "precious").mkdir()
    (place / "precious" / "thesis.tex").write_text("mine")
    run = create_run(RunConfig())
    for check in (places.check_final_free, places.claim):
        with pytest.raises(UserError, match="not empty"):
            check(place / "precious", run.path, run.id)
    (place / "link").symlink_to(place / "precious")
    with pytest.raises(UserError, match="no folder"):
        places.claim(place / "link", run.path, run.id)
    assert [path.name for path in (place / "precious").iterdir()] == ["thesis.tex"]


def test_d3_of_two_runs_with_one_place_for_their_models_one_is_refused(place: Path) -> None:
    runs = [create_run(RunConfig()) for _ in range(4)]
    ready, refused = threading.Barrier(4), []

    def work(run: RunDirectory) -> None:
        ready.wait()
        try:
            places.claim(place / "model", run.path, run.id)
        except UserError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=work, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    owner = places.read_claim(place / "model")[0]
    (mine,) = (run for run in runs if run.id == owner)
    places.claim(place / "model", mine.path, mine.id)  # it may come back
    for run in runs:
        places.release(place / "model", run.id)
    assert not (place / "model").exists()


def test_d3_what_somebody_put_beside_a_final_model_is_kept_when_it_is_replaced(place: Path) -> None:
    old, new = place / "old", place / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "model.safetensors").write_text(folder.name)
    places.sign(old, "id")
    (old / "notes.md").write_text("mine")
    places.sign(new, "id")
    places.keep_others(old, new)
    assert (new / "notes.md").read_text() == "mine"
    assert (new / "model.safetensors").read_text() == "new"


def test_a_run_of_a_newer_format_is_listed_and_not_continued(place: Path) -> None:
    run = create_run(RunConfig())
    run.marker_path.write_text('{"made_by": "finetune-tui", "format": 99, "id": "x"}')
    assert run.exists
    with pytest.raises(UserError, match="newer version"):
        run.mark()


def test_a_run_of_before_there_were_ids_gets_one_and_keeps_what_its_marker_says(place: Path) -> None:
    run = create_run(RunConfig())
    run.marker_path.write_text('{"made_by": "finetune-tui", "format": 1, "from_the_future": [1]}')
    run.mark()
    assert len(run.id) == 32
    assert '"from_the_future": [1]' in run.marker_path.read_text()
