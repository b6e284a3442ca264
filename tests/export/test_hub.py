"""Uploads to a small hub on the loopback: what arrives, who may see it, and what goes wrong."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hub import Hub
from tests.training.conftest import Train, Trained
from tui_finetune.export.hub import HubExport
from tui_finetune.export.subject import subject_of
from tui_finetune.export.target import export_to

TOKEN = "hf_thetokenthatnobodymaysee"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as served:
        yield served


@pytest.fixture
def trained(train: Train) -> Trained:
    return train(max_steps=1)


def exported(hub: Hub, trained: Trained, *more: str) -> subprocess.CompletedProcess[str]:
    """Run `finetune-tui export --to hub` in a process that knows this hub."""
    arguments = ["export", str(trained.run.path), "--to", "hub", *more]
    code = f"import sys; from tui_finetune.cli.main import main; sys.exit(main({arguments!r}))"
    home = trained.run.path.parent / "home"
    return hub.run(code, home, HF_TOKEN=TOKEN, HF_HUB_DISABLE_XET="1")


def test_a_model_arrives_private_with_a_card_and_nothing_else(hub: Hub, trained: Trained) -> None:
    (trained.run.final_dir / "notes.txt").write_text("mine")
    (trained.run.final_dir / ".secret").write_text("mine")
    done = exported(hub, trained, "--repo", "me/tiny")
    assert done.returncode == 0, done.stderr
    files = hub.uploads.repositories["me/tiny"]
    assert hub.uploads.private["me/tiny"]
    assert set(files) == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "README.md", "training_plot.png",
    }  # fmt: skip
    assert files["model.safetensors"] == (trained.run.final_dir / "model.safetensors").read_bytes()
    card = files["README.md"].decode()
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "transformers"
    assert front["pipeline_tag"] == "text-generation"
    assert 'folder = "me/tiny"' in card
    assert f"{hub.url}/me/tiny" in done.stdout
    assert "vllm serve me/tiny" in done.stdout
    told = done.stdout + done.stderr + "".join(p.read_text() for p in trained.run.path.rglob("*.yaml"))
    assert TOKEN not in told


def test_nothing_on_the_hub_is_overwritten(hub: Hub, trained: Trained) -> None:
    hub.uploads.repositories["me/tiny"], hub.uploads.private["me/tiny"] = {"model.safetensors": b"old"}, True
    done = exported(hub, trained, "--repo", "tiny")
    assert done.returncode == 2
    assert done.stderr.startswith("error: me/tiny is there already, and not empty")
    assert hub.uploads.repositories["me/tiny"] == {"model.safetensors": b"old"}


def test_an_upload_that_is_cut_off_goes_on(hub: Hub, trained: Trained) -> None:
    hub.cut = 1
    done = exported(hub, trained, "--repo", "me/tiny", "--public")
    assert done.returncode == 0, done.stderr
    assert not hub.uploads.private["me/tiny"]
    assert "model.safetensors" in hub.uploads.repositories["me/tiny"]
    assert sum(request.startswith("PUT") for request in hub.requests) >= 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("login", "error: the hub asks who you are"),
        ("gated", "error: this login may not write to me/tiny"),
        ("missing", "error: there is no owner of that name"),
        ("broken", "error: the hub has a problem of its own"),
    ],
)
def test_each_fault_is_said_plainly(hub: Hub, place: Path, fault: str, said: str) -> None:
    code = f"""
from pathlib import Path
from tui_finetune.errors import UserError
from tui_finetune.export.hub import upload
Path("config.json").write_text("{{}}")
try:
    upload("me/tiny", [Path("config.json")], private=True, report=lambda *_: None, patience={0.5 if fault == "slow" else 30})
except UserError as error:
    print("error:", error.message)
    assert error.remedy
"""
    hub.fault = fault
    done = hub.run(code, place / "home", HF_TOKEN=TOKEN, HF_HUB_DISABLE_XET="1")
    assert said in done.stdout, done.stderr


def test_a_hub_that_is_slow_can_be_left_and_is_given_up(hub: Hub, place: Path) -> None:
    code = """
import time
from pathlib import Path
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.export.hub import upload
Path("config.json").write_text("{}")
def cancel(*_): raise Cancelled
for report, patience in ((cancel, 30), (lambda *_: None, 0.5)):
    began = time.monotonic()
    try:
        upload("me/tiny", [Path("config.json")], private=True, report=report, patience=patience)
    except (Cancelled, UserError) as error:
        print(type(error).__name__, time.monotonic() - began < 5)
import os; os._exit(0)
"""
    hub.fault = "slow"
    done = hub.run(code, place / "home", HF_TOKEN=TOKEN, HF_HUB_DISABLE_XET="1")
    assert done.stdout.split("\n")[:2] == ["Cancelled True", "UserError True"], done.stderr


def test_a_dry_run_lists_the_files_and_asks_nobody(trained: Trained, place: Path) -> None:
    made = export_to(HubExport(repo="me/tiny", dry_run=True), subject_of(trained.run), None, lambda *_: None)
    assert made.place.startswith("would upload 7 files")
    assert any(note.startswith("model.safetensors  ") for note in made.notes)
    assert not (place / "exports").exists() or not any((place / "exports").iterdir())


def test_an_adapter_whose_base_nobody_else_has_is_uploaded_whole(trained: Trained, models: Path, place: Path) -> None:
    from tests.export.test_merged import with_adapter
    from tui_finetune.models.located import locate

    shutil.copytree(models / "llama", place / "base")
    subject: Any = with_adapter(trained, locate(str(place / "base")))
    made = export_to(HubExport(repo="me/tiny", dry_run=True), subject, None, lambda *_: None)
    assert any("adapter merged" in note for note in made.notes)
    assert any(note.startswith("model.safetensors  ") for note in made.notes)
    assert not any("adapter_config.json" in note for note in made.notes)
