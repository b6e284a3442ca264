"""Several data sets in one setting: every way to write them means the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui_finetune.config.data_parts import DataPart, parse_parts, write_parts
from tui_finetune.config.files import read_yaml, to_yaml
from tui_finetune.config.form import fill_form
from tui_finetune.config.mixture import configs_of, eval_configs_of
from tui_finetune.config.resolve import make_config, resolve
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training.paths import rooted
from tui_finetune.training.resume import determining

SAME = (
    "a/chat.jsonl=2, code.jsonl",
    "[{name: a/chat.jsonl, weight: 2}, code.jsonl]",
    [{"name": "a/chat.jsonl", "weight": 2}, "code.jsonl"],
    [{"path": "a/chat.jsonl", "weight": "2"}, {"dataset_name": "code.jsonl"}],
)


@pytest.mark.parametrize("value", SAME)
def test_ways_to_write_the_same(value: object) -> None:
    assert parse_parts(value) == (DataPart("a/chat.jsonl", 2.0), DataPart("code.jsonl"))
    config = make_config({"datasets": value})
    assert config.datasets == "a/chat.jsonl=2, code.jsonl"
    assert config.dataset_name == "chat + code"


@pytest.mark.parametrize("name", ["a, b.jsonl", "x=1.txt", "[odd].jsonl", "it's.txt", " spaced "])
def test_odd_names_are_read_back(name: str) -> None:
    parts = (DataPart(name.strip(), 0.3), DataPart("plain.txt", None, {"max_samples": 3}))
    assert parse_parts(write_parts(parts)) == parts


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{"weight": 1}], "datasets, entry 1 has no name"),
        (["a", {"name": "b", "kind": "x"}], "datasets, entry 2: there is no 'kind' of a data set"),
        (["a", 7], "datasets, entry 2: 7 is no data set"),
        ("a=0, b", "datasets, entry 1: weight: 0 is not allowed"),
        ("a=much, b", "weight: much is not allowed"),
        (7, "datasets: 7 is not allowed"),
        ("[a, b", "datasets"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make_config({"datasets": value})
    assert caught.value.setting == "datasets" or "[a, b" in str(value)


def test_each_has_the_settings_of_the_run_but_for_its_own() -> None:
    config = make_config(
        {"datasets": [{"name": "a", "format": "text", "text_field": "body"}, "b"], "max_samples": 9, "seed": 3}
    )
    (_, first), (_, second) = configs_of(config)
    assert (first.dataset_name, first.dataset_format, first.dataset_text_field) == ("a", "text", "body")
    assert (second.dataset_name, second.dataset_format, second.max_samples, second.seed) == ("b", "auto", 9, 3)
    wrong = make_config({"datasets": [{"name": "a", "format": "verse"}]})
    with pytest.raises(UserError, match="datasets, entry 1: dataset_format: 'verse' is not allowed"):
        configs_of(wrong)
    assert [own.dataset_name for _, own in eval_configs_of(make_config({"eval_dataset": "c, d"}))] == ["c", "d"]


def test_a_file_with_a_list_is_written_and_read_back(tmp_path: Path) -> None:
    config = make_config({"datasets": [{"name": "a", "format": "text"}, "b"], "eval_dataset": "c"})
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert "datasets: [{name: a, format: text}, {name: b}]" in path.read_text()
    assert make_config(read_yaml(path)) == config


def test_one_data_set_that_is_asked_for_later_takes_the_place_of_several() -> None:
    file: dict[str, object] = {"datasets": ["a", "b"]}
    assert resolve(file=file).config.dataset_name == "a + b"
    one = resolve({"dataset_name": "c"}, file).config
    assert (one.dataset_name, one.datasets) == ("c", None)
    assert fill_form({"datasets": "a, b"}, "default").resolved.config.dataset_name == "a + b"


def test_paths_are_rooted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    config = rooted(RunConfig(datasets="a.txt=2, owner/data", eval_dataset="a.txt"))
    assert config.datasets == f"{tmp_path}/a.txt=2, owner/data"
    assert config.eval_dataset == f"{tmp_path}/a.txt"
    assert config.dataset_name == "a + data"


def test_a_share_that_somebody_sets_is_kept_aside_whatever_the_data_brings() -> None:
    assert resolve().config.dataset_eval_split == "auto"
    assert resolve({"validation_split": "0.2"}).config.dataset_eval_split == "none"
    assert resolve({"validation_split": "0.2", "dataset_eval_split": "test"}).config.dataset_eval_split == "test"
    assert resolve(preset_name="tutorial").config.dataset_eval_split == "none"
    assert fill_form({"val_size": "0.2"}, "default").resolved.config.dataset_eval_split == "none"


def test_a_run_of_before_keeps_rows_of_its_own_data_aside(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("dataset_name: some/where\n")
    assert RunDirectory(tmp_path).read_config().dataset_eval_split == "none"


def test_what_determines_the_steps_names_the_way_of_mixing_and_no_paths() -> None:
    fixed = determining(RunConfig(datasets="a, b"))
    assert fixed["mix_strategy"] == "auto"
    assert not {"datasets", "eval_dataset", "dataset_name"} & set(fixed)
