"""A model's name becomes a folder and a revision once, and one request to the hub is all that a start needs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.hub import Hub, commit_of
from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.config.resolve import resolve
from tui_finetune.errors import UserError
from tui_finetune.models.located import LocatedModel, find_local, locate, named_folder
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.starter.paths import MODEL

NAME = "PingVortex/VLM-1"
OLD_COMMIT = "0" * 40


class Place(NamedTuple):
    """A hub with one model, and a home with nothing downloaded yet but the training data."""

    hub: Hub
    model: Path
    home: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the program there."""
        return subprocess.run(
            [sys.executable, "-m", "tui_finetune", *arguments],
            env=self.hub.environment(self.home, **environment),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def train(self, *more: str) -> subprocess.CompletedProcess[str]:
        """Train the model for a step."""
        return self.run(
            "train", "--model", NAME, "--dataset", "data.jsonl", "--max_steps", "1", "--save_steps", "1",
            "--save_strategy", "steps", *more,
        )  # fmt: skip

    def locate(self, revision: str | None = None, **options: bool) -> Mapping[str, str]:
        """What `locate` gives in a process of its own, or the error."""
        code = f"""
import json
from tui_finetune.errors import UserError
from tui_finetune.models.located import locate
try:
    found = locate({NAME!r}, {revision!r}, **{options!r})
    print(json.dumps({{"folder": str(found.folder), "revision": found.revision}}))
except UserError as error:
    print(json.dumps({{"error": error.message, "setting": error.setting}}))
"""
        process = self.hub.run(code, self.home)
        assert process.returncode == 0, process.stderr
        found: dict[str, str] = json.loads(process.stdout)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    model = make_model(tmp_path / "model")
    home = tmp_path / "home"
    home.mkdir()
    write_jsonl(home / "data.jsonl", sentences(40))
    with Hub({NAME: model}) as hub:
        yield Place(hub, model, home)


def test_names_are_folders_the_starter_or_models_on_the_hub(tmp_path: Path) -> None:
    assert named_folder("starter") == MODEL
    assert named_folder(str(tmp_path)) == tmp_path
    assert named_folder("Qwen/Qwen3-0.6B") is None
    assert find_local("nobody/nothing") is None
    assert locate("starter") == LocatedModel("starter", MODEL, None)


@pytest.mark.parametrize("name", ["/no/such/place", "./nothing", "~nobody/x/y", "a/b/c", "two words", "%", "a" * 200])
def test_what_can_not_be_a_model_is_refused_at_its_setting(name: str) -> None:
    with pytest.raises(UserError) as caught:
        named_folder(name)
    assert caught.value.setting == "model_name_or_path"
    assert caught.value.remedy


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_text("")
    with pytest.raises(UserError, match="is a file"):
        named_folder(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("name", ["starter", "."])
def test_only_models_on_the_hub_have_revisions(name: str) -> None:
    with pytest.raises(UserError, match="only models there have revisions") as caught:
        locate(name, "v1")
    assert caught.value.setting == "model_revision"


@pytest.mark.parametrize("revision", ["../../elsewhere", "", "-", "two words"])
def test_what_can_not_be_a_revision_is_refused(revision: str) -> None:
    with pytest.raises(UserError, match="can't be a revision"):
        locate("some/model", revision)


def test_the_revision_of_another_model_is_not_taken_over() -> None:
    pinned = {"model": "some/model", "revision": "v1"}
    assert resolve(file=pinned).config.model_revision == "v1"
    assert resolve(file=pinned, flags={"model": "some/model"}).config.model_revision == "v1"
    assert resolve(file=pinned, flags={"model": "starter"}).config.model_revision is None
    assert resolve(file=pinned, flags={"model": "other/model", "revision": "v2"}).config.model_revision == "v2"


def test_a_start_with_a_model_in_the_cache_asks_the_hub_once_and_writes_down_what_it_used(place: Place) -> None:
    first = place.train()
    assert first.returncode == 0, first.stderr
    place.hub.requests.clear()
    second = place.train()
    assert second.returncode == 0, second.stderr
    assert len(place.hub.requests) == 1, place.hub.requests
    run = RunDirectory(next(iter(sorted((place.home / "runs").glob("*-2")))))
    assert run.read_config().model_revision == commit_of(place.model)
    saved = checkpoints.committed(run.checkpoints_dir)[-1]
    assert checkpoints.read_manifest(saved).facts["model_revision"] == commit_of(place.model)


def test_a_run_is_resumed_with_the_weights_it_began_with_and_without_the_hub(place: Place) -> None:
    assert place.train().returncode == 0
    began_with = commit_of(place.model)
    (place.model / "README.md").write_text("a newer version")
    place.hub.requests.clear()
    resumed = place.run("resume", "--max_steps", "2")
    assert resumed.returncode == 0, resumed.stderr
    assert place.hub.requests == []
    place.hub.close()
    assert place.run("resume", "--max_steps", "3").returncode == 0
    run = RunDirectory(next((place.home / "runs").iterdir()))
    assert run.read_config().model_revision == began_with


def test_a_pinned_revision_stays_while_the_branch_moves_on(place: Place) -> None:
    before = place.locate()
    assert before["revision"] == commit_of(place.model)
    (place.model / "README.md").write_text("a newer version")
    assert place.locate(newest=False) == before
    newer = place.locate()
    assert newer["revision"] == commit_of(place.model) != before["revision"]
    place.hub.requests.clear()
    assert place.locate(before["revision"]) == before
    assert place.hub.requests == []
    place.hub.close()
    assert place.locate("main") == newer


def test_a_revision_that_is_not_there_is_refused_at_its_setting(place: Place) -> None:
    for revision in ("v7", OLD_COMMIT):
        refused = place.locate(revision)
        assert f"has no revision '{revision}'" in refused["error"]
        assert refused["setting"] == "model_revision"


def test_only_what_is_missing_of_a_commit_is_downloaded(place: Place) -> None:
    small = place.locate(weights=False)
    assert not (Path(small["folder"]) / "model.safetensors").exists()
    shutil.rmtree(Path(small["folder"]).parents[1] / "refs")
    place.hub.requests.clear()
    whole = place.locate(small["revision"])
    assert whole == small
    assert [r for r in place.hub.requests if r.startswith("GET") and "/resolve/" in r and "safetensors" not in r] == []
