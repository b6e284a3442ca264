"""What is typed to search the hub, and folders that are remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import make_model
from tui_finetune.models.catalog import list_models
from tui_finetune.models.hub_query import HubQuery, license_of, parameters_of
from tui_finetune.models.recent import recent_folders, remember_folder

SMALL = {"id": "a/small", "gated": False, "safetensors": {"total": 135_000_000}, "tags": ["license:apache-2.0"]}
GATED = {"id": "b/gated", "gated": "manual", "safetensors": {"total": 8_000_000_000}, "tags": ["license:llama3"]}
BARE = {"id": "c/bare"}


def test_words_and_filters_are_told_apart() -> None:
    query = HubQuery.read("qwen chat <1.5b >100m license:Apache-2.0 open")
    assert query == HubQuery("qwen chat", "apache-2.0", True, 1e8, 1.5e9)
    assert ("search", "qwen chat") in query.parameters
    assert ("filter", "license:apache-2.0") in query.parameters
    assert ("gated", "false") in query.parameters
    assert HubQuery.read("gpt2").parameters.count(("gated", "false")) == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x", ["a/small", "b/gated", "c/bare"]),
        ("x <1b", ["a/small"]),
        ("x >1b", ["b/gated"]),
        ("x open", ["a/small", "c/bare"]),
        ("x license:llama3", ["b/gated", "c/bare"]),
    ],
)
def test_filters_take_what_they_say(text: str, names: list[str]) -> None:
    assert [str(item["id"]) for item in (SMALL, GATED, BARE) if HubQuery.read(text).fits(item)] == names


def test_what_the_hub_tells_is_read() -> None:
    assert license_of(GATED) == "llama3"
    assert parameters_of(SMALL) == 135_000_000
    assert license_of({"tags": "x"}) == ""
    assert parameters_of({"safetensors": {"total": "many"}}) is None


def test_folders_that_were_chosen_are_in_the_list_as_long_as_they_hold_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    far, usual = make_model(tmp_path / "far" / "mine"), make_model(tmp_path / "home" / "models" / "tiny")
    (tmp_path / "work").mkdir()
    remember_folder(str(far))
    remember_folder(str(tmp_path / "nothing"))
    assert recent_folders() == [far]
    found = {entry.name: entry for entry in list_models(tmp_path / "work")}
    assert found[str(far)].path == far
    assert found["~/models/tiny"].path == usual
    (far / "config.json").unlink()
    assert recent_folders() == []
