"""Configurations of other tools, as people write them, become settings of ours; nothing in them is lost without a word."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from tui_finetune.config.files import to_yaml
from tui_finetune.config.mixture import configs_of, eval_configs_of
from tui_finetune.config.other_tools.conversion import Conversion
from tui_finetune.config.other_tools.convert import converted
from tui_finetune.config.resolve import resolve
from tui_finetune.config.schema import RunConfig
from tui_finetune.config.yaml_text import parse_yaml

AXOLOTL = """
base_model: org/tiny-1b
datasets:
  - path: org/instructions
    type: alpaca
    split: train[:10%]
val_set_size: 0.05
output_dir: ./outputs/lora
adapter: lora
lora_model_dir:
lora_r: 8
lora_alpha: 16
lora_dropout: 0.05
lora_target_modules:
  - q_proj
  - v_proj
sequence_len: 2048
sample_packing: true
pad_to_sequence_len: true
wandb_project:
wandb_entity:
gradient_accumulation_steps: 4
micro_batch_size: 2
num_epochs: 4
optimizer: adamw_bnb_8bit
lr_scheduler: cosine
learning_rate: 0.0002
bf16: auto
tf32: false
gradient_checkpointing: true
flash_attention: true
warmup_ratio: 0.1
evals_per_epoch: 2
saves_per_epoch: 1
weight_decay: 0.01
special_tokens:
  pad_token: "<|end|>"
"""

LLAMA_FACTORY = """
model_name_or_path: org/tiny-4b
trust_remote_code: true
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 8
lora_target: all
quantization_bit: 4
dataset: house
template: qwen
cutoff_len: 1024
max_samples: 1000
preprocessing_num_workers: 16
output_dir: saves/tiny
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
"""

TORCHTUNE = """
output_dir: /data/out
model:
  _component_: torchtune.models.tiny.lora_tiny_1b
  lora_attn_modules: ['q_proj', 'output_proj']
  apply_lora_to_mlp: True
  lora_rank: 64
  lora_alpha: 128
tokenizer:
  _component_: torchtune.models.tiny.tiny_tokenizer
  path: /data/tiny/tokenizer.model
  max_seq_len: 512
checkpointer:
  _component_: torchtune.training.FullModelHFCheckpointer
  checkpoint_dir: /data/tiny
  output_dir: ${output_dir}
dataset:
  _component_: torchtune.datasets.alpaca_cleaned_dataset
  packed: True
batch_size: 4
epochs: 1
optimizer:
  _component_: torch.optim.AdamW
  fused: True
  lr: 3e-4
lr_scheduler:
  _component_: torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup
  num_warmup_steps: 100
loss:
  _component_: torchtune.modules.loss.LinearCrossEntropyLoss
gradient_accumulation_steps: 8
max_steps_per_epoch: null
dtype: bf16
device: cuda
enable_activation_checkpointing: True
"""

LITGPT = """
checkpoint_dir: checkpoints/org/tiny
out_dir: out/lora
precision: bf16-true
quantize: bnb.nf4
devices: 1
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_query: true
lora_key: false
lora_value: true
lora_mlp: false
data:
  class_path: litgpt.data.JSON
  init_args:
    json_path: mine.json
    mask_prompt: true
    val_split_fraction: 0.05
train:
  global_batch_size: 8
  micro_batch_size: 2
  lr_warmup_steps: 10
  epochs: 2
  max_seq_length: 512
  min_lr: 2.0e-05
eval:
  interval: 25
optimizer:
  class_path: torch.optim.AdamW
  init_args:
    lr: 0.0002
    weight_decay: 0.1
    betas: [0.9, 0.95]
"""

UNSLOTH = """
model: org/tiny
data:
  dataset: org/instructions
  format_type: auto
training:
  training_type: lora
  max_seq_length: 2048
  load_in_4bit: true
  num_epochs: 1
  max_steps: 0
  learning_rate: 2e-4
  batch_size: 2
  save_steps: 0
  random_seed: 7
  train_on_completions: false
  gradient_checkpointing: "unsloth"
