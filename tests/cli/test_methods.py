"""Methods on the command line: what a dry run says of them and refuses, and an adapter's model without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui_finetune.cli.main import main


def train(place: Path, models: Path, *arguments: str) -> int:
    return main(["train", "--dry-run", "--model", str(models / "llama"), "--dataset", "data.jsonl", *arguments])


def test_a_dry_run_names_the_method_and_what_has_no_effect(
    place: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, models, "--use_peft", "--rank", "4", "--unfrozen_layers", "1") == 0
    said = capsys.readouterr().out
    assert "method       LoRA, rank 4: 4.4k of 30.9k weights trained" in said
    assert "note: unfrozen_layers has no effect with method: lora." in said
    lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert lines["learning_rate"].endswith("method")
    assert "not used with method lora" in lines["unfrozen_layers"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--method", "lora", "--lora_target_modules", "lm_head"),
        ("--load_in_8bit", "--use_dora"),
        ("--method", "full", "--quantization", "nf4"),
    ],
)
def test_a_dry_run_refuses_what_does_not_go_together(
    arguments: tuple[str, ...], place: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, models, *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "\nhint: " in said


def test_only_an_adapter_can_be_left_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "starter", "--base", "--prompt", "Once"]) == 2
    assert "no adapter" in capsys.readouterr().err
