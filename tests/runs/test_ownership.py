"""A run owns what it made and nothing else: the entries of that kind among what attacking the program showed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.events import line
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.control import take, waiting
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.naming import create_run
from tui_finetune.runs.registry import known_runs
from tui_finetune.runs.removal import delete_run, discard_run
from tui_finetune.runs.summary import summarize

BEGUN = {"time": 1.0, "type": "status", "status": "starting"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def foreign(place: Path) -> Path:
    """A folder of somebody's, with names in it as a run has them."""
    folder = place / "thesis"
    for name in ("checkpoints/checkpoint-500", "final", "control", ".final-notes"):
        (folder / name).mkdir(parents=True)
        (folder / name / "chapter.json").write_text("{}")
    (folder / "train.log").write_text("mine")
    return folder


def test_d1_a_new_run_in_a_folder_that_holds_anything_is_refused(foreign: Path) -> None:
    before = files_below(foreign)
    with pytest.raises(UserError, match="already exists and is not a run") as caught:
        RunDirectory(foreign).create()
    assert caught.value.setting == "output_dir"
    assert files_below(foreign) == before


def test_d2_a_failed_start_leaves_a_foreign_folder_as_it_was(foreign: Path) -> None:
    before = files_below(foreign)
    with pytest.raises(UserError):
        create_run(RunConfig(output_dir=str(foreign)))
    assert files_below(foreign) == before


@pytest.mark.parametrize("name", ["file.txt", "link"])
def test_d1_neither_a_file_nor_a_link_becomes_a_run(place: Path, name: str) -> None:
    (place / "file.txt").write_text("mine")
    (place / "link").symlink_to(place / "nowhere")
    with pytest.raises(UserError, match="already exists"):
        RunDirectory(place / name).create()


def test_d8_what_only_looks_like_a_run_is_neither_listed_nor_deleted(place: Path) -> None:
    other = place / "runs" / "experiment"
    other.mkdir(parents=True)
    (other / "config.yaml").write_text("model_name_or_path: starter\n")
    (other / "events.jsonl").write_text('{"click": 1}\n')
    before = files_below(other)
    assert known_runs() == []
    with pytest.raises(UserError, match="is no run"):
        delete_run(RunDirectory(other))
    assert files_below(other) == before


def test_d8_what_else_lies_in_a_run_survives_its_deletion(place: Path) -> None:
    run = RunDirectory(place / "runs" / "one")
    run.create()
    run.write_config(RunConfig())
    (run.path / "notes.md").write_text("mine")
    delete_run(run)
    assert files_below(run.path) == {"notes.md": b"mine"}
    assert not run.exists


def test_a_run_of_before_there_were_markers_is_a_run(place: Path) -> None:
    run = RunDirectory(place / "runs" / "old")
    run.create()
    run.events_path.write_bytes(line(BEGUN))
    run.marker_path.unlink()
    assert run.exists
    assert [known.name for known in known_runs()] == ["old"]
    delete_run(run)
    assert not run.path.exists()


def test_a_run_that_never_took_a_step_leaves_nothing(place: Path) -> None:
    run = RunDirectory(place / "runs" / "one")
    run.create()
    run.write_config(RunConfig())
    run.events_path.write_bytes(line(BEGUN))
    discard_run(run)
    assert not run.path.exists()


@pytest.mark.parametrize("part", ["events.jsonl", "train.log", "control", "checkpoints", "run.lock", "config.yaml"])
def test_s1_a_part_of_a_run_that_is_a_link_is_refused(place: Path, part: str) -> None:
    run = RunDirectory(place / "run")
    run.create()
    path = run.path / part
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(place / "elsewhere")
    with pytest.raises(UserError, match="is a link"):
        run.refuse_links()


def test_c2_a_setting_of_a_newer_version_harms_nothing(place: Path) -> None:
    run = RunDirectory(place / "runs" / "new")
    run.create()
    run.config_path.write_text("dataset_name: tales\nfrom_the_future: {deep: [1, 2]}\n")
    run.events_path.write_bytes(line(BEGUN))
    assert run.read_config().dataset_name == "tales"
    assert summarize(run).dataset == "tales"


