"""What is chosen where nobody chose: enough updates, enough points, what fits, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tui_finetune.config.resolve import resolve
from tui_finetune.models.choices import Amount, choose
from tui_finetune.models.devices import DeviceFacts
from tui_finetune.models.facts import ModelFacts

CPU = DeviceFacts("CPU", "cpu", 24 * 10**9, 20 * 10**9, 2, bf16_good=False)
FACTS = ModelFacts(
    "m", model_type="llama", parameters=135_000_000, context_length=2048, vocab_size=49_152, hidden_size=576,
    intermediate_size=1536, layers=30, heads=9, kv_heads=3,
)  # fmt: skip
EIGHTY = Amount(80, 24, 6, "conversations")


def test_small_data_gets_updates_enough_to_learn_from() -> None:
    found = choose(resolve(), FACTS, CPU, 1024, EIGHTY)
    assert found.words(EIGHTY) == "80 conversations are 24 packed rows: batch 4, 10 epochs, 60 updates"
    assert (found.config.logging_steps, found.config.learning_rate) == (2, 1e-4)
    assert {"num_train_epochs", "gradient_accumulation_steps", "learning_rate", "logging_steps"} <= found.reasons.keys()
    assert found.notices == ()


@pytest.mark.parametrize(("rows", "epochs", "updates"), [(2_000, 3, 375), (400, 3, 75), (100, 9, 63), (3, 20, 60)])
def test_more_data_takes_fewer_passes(rows: int, epochs: int, updates: int) -> None:
    data = Amount(rows, rows, rows)
    config = choose(resolve(), FACTS, CPU, 512, data).config
    assert config.num_train_epochs == epochs
    assert f"{updates} updates" in choose(resolve(), FACTS, CPU, 512, data).words(data)


def test_what_was_set_stays() -> None:
    chosen = {"num_train_epochs": 1, "per_device_train_batch_size": 3, "learning_rate": 1e-3, "logging_steps": 7}
    config = choose(resolve(chosen), FACTS, CPU, 512, EIGHTY).config
    assert {key: getattr(config, key) for key in chosen} == chosen
    tutorial = resolve(preset_name="tutorial")
    assert choose(tutorial, FACTS, CPU, 512, EIGHTY).config == tutorial.config


def test_auto_leaves_it_to_the_program_again() -> None:
    resolved = resolve({"logging_steps": "auto"}, {"logging_steps": 5}, preset_name="tutorial")
    assert resolved.origin("logging_steps") == "default"


def test_the_batch_is_what_fits_and_the_rows_of_an_update_stay() -> None:
    data = Amount(5_000, 5_000, 500)
    plenty, little, least = (
        choose(resolve(), FACTS, replace(CPU, free=free), 1024, data).config
        for free in (40 * 10**9, 9 * 10**9, 5 * 10**9)
    )
    batches = [config.per_device_train_batch_size for config in (plenty, little, least)]
    assert batches[:2] == [8, 2]
    assert not plenty.gradient_checkpointing
    assert not little.gradient_checkpointing
    for config in (plenty, little, least):
        assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 16
    assert least.gradient_checkpointing


def test_a_run_that_would_hardly_learn_says_so_with_what_is_proposed() -> None:
    def settings(**chosen: object) -> set[str | None]:
        return {said.setting for said in choose(resolve(chosen), FACTS, CPU, 512, Amount(10, 8, 2)).notices}

    assert settings(num_train_epochs=1) == {"num_train_epochs", "validation_split"}
    assert "max_steps" in settings(max_steps=5)
    assert "learning_rate" in settings(learning_rate=0.1)
    assert "learning_rate" in settings(learning_rate=1e-7)
    assert "learning_rate" not in settings(learning_rate=1e-3)
