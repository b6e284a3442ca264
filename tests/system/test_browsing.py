"""Looking through directories, and what was used last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tui_finetune.system.browsing import list_directory, looks_like_path, shown_path, split_typed
from tui_finetune.tui.screens.dataset.recent import MAX_REMEMBERED, recent_data, remember_data


def test_a_listing_has_folders_and_the_files_asked_for_in_order_and_nothing_hidden(tmp_path: Path) -> None:
    for name in ("b", "A", ".git"):
        (tmp_path / name).mkdir()
    for name in ("z.txt", "a.txt", "a.bin", ".secret.txt"):
        (tmp_path / name).write_text("1234")
    os.symlink(tmp_path / "nowhere", tmp_path / "broken.txt")
    listing = list_directory(tmp_path, lambda name: name.endswith(".txt"))
    assert listing.folders == ("A", "b")
    assert listing.files == (("a.txt", 4), ("z.txt", 4))
    assert not listing.more


def test_a_large_directory_is_cut_and_says_so(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").touch()
    listing = list_directory(tmp_path, lambda name: True, limit=10)
    assert [name for name, _ in listing.files] == [f"{number:02}.txt" for number in range(10)]
    assert listing.more


def test_a_directory_that_is_not_there_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    listing = list_directory(tmp_path / "gone")
    assert listing.problem
    assert not listing.folders


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("./a/b", ("base/a", "./a/", "b")),
        ("..", ("base/..", "../", "")),
        ("/", ("/", "/", "")),
        ("./", ("base", "./", "")),
    ],
)
def test_a_typed_path_is_split_into_its_directory_and_the_beginning_of_a_name(
    text: str, expected: tuple[str, str, str], tmp_path: Path
) -> None:
    folder, shown, start = split_typed(text, tmp_path / "base")
    where = Path(expected[0]) if expected[0] == "/" else tmp_path / expected[0]
    assert (folder, shown, start) == (where, expected[1], expected[2])


def test_hub_names_are_not_taken_for_paths() -> None:
    assert not any(looks_like_path(name) for name in ("gpt2", "Qwen/Qwen3-0.6B", "stas/openwebtext-10k"))
    assert all(looks_like_path(name) for name in ("/", "./x", "../x", "~", "~/x", ".", ".."))


def test_a_path_is_shown_relative_below_here_and_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = tmp_path / "home" / "work"
    assert shown_path(here / "a.txt", here) == "./a.txt"
    assert shown_path(tmp_path / "home" / "b.txt", here) == "~/b.txt"
    assert shown_path(tmp_path / "c.txt", here) == str(tmp_path / "c.txt")


def test_what_was_used_last_comes_first_once_and_paths_are_kept_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    for name in ("a.txt", "org/data", "./a.txt"):
        remember_data(name)
    assert recent_data() == [str(tmp_path / "a.txt"), "org/data"]
    for number in range(2 * MAX_REMEMBERED):
        remember_data(f"org/data-{number}")
    assert len(recent_data()) == MAX_REMEMBERED
    assert recent_data()[0] == f"org/data-{2 * MAX_REMEMBERED - 1}"


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"data": 3}', '{"data": [1, null, ""]}'])
def test_a_damaged_memory_is_an_empty_one(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path))
    (tmp_path / "recent.json").write_text(content)
    assert recent_data() == []
    remember_data("org/data")
    assert recent_data() == ["org/data"]


def test_nothing_is_remembered_and_nothing_fails_where_the_state_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "file" / "state"))
    remember_data("org/data")
    assert recent_data() == []
