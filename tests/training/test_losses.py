"""No change moves a loss unnoticed: small runs log what their golden files say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.losses import CASES, curves_of, differences, from_text, golden, to_text


@pytest.mark.parametrize("name", CASES)
def test_the_losses_are_those_of_the_golden_file(name: Any, place: Path) -> None:
    assert differences(curves_of(name, place), golden(name)) == []


def test_a_loss_that_moved_is_seen() -> None:
    curves = {1: {"loss": 2.0}, 2: {"loss": 1.5, "eval_loss": 1.75}}
    assert from_text(to_text(curves)) == curves
    assert differences(curves, {1: {"loss": 2.0}, 2: {"loss": 1.5, "eval_loss": 1.7501}}) != []
    assert differences(curves, {1: {"loss": 2.0}}) != []
