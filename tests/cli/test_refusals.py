"""What can't be done is said in two lines, by a dry run as by the run itself; never a traceback."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tui_finetune.cli.main import main

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command that must be refused, and give what it said."""

    def run(*arguments: str) -> str:
        assert main(list(arguments)) == 2, arguments
        said = capsys.readouterr().err
        lines = said.splitlines()
        assert [line.split(":")[0] for line in lines] == ["error", "hint"], said
        assert len(lines[1]) > len("hint: "), said
        return said

    return run


@pytest.fixture
def model(place: Path, models: Path) -> Path:
    """A copy of the tiny model, to be spoiled."""
    return Path(shutil.copytree(models / "llama", place / "model"))


@pytest.fixture
def dry(refused: Refused, place: Path, models: Path) -> Iterator[Refused]:
    """A dry run with these settings, which it must refuse, and leave nothing."""
    before = sorted(place.rglob("*"))

    def run(*arguments: str) -> str:
        usual = ["--dataset", "data.jsonl", "--max_steps", "1", *arguments]
        if not any(word == "--model" for word in arguments):
            usual += ["--model", str(models / "llama")]
        return refused("train", "--dry-run", *usual)

    yield run
    assert [
        path for path in sorted(place.rglob("*")) if path not in before and not {"state", "cache"} & set(path.parts)
    ] == []


WITHOUT = next((name for name in ("mlflow", "wandb", "trackio") if importlib.util.find_spec(name) is None), "")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("--output_dir", "/etc/passwd"), "/etc/passwd"),
        (("--output_dir", "/proc/x"), "/proc/x"),
        (("--output_dir", "a\0b"), "NUL"),
        (("--output_dir", "~nosuchuser/x"), "there is no user 'nosuchuser'"),
        (("--output_dir", "a" * 300), "too long"),
        (("--notify_command", "no-such-program-here"), "no-such-program-here"),
        (("--use_liger_kernel",), "Liger"),
        (("--attn_implementation", "flash_attention_2"), "FlashAttention"),
        (("--final_model_dir", "/"), "final_model_dir"),
    ],
)
def test_a_dry_run_refuses_whatever_the_run_would(settings: tuple[str, ...], words: str, dry: Refused) -> None:
    assert words in dry(*settings)


@pytest.mark.skipif(not WITHOUT, reason="every tracker is installed")
def test_a_dry_run_refuses_a_tracker_that_is_missing(dry: Refused) -> None:
    assert f"the package {WITHOUT} is not installed" in dry("--report_to", WITHOUT)


def spoil(model: Path, **values: object) -> None:
    path = model / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_size": "big"},
        {"num_attention_heads": 7},
        {"dtype": "float99"},
        {"vocab_size": -5},
        {"architectures": ["BertModel"], "model_type": "bert"},
    ],
    ids="-".join,
)
def test_impossible_values_in_a_model_are_refused_by_a_dry_run(
    values: dict[str, object], model: Path, refused: Refused, place: Path
) -> None:
    spoil(model, **values)
    for command in (["estimate"], ["train", "--dry-run"]):
        refused(*command, "--model", str(model), "--dataset", "data.jsonl")


def test_a_model_that_could_not_be_saved_is_mended_before_a_dry_run_says_yes(
    model: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "generation_config.json").write_text(json.dumps({"do_sample": False, "temperature": 0.7}))
    arguments = ["train", "--model", str(model), "--dataset", "data.jsonl", "--max_steps", "1", "--eval_strategy", "no"]
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["preview"], ["chat", "--prompt", "hi"], ["resume"], ["stop"], ["attach"]])
@pytest.mark.parametrize("name", ["~nosuchuser/x", "/" + "b" * 300, "a\0b"], ids=["user", "long", "nul"])
def test_names_that_can_be_no_paths(command: list[str], name: str, refused: Refused, place: Path) -> None:
    refused(command[0], name, *command[1:])


def test_what_is_no_file_is_named_as_what_it_is(place: Path, refused: Refused) -> None:
    os.mkfifo(place / "pipe.jsonl")
    (place / "link.jsonl").symlink_to(place / "nowhere")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s.jsonl")
        for name, words in (
            ("pipe.jsonl", "a pipe"),
            ("link.jsonl", "a link"),
            ("s.jsonl", "a socket"),
            ("/dev/zero", "device"),
        ):
            said = refused("preview", name)
            assert words in said
            assert "did you mean" not in said


def test_rows_and_settings_that_no_reader_takes(place: Path, refused: Refused, models: Path) -> None:
    (place / "keys.jsonl").write_text('{"\\ud800": 1, "\\udfff": 2}\n')
    refused("preview", "keys.jsonl")
    (place / "long.yaml").write_text(f"max_steps: {'9' * 4000}\n")
    refused("train", "long.yaml", "--dry-run")
    (place / "head.csv").write_bytes(b"te\0xt,b\n1,2\n")
    assert "disk" not in refused("preview", "head.csv", "--dataset_text_field", "nothing")