def test_c2_a_setting_of_a_newer_version_is_kept_when_the_configuration_is_written_again(place: Path) -> None:
    run = RunDirectory(place / "runs" / "new")
    run.create()
    run.config_path.write_text("dataset_name: tales\nfrom_the_future: {deep: [1, 2]}\n")
    assert run.unknown_settings() == {"from_the_future": {"deep": [1, 2]}}
    run.write_config(run.read_config())
    assert run.unknown_settings() == {"from_the_future": {"deep": [1, 2]}}
    assert run.read_config().dataset_name == "tales"


def test_s1_a_checkpoint_that_is_a_link_is_neither_used_nor_deleted(place: Path) -> None:
    run = RunDirectory(place / "run")
    run.create()
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / checkpoints.MANIFEST).write_text("{}")
    (run.checkpoints_dir / "checkpoint-1").symlink_to(place / "elsewhere")
    for step in (2, 3, 4):
        (run.checkpoints_dir / f"checkpoint-{step}").mkdir()
        (run.checkpoints_dir / f"checkpoint-{step}" / checkpoints.MANIFEST).write_text("{}")
    checkpoints.prune(run.checkpoints_dir, 2, None)
    assert [checkpoints.step_of(path) for path in checkpoints.committed(run.checkpoints_dir)] == [3, 4]
    assert checkpoints.uncommitted(run.checkpoints_dir) == []
    delete_run(run)
    assert not run.exists
    assert (place / "elsewhere" / checkpoints.MANIFEST).read_text() == "{}"


_AS_NOBODY = """
import os
import tui_finetune.config.resolve, tui_finetune.config.schema, yaml
from tui_finetune.runs.registry import find_run, known_runs
from tui_finetune.runs.summary import summarize
os.setgid(65534); os.setuid(65534)
print([(run.name, summarize(run).status) for run in known_runs()], find_run(None).name)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="takes another user")
def test_c3_a_run_of_another_user_is_named_and_stumbled_over_by_nobody(place: Path) -> None:
    for folder in (place, *place.parents[:3]):
        folder.chmod(0o755)
    for name in ("mine", "theirs"):
        run = RunDirectory(place / "runs" / name)
        run.create()
        run.events_path.write_bytes(line(BEGUN))
        os.utime(run.events_path, (1, 1 if name == "mine" else 2))
    place.joinpath("runs").chmod(0o755)
    for path in (place / "runs" / "mine", *(place / "runs" / "mine").rglob("*")):
        os.chown(path, 65534, 65534)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "HOME": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    if "Permission denied" in done.stderr and str(root) in done.stderr:
        pytest.skip("this checkout can't be read by another user")
    assert done.stdout.strip() == "[('mine', 'interrupted'), ('theirs', 'not readable')] mine", done.stderr


@pytest.mark.parametrize("kind", ["pipe", "link to a device", "directory", "huge", "surrogate"])
def test_c6_what_lies_in_a_control_directory_holds_nothing_up(place: Path, kind: str) -> None:
    run = RunDirectory(place / "run")
    run.create()
    path = run.control_dir / "0.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    elif kind == "huge":
        path.write_text('{"action": "sample", "prompt": "' + "x" * 100_000 + '"}')
    else:
        path.write_text('{"action": "sample", "prompt": "\\ud800 hello"}')
    run.request("save")
    assert waiting(run.control_dir, "save")
    taken = take(run.control_dir)
    assert [request.action for request in taken] == (["sample", "save"] if kind == "surrogate" else ["save"])
    assert taken[0].text("prompt").encode() == (b"? hello" if kind == "surrogate" else b"")


def test_c8_runs_that_are_made_at_once_take_the_next_free_names(place: Path) -> None:
    made: list[str] = []
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        made.append(create_run(RunConfig()).name)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(f"starter-sea-tales-{number}" for number in range(1, 9))