lora:
  lora_r: 64
  target_modules: "q_proj,k_proj"
  use_loftq: false
logging:
  enable_wandb: false
  wandb_project: none-of-it
"""

TRL = """
model_name_or_path: org/tiny
dataset_name: org/chat
torch_dtype: bfloat16
use_peft: true
lora_r: 32
lora_target_modules: [q_proj, v_proj]
load_in_4bit: true
learning_rate: 1.0e-4
push_to_hub: false
"""

H2O = """
architecture: {backbone_dtype: int4, gradient_checkpointing: true}
augmentation: {neftune_noise_alpha: 0.0}
dataset:
  train_dataframe: mine.csv
  prompt_column: [instruction]
  answer_column: output
  validation_strategy: automatic
  validation_size: 0.02
environment: {seed: 3, mixed_precision: true}
llm_backbone: org/tiny
problem_type: text_causal_language_modeling
tokenizer: {max_length: 512}
training: {lora: true, lora_r: 4, lora_alpha: 16, epochs: 2, batch_size: 2, learning_rate: 0.0001, optimizer: AdamW, schedule: Cosine}
"""

FILES = {
    "axolotl": AXOLOTL,
    "LLaMA-Factory": LLAMA_FACTORY,
    "torchtune": TORCHTUNE,
    "LitGPT": LITGPT,
    "Unsloth Studio": UNSLOTH,
    "TRL": TRL,
    "H2O LLM Studio": H2O,
}


def read(text: str, folder: Path | None = None) -> Conversion:
    """The conversion of a file of another tool."""
    conversion = converted(yaml.safe_load(dedent(text)), folder)
    assert conversion is not None
    return conversion


def reasons(conversion: Conversion) -> dict[str, str]:
    return {outcome.key: outcome.reason for outcome in conversion.refused}


@pytest.mark.parametrize("tool", FILES)
def test_a_tool_is_recognized_and_each_of_its_keys_has_an_outcome(tool: str) -> None:
    conversion = read(FILES[tool])
    assert conversion.tool == tool
    assert conversion.refused == ()
    keys = {outcome.key.partition(".")[0] for outcome in conversion.outcomes}
    assert keys == set(yaml.safe_load(FILES[tool]))


@pytest.mark.parametrize(
    "ours",
    [
        {"model_name_or_path": "starter", "dataset_name": "sea-tales", "learning_rate": 1e-4},
        {"preset": "tutorial"},
        {"model_name_or_path": "x/y", "dataset_name": "x/z", "packing": True, "max_length": 512, "bf16": True},
        {},
    ],
)
def test_a_configuration_of_ours_is_nobody_elses(ours: dict[str, object]) -> None:
    assert converted(ours) is None


def test_axolotl_means_what_it_means_there() -> None:
    conversion = read(AXOLOTL)
    expected = {
        "model_name_or_path": "org/tiny-1b", "dataset_name": "org/instructions", "dataset_format": "alpaca",
        "dataset_train_split": "train[:10%]", "method": "lora", "lora_r": 8, "lora_alpha": 16, "lora_dropout": 0.05,
        "lora_target_modules": "q_proj,v_proj", "max_length": 2048, "packing": True, "validation_split": 0.05,
        "eval_strategy": "steps", "eval_steps": 0.125, "save_strategy": "epoch", "optim": "adamw_8bit", "bf16": "auto",
        "warmup_steps": 0.1, "num_train_epochs": 4, "early_stopping_patience": 0, "gradient_checkpointing": True,
    }  # fmt: skip
    assert {key: conversion.settings.get(key) for key in expected} == expected
    said = {outcome.key: outcome.outcome for outcome in conversion.outcomes}
    assert said["flash_attention"] == said["special_tokens"] == "ignored"
    assert said["tf32"] == said["wandb_project"] == said["lora_model_dir"] == "silent"


def test_what_axolotl_leaves_out_is_as_it_is_there() -> None:
    conversion = read("base_model: org/tiny\nsequence_len: 512\ndatasets: [{path: org/chat, type: chat_template}]\n")
    assert conversion.settings["packing"] is False
    assert conversion.settings["gradient_accumulation_steps"] == 1
    assert conversion.settings["eval_strategy"] == "no"
    assert conversion.settings["early_stopping_patience"] == 0
    assert conversion.settings["method"] == "full"


def test_all_that_does_not_exist_here_comes_at_once() -> None:
    conversion = read(AXOLOTL + "rl: grpo\nrelora: true\nsome_new_thing: 3\nfp8: false\n")
    assert set(reasons(conversion)) == {"rl", "relora", "some_new_thing"}


@pytest.mark.parametrize(
    ("lines", "settings"),
    [
        ("adapter: qlora\nload_in_4bit: true", {"method": "qlora"}),
        ("adapter: lora\nload_in_8bit: true", {"method": "lora", "quantization": "int8"}),
        ("adapter:", {"method": "full"}),
    ],
)
def test_axolotls_methods(lines: str, settings: dict[str, object]) -> None:
    conversion = read(f"base_model: a\nsequence_len: 8\n{lines}\n")
    assert {key: conversion.settings[key] for key in settings} == settings
    assert not conversion.refused


def test_quantized_weights_alone_are_refused() -> None:
    assert "load_in_8bit" in reasons(read("base_model: a\nsequence_len: 8\nload_in_8bit: true\n"))


def test_several_data_sets_of_axolotl_each_keep_their_format_and_mask() -> None:
    conversion = read(
        """
        base_model: a
        sequence_len: 8
        datasets:
          - {path: org/one, name: sub, type: alpaca, train_on_inputs: true}
          - {path: two.jsonl, type: chat_template, field_messages: talk}
        test_datasets:
          - {path: three.jsonl, type: alpaca, split: test}
        """
    )
    assert not conversion.refused
    config = resolve(file=conversion.settings).config
    (_, one), (_, two) = configs_of(config)
    assert (one.dataset_name, one.dataset_config, one.dataset_format) == ("org/one", "sub", "alpaca")
    assert (one.completion_only_loss, two.completion_only_loss) == (False, None)
    assert (two.dataset_name, two.dataset_messages_field) == ("two.jsonl", "talk")
    ((_, evaluated),) = eval_configs_of(config)
    assert (evaluated.dataset_name, evaluated.dataset_train_split, config.eval_strategy) == (
        "three.jsonl",
        "test",
        "epoch",
    )


def test_several_data_sets_of_llama_factory_are_mixed_as_there(tmp_path: Path) -> None:
    listed = {
        "house": {"file_name": "house.json"},
        "garden": {"hf_hub_url": "org/garden", "formatting": "sharegpt", "columns": {"messages": "talk"}},
    }
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text(json.dumps(listed))
    text = LLAMA_FACTORY.replace("dataset: house", "dataset: house,garden\neval_dataset: garden")
    text += "\nmix_strategy: interleave_over\ninterleave_probs: 0.7,0.3\n"
    conversion = read(text, tmp_path)
    assert not conversion.refused
    config = resolve(file=conversion.settings).config
    assert [part.weight for part, _ in configs_of(config)] == [0.7, 0.3]
    assert [own.dataset_format for _, own in configs_of(config)] == ["alpaca", "auto"]
    assert config.mix_strategy == "all_exhausted"
    assert [own.dataset_name for _, own in eval_configs_of(config)] == ["org/garden"]


@pytest.mark.parametrize("datasets", [None, "a, b", [{"name": "a", "format": "text"}, "b"]])
def test_a_configuration_that_we_wrote_is_ours(datasets: object) -> None:
    text = to_yaml(RunConfig.model_validate({"datasets": datasets}))
    assert converted(parse_yaml(text, "config.yaml")) is None


def test_a_regular_expression_names_layers() -> None:
    conversion = read(
        """
        base_model: a
        sequence_len: 8
        adapter: lora
        datasets: [{path: b, type: alpaca}]
        lora_target_modules: 'model.layers.[0-9]+.self_attn.(q|v)_proj'
        """
    )
    assert not conversion.refused
    assert resolve(file=conversion.settings).config.lora_target_modules == "model.layers.[0-9]+.self_attn.(q|v)_proj"


def test_llama_factorys_names_of_data_sets_are_looked_up(tmp_path: Path) -> None:
    listed = {
        "house": {"file_name": "house.json"},
        "garden": {"hf_hub_url": "org/garden", "formatting": "sharegpt", "columns": {"messages": "talk"}},
    }
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text(json.dumps(listed))
    conversion = read(LLAMA_FACTORY, tmp_path)
    expected = {"dataset_name": "data/house.json", "dataset_format": "alpaca", "max_samples": 1000}
    assert {key: conversion.settings[key] for key in expected} == expected
    elsewhere = read(LLAMA_FACTORY.replace("dataset: house", "dataset: garden"), tmp_path)
    assert elsewhere.settings["dataset_name"] == "org/garden"
    assert elsewhere.settings["dataset_messages_field"] == "talk"
    assert conversion.settings["method"] == "qlora"
    assert conversion.settings["lora_target_modules"] == "all-linear"
    assert conversion.settings["gradient_checkpointing"] is True


def test_pictures_are_refused_by_name(tmp_path: Path) -> None:
    listed = {"house": {"file_name": "a", "columns": {"messages": "m", "images": "i"}}}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_info.json").write_text(json.dumps(listed))
    assert "images" in reasons(read(LLAMA_FACTORY, tmp_path))["dataset"]


def test_torchtune_means_what_it_means_there() -> None:
    settings = read(TORCHTUNE).settings
    assert settings["model_name_or_path"] == "/data/tiny"
    assert settings["lora_target_modules"] == "q_proj,o_proj,gate_proj,up_proj,down_proj"
    assert (settings["packing"], settings["optim"], settings["weight_decay"]) == (True, "adamw_torch_fused", 0.01)
    assert (settings["lr_scheduler_type"], settings["warmup_steps"]) == ("cosine", 100)
    assert settings["max_length"] == 512


def test_torchtunes_held_out_end_of_a_split_is_a_share() -> None:
    text = TORCHTUNE.replace("  packed: True\n", "  split: train[:95%]\n")
    text += "run_val_every_n_steps: 20\ndataset_val: {_component_: x, split: 'train[95%:]'}\n"
    settings = read(text).settings
    assert (settings["dataset_train_split"], settings["validation_split"]) == ("train", 0.05)
    assert (settings["eval_strategy"], settings["eval_steps"]) == ("steps", 20)


def test_litgpt_means_what_it_means_there() -> None:
    settings = read(LITGPT).settings
    assert settings["model_name_or_path"] == "org/tiny"
    assert (settings["method"], settings["lora_target_modules"]) == ("qlora", "q_proj,v_proj")
    assert settings["gradient_accumulation_steps"] == 4
    assert (settings["lr_scheduler_type"], settings["min_lr_rate"]) == ("cosine_with_min_lr", 0.1)
    assert (settings["adam_beta2"], settings["dataset_name"]) == (0.95, "mine.json")


def test_unsloth_trl_and_h2o_mean_what_they_mean_there() -> None:
    unsloth = read(UNSLOTH).settings
    assert (unsloth["method"], unsloth["completion_only_loss"], unsloth["num_train_epochs"]) == ("qlora", False, 1)
    trl = read(TRL).settings
    assert (trl["method"], trl["lora_target_modules"], trl["num_train_epochs"]) == ("qlora", "q_proj,v_proj", 3)
    h2o = read(H2O).settings
    assert (h2o["method"], h2o["dataset_prompt_field"], h2o["validation_split"]) == ("qlora", "instruction", 0.02)


@pytest.mark.parametrize("tool", [tool for tool in FILES if tool != "LLaMA-Factory"])
def test_what_a_file_becomes_is_a_configuration(tool: str) -> None:
    conversion = read(FILES[tool])
    resolved = resolve(file=conversion.settings)
    assert resolved.config.model_name_or_path
    assert not resolved.config.packing or tool in {"axolotl", "torchtune"}
