"""Configurations of other tools for learning preferences become settings of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tui_finetune.config.other_tools.conversion import Conversion
from tui_finetune.config.other_tools.convert import converted
from tui_finetune.config.resolve import resolve


def read(text: str, folder: Path | None = None) -> Conversion:
    conversion = converted(yaml.safe_load(text), folder)
    assert conversion is not None
    return conversion


def accepted(text: str, folder: Path | None = None) -> dict[str, object]:
    """Its settings, which all exist here."""
    conversion = read(text, folder)
    assert [(one.key, one.reason) for one in conversion.refused] == []
    resolve(file=conversion.settings)
    return dict(conversion.settings)


AXOLOTL = """
base_model: org/tiny-1b
sequence_len: 1024
micro_batch_size: 2
num_epochs: 1
learning_rate: 0.000005
datasets:
  - path: org/preferences
    split: train
    type: {kind}
{more}
"""


@pytest.mark.parametrize(
    ("kind", "more", "settings"),
    [
        ("chatml.intel", "rl: dpo", {"task": "dpo", "dataset_prompt_field": "question"}),
        ("chat_template.default", "rl: dpo\nrl_beta: 0.3", {"task": "dpo", "beta": 0.3}),
        ("chatml.argilla", "rl: ipo", {"task": "dpo", "loss_type": "ipo", "dataset_chosen_field": "chosen_response"}),
        ("chat_template.argilla_chat", "rl: orpo\norpo_alpha: 0.2", {"task": "orpo", "beta": 0.2}),
        ("llama3.ultra", "rl: kto\nkto_desirable_weight: 0.2\nkto_undesirable_weight: 1.0",
         {"task": "kto", "desirable_weight": 0.2, "undesirable_weight": 1.0}),
        ("{field_prompt: q, field_chosen: good, field_rejected: bad}", "rl: dpo",
         {"dataset_prompt_field": "q", "dataset_chosen_field": "good", "dataset_rejected_field": "bad"}),
    ],
)  # fmt: skip
def test_axolotl(kind: str, more: str, settings: dict[str, object]) -> None:
    found = accepted(AXOLOTL.format(kind=kind, more=more))
    assert {key: found.get(key) for key in settings} == settings
    assert found["dataset_name"] == "org/preferences"
    assert "dataset_format" not in found


@pytest.mark.parametrize("rl", ["grpo", "simpo", "gdpo"])
def test_what_axolotl_has_and_we_have_not_is_refused(rl: str) -> None:
    refused = {one.key for one in read(AXOLOTL.format(kind="chatml.intel", more=f"rl: {rl}")).refused}
    assert "rl" in refused


LLAMA_FACTORY = """
model_name_or_path: org/tiny-4b
stage: {stage}
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all
{more}
dataset: house
template: llama3
cutoff_len: 2048
output_dir: saves/tiny/lora
learning_rate: 5.0e-6
"""


@pytest.mark.parametrize(
    ("stage", "more", "columns", "settings"),
    [
        ("dpo", "pref_beta: 0.1\npref_loss: sigmoid  # choices: [sigmoid (dpo), orpo, simpo]",
         {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
         {"task": "dpo", "beta": 0.1, "loss_type": "sigmoid", "dataset_messages_field": "conversations"}),
        ("dpo", "pref_loss: orpo", {"prompt": "question", "chosen": "better", "rejected": "worse"},
         {"task": "orpo", "dataset_prompt_field": "question", "dataset_chosen_field": "better"}),
        ("kto", "pref_beta: 0.1\nkto_chosen_weight: 2.0", {"messages": "messages", "kto_tag": "label"},
         {"task": "kto", "desirable_weight": 2.0, "dataset_label_field": "label", "dataset_messages_field": "messages"}),
    ],
)  # fmt: skip
def test_llama_factory(
    stage: str, more: str, columns: dict[str, str], settings: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    talk = "messages" in columns
    entry: dict[str, object] = {
        "file_name": "house.json",
        "formatting": "sharegpt" if talk else "alpaca",
        "columns": columns,
    }
    entry |= {"ranking": True} if "chosen" in columns else {}
    (tmp_path / "data" / "dataset_info.json").write_text(json.dumps({"house": entry}))
    found = accepted(LLAMA_FACTORY.format(stage=stage, more=more), tmp_path)
    assert {key: found.get(key) for key in settings} == settings


@pytest.mark.parametrize(
    ("stage", "more", "key"),
    [("ppo", "", "stage"), ("dpo", "pref_loss: simpo", "pref_loss"), ("dpo", "pref_ftx: 0.5", "pref_ftx"),
     ("dpo", "ref_model: org/other", "ref_model")],
)  # fmt: skip
def test_what_llama_factory_has_and_we_have_not_is_refused(stage: str, more: str, key: str) -> None:
    assert key in {one.key for one in read(LLAMA_FACTORY.format(stage=stage, more=more)).refused}


TRL = "model_name_or_path: org/tiny\ndataset_name: org/pairs\ntorch_dtype: bfloat16\n"


@pytest.mark.parametrize(
    ("more", "settings"),
    [
        ("beta: 0.2", {"task": "dpo", "beta": 0.2, "learning_rate": 1e-6}),
        ("loss_type: ipo\nlearning_rate: 5.0e-7", {"task": "dpo", "loss_type": "ipo", "learning_rate": 5e-7}),
        ("precompute_ref_log_probs: true", {"task": "dpo", "precompute_ref_log_probs": True}),
        ("desirable_weight: 1.5\nbeta: 0.1", {"task": "kto", "desirable_weight": 1.5}),
        ("packing: true", {"packing": True}),
    ],
)
def test_trl(more: str, settings: dict[str, object]) -> None:
    found = accepted(TRL + more)
    assert {key: found.get(key) for key in settings} == settings
    assert ("task" in found) == ("task" in settings or "precompute" in more)


def test_a_variant_of_trls_that_does_not_exist_here_is_refused() -> None:
    refused = {one.key for one in read(TRL + "loss_type: robust\nlabel_smoothing: 0.1\n").refused}
    assert refused == {"loss_type", "label_smoothing"}
