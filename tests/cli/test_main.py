"""The command line: what it loads, what it takes, what it refuses."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from tui_finetune.cli.flags import given_settings, resolved_from
from tui_finetune.cli.main import build_parser, commands, main
from tui_finetune.config.flags import resume_command
from tui_finetune.config.resolve import resolve
from tui_finetune.config.schema import settings

HEAVY = ("torch", "transformers", "datasets", "textual", "numpy", "matplotlib", "huggingface_hub")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def parsed(*arguments: str) -> Namespace:
    return build_parser().parse_args(arguments)


@pytest.mark.parametrize(
    "module", ["tui_finetune.cli.main", "tui_finetune.config.schema", "tui_finetune.cli.train", "tui_finetune.cli.chat"]
)
def test_the_front_door_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_list_of_runs_and_a_refusal_load_nothing_heavy(place: Path) -> None:
    code = (
        "import sys\nfrom tui_finetune.cli.main import main\n"
        "for words in (['runs'], ['train', '--lr', 'fast'], ['train', '--dataset', 'gone.txt'], ['stop']):\n    main(words)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=place)
    assert done.stdout.splitlines()[-1] == "[]"


# Settings as flags


@pytest.mark.parametrize("command", [["train"], ["preview", "data.txt"], ["estimate"]])
def test_every_setting_and_alias_is_a_flag_in_both_spellings(command: list[str]) -> None:
    parser = build_parser()
    for key, item in settings().items():
        for name in (key, *item.aliases):
            for spelling in {f"--{name}", f"--{name.replace('_', '-')}"}:
                assert given_settings(parser.parse_args([*command, spelling, "7"])) == {key: "7"}, spelling


def test_a_switch_may_stand_alone() -> None:
    parser = build_parser()
    for key, item in settings().items():
        if item.kind == "bool":
            assert given_settings(parser.parse_args(["train", f"--{key}"])) == {key: "true"}
            assert given_settings(parser.parse_args(["train", f"--{key}", "false"])) == {key: "false"}


def test_what_is_written_as_flags_is_read_back_the_same() -> None:
    changes = {
        "model_name_or_path": "a b/c'd",
        "max_length": None,
        "packing": False,
        "learning_rate": 0.00012345678,
        "num_train_epochs": 6.0,
        "per_device_train_batch_size": 4,
        "eval_strategy": "no",
    }
    words = shlex.split(resume_command("run-1", changes))
    assert words[:3] == ["finetune-tui", "resume", "run-1"]
    arguments = parsed(*words[1:])
    assert arguments.run == "run-1"
    assert resolve(given_settings(arguments)).config == resolve(changes).config
    assert resume_command("run-1", {"num_train_epochs": 6.0}) == "finetune-tui resume run-1 --num_train_epochs 6"


def test_flags_beat_the_file_the_file_the_preset_and_that_the_model(place: Path) -> None:
    model = place / "model"
    model.mkdir()
    (model / "finetune-tui.yaml").write_text("learning_rate: 0.001\nmax_length: 32\nlogging_steps: 3\nseed: 9\n")
    (place / "run.yaml").write_text("preset: tutorial\nmodel: ./model\nlogging_steps: 4\nweight_decay: 0.5\n")

    def value(key: str, *arguments: str) -> tuple[Any, str]:
        resolved = resolved_from(parsed("train", "run.yaml", *arguments))
        return getattr(resolved.config, key), resolved.origin(key)

    assert value("seed", "--preset", "default") == (9, "model")
    assert value("max_length") == (512, "preset tutorial")
    assert value("logging_steps") == (4, "file")
    assert value("weight_decay", "--weight-decay", "0.25") == (0.25, "flag")
    assert value("max_length", "--preset", "default") == (32, "model")
    assert value("per_device_eval_batch_size", "--preset", "default")[1] == "default"


def test_an_empty_config_is_all_defaults(place: Path) -> None:
    (place / "empty.yaml").write_text("# nothing\n")
    assert resolved_from(parsed("train", "empty.yaml")).config == resolved_from(parsed("train")).config


# Refusals


@pytest.mark.parametrize(
    ("arguments", "cause", "remedy"),
    [
        (["trian"], "'trian'", "finetune-tui train"),
        (["train", "--learning_rte", "1"], "'learning_rte'", "did you mean 'learning_rate'?"),
        (["train", "--learning_rate", "-1"], "learning_rate", "above 0"),
        (["train", "--learning_rate"], "--learning", "--help"),
        (["train", "--preset", "nice"], "nice", ""),
        (["train", "a.yaml", "b.yaml"], "b.yaml", "--help"),
        (["train", "gone.yaml"], "gone.yaml", "path"),
        (["train", "--dataset", "./gone.txt"], "gone.txt", ""),
        (["train", "--model", "./gone"], "gone", ""),
        (["resume"], "no runs", "finetune-tui train"),
        (["resume", "gone"], "gone", "finetune-tui runs"),
        (["stop"], "no runs", ""),
        (["attach", "gone"], "gone", ""),
        (["chat", "./gone"], "gone", ""),
        (["chat", "starter", "--temperature", "warm"], "warm", ""),
        (["chat", "starter", "--temperature", "-1"], "temperature", ""),
        (["preview"], "DATASET", ""),
        (["preview", "./gone.txt"], "gone.txt", ""),
        (["runs", "--jsonn"], "--jsonn", ""),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_hint(
    arguments: list[str], cause: str, remedy: str, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], said.err
    assert cause in lines[0]
    assert remedy in lines[1]
    assert list(place.iterdir()) == []


def test_text_from_outside_is_printed_harmless(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    evil = "a\x1b]52;c;RVZJTA==\x07\x9b31m\nb\u202e"
    (place / "evil.yaml").write_text(json.dumps({evil: 1}))
    for arguments in (["train", "evil.yaml"], ["train", evil], ["train", f"--{evil}", "1"], ["resume", evil], [evil]):
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert len(said.err.splitlines()) == 2, arguments
        assert not set("\x1b\x07\x9b\u202e") & set(said.out + said.err)


# Small commands


def test_no_runs_are_said_and_listed_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert "no runs yet" in capsys.readouterr().out
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("finetune-tui ")


def test_help_names_every_command_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    for command in commands():
        assert f" {command} " in told
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = capsys.readouterr().out
    for key in settings():
        assert f"--{key}" in told


def test_doctor_names_each_problem_with_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui_finetune.cli import doctor
    from tui_finetune.models import devices

    facts = devices.DeviceFacts(name="CPU", kind="cpu", total=16 * 10**9, free=12 * 10**9, count=2, bf16_good=False)
    monkeypatch.setattr(devices, "device_facts", lambda: facts)
    monkeypatch.setattr(doctor, "LOW_DISK", 0)
    monkeypatch.setattr(doctor, "_gpu_is_there", lambda: False)
    assert main(["doctor", "--json"]) == 0
    found = {finding["topic"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found.keys() >= {"python", "versions", "device", "disk", "hub cache", "state", "network", "terminal"}

    monkeypatch.setattr(doctor, "LOW_DISK", 10**18)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    problems = [number for number, line in enumerate(lines) if line.startswith("✗")]
    assert {lines[number].split()[1] for number in problems} >= {"disk", "network"}
    assert all("hint:" in lines[number + 1] for number in problems)


def test_a_broken_torch_does_not_end_the_examination(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui_finetune.models import devices

    def broken() -> None:
        raise ImportError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(devices, "device_facts", broken)
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "libcudart" in told
    assert "network" in told
