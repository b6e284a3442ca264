"""Whether a CPU is good at bf16 is measured once per machine, remembered, and counts for wide models alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tui_finetune.models import bf16, devices
from tui_finetune.models.devices import NARROWEST_HALF, cpu_facts, learn_precision, resolve_precision
from tui_finetune.models.facts import ModelFacts

WIDE = ModelFacts("wide", hidden_size=NARROWEST_HALF)
NARROW = ModelFacts("narrow", hidden_size=NARROWEST_HALF - 1)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(devices, "best_device", lambda: "cpu")
    return tmp_path / "state"


@pytest.mark.parametrize(("ratio", "good"), [(0.5, True), (0.9, False), (40.0, False)])
def test_it_is_measured_once_and_remembered(monkeypatch: pytest.MonkeyPatch, ratio: float, good: bool) -> None:
    measured: list[float] = []

    def measure() -> float:
        measured.append(ratio)
        return ratio

    monkeypatch.setattr(bf16, "_measure", measure)
    assert cpu_facts().bf16_good is False  # nothing is known yet
    for _ in range(3):
        learn_precision("auto", WIDE)
        assert cpu_facts().bf16_good is good
    assert measured == [ratio]
    assert resolve_precision("auto", cpu_facts(), WIDE)[0] == ("bf16" if good else "fp32")
    assert resolve_precision("auto", cpu_facts(), NARROW)[0] == "fp32"
    assert resolve_precision("fp16", cpu_facts(), WIDE)[0] == "fp32"


@pytest.mark.parametrize(("precision", "model"), [("auto", NARROW), ("fp32", WIDE), ("fp16", WIDE)])
def test_nothing_is_measured_where_it_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, state: Path, precision: str, model: ModelFacts
) -> None:
    monkeypatch.setattr(bf16, "_measure", lambda: pytest.fail("measured"))
    learn_precision(precision, model)
    assert not state.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"another CPU": 0.2}', '{"CPU": "fast"}'])
def test_a_file_that_says_nothing_counts_for_nothing(state: Path, content: str) -> None:
    state.mkdir()
    bf16.remembered_path().write_text(content)
    assert bf16.remembered("CPU") is None


def test_the_real_measurement_leaves_the_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    assert bf16.learn("this one") in {True, False}
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 < json.loads(bf16.remembered_path().read_bytes())["this one"] < 1000
