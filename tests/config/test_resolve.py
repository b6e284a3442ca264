"""RunConfig: one declaration, from which names, bounds and messages come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tui_finetune.config.aliases import canonical
from tui_finetune.config.files import read_yaml, to_yaml
from tui_finetune.config.presets import PRESETS
from tui_finetune.config.resolve import make_config, resolve, unused
from tui_finetune.config.schema import GROUPS, RunConfig, settings
from tui_finetune.errors import UserError


def test_the_defaults_are_those_promised() -> None:
    config = RunConfig()
    promised = {
        "model_name_or_path": "starter",
        "dataset_format": "auto",
        "packing": True,
        "padding": "longest",
        "validation_split": 0.1,
        "num_train_epochs": 3,
        "max_steps": -1,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 2,
        "learning_rate": 2e-5,
        "weight_decay": 0.01,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 2,
        "early_stopping_patience": 2,
        "precision": "auto",
        "output_dir": None,
        "final_model_dir": None,
        "report_to": "none",
    }
    assert {key: getattr(config, key) for key in promised} == promised


def test_every_setting_explains_itself() -> None:
    for key, item in settings().items():
        assert item.group in GROUPS, key
        assert len(item.help) > 10, key
        assert len(item.explanation) > 60, key


@pytest.mark.parametrize(
    ("alias", "key", "value"),
    [
        ("base_model", "model_name_or_path", "distilgpt2"),
        ("dataset", "dataset_name", "a.txt"),
        ("text_column", "dataset_text_field", "body"),
        ("block_size", "max_length", 128),
        ("cutoff_len", "max_length", 128),
        ("sequence_len", "max_length", 128),
        ("sample_packing", "packing", False),
        ("val_set_size", "validation_split", 0.2),
        ("num_epochs", "num_train_epochs", 2.0),
        ("micro_batch_size", "per_device_train_batch_size", 4),
        ("gradient_accumulation", "gradient_accumulation_steps", 4),
        ("lr", "learning_rate", 1e-4),
        ("OUTPUT_DIR", "output_dir", "out"),
        ("FINAL_MODEL_DIR", "final_model_dir", "out/model"),
        ("learning-rate", "learning_rate", 1e-4),
    ],
)
def test_names_of_other_tools_are_taken(alias: str, key: str, value: bool | float | int | str) -> None:
    assert getattr(resolve({alias: value}).config, key) == value


@pytest.mark.parametrize("given", ["true", True, "True", 1])
def test_bf16_and_fp16_mean_precision(given: object) -> None:
    assert resolve({"bf16": given}).config.precision == "bf16"
    assert resolve({"fp16": given}).config.precision == "fp16"
    assert resolve({"bf16": "auto"}).config.precision == "auto"


@pytest.mark.parametrize(
    ("given", "precision"),
    [
        ({"bf16": False}, "fp32"),
        ({"fp16": "false"}, "fp32"),
        ({"bf16": False, "fp16": False}, "fp32"),
        ({"bf16": True, "fp16": False}, "bf16"),
        ({"bf16": False, "fp16": True}, "fp16"),
        ({"bf16": "auto", "fp16": False}, "auto"),
        ({"bf16": "auto", "fp16": None}, "auto"),
        ({"fp16": None}, "auto"),
        ({"precision": "bf16", "fp16": False}, "bf16"),
        ({"fp16": False, "precision": "bf16"}, "bf16"),
    ],
)
def test_w7_half_precision_that_is_switched_off_is_fp32(given: dict[str, object], precision: str) -> None:
    assert resolve(given).config.precision == precision


@pytest.mark.parametrize(
    "given",
    [
        {"bf16": True, "fp16": True},
        {"precision": "fp16", "fp16": False},
        {"precision": "fp32", "bf16": True},
        {"bf16": "perhaps"},
    ],
)
def test_w7_precisions_that_contradict_each_other_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(UserError) as caught:
        resolve(given)
    assert caught.value.setting == "precision"
    assert caught.value.remedy


@pytest.mark.parametrize("what", ["save", "eval"])
def test_w7_steps_without_a_strategy_set_it(what: str) -> None:
    def strategy(*layers: Mapping[str, object], preset: str | None = None) -> tuple[str, str]:
        resolved = resolve(*layers, preset_name=preset)
        return getattr(resolved.config, f"{what}_strategy"), resolved.origin(f"{what}_strategy")

    steps, named = f"{what}_steps", f"{what}_strategy"
    assert strategy({steps: "50"}) == ("steps", "flag")
    assert strategy({}, {steps: 50}) == ("steps", "file")
    assert strategy({steps: 50}, preset="tutorial") == ("steps", "flag")
    assert strategy({steps: 50}, {named: "epoch"}) == ("steps", "flag")
    assert strategy({steps: 50, named: "no"}) == ("no", "flag")
    assert strategy({named: "epoch"}, {steps: 50}) == ("epoch", "flag")
    assert strategy({}) == ("epoch", "default")
    assert resolve({"eval_steps": "auto"}).config.eval_strategy == "epoch"


@pytest.mark.parametrize(("zero", "share"), [(0, 0.1), ("0", "0.1"), (0.0, 0.03)])
def test_w7_no_warmup_in_steps_yields_to_a_share_and_the_other_way_round(zero: object, share: object) -> None:
    assert resolve({"warmup_steps": zero, "warmup_ratio": share}).config.warmup_steps == float(str(share))
    assert resolve({"warmup_steps": 20, "warmup_ratio": zero}).config.warmup_steps == 20
    with pytest.raises(UserError, match="set twice"):
        resolve({"warmup_steps": 20, "warmup_ratio": share})


def test_a_number_that_yaml_reads_as_text_is_the_same_number() -> None:
    assert resolve({"lr": "1e-4", "learning_rate": 0.0001}).config.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("given", "learns_only_replies"),
    [
        ({"train_on_inputs": False}, True),
        ({"train_on_inputs": "false"}, True),
        ({"train_on_inputs": True}, False),
        ({"train_on_prompt": True}, False),
        ({"mask_prompt": True}, True),
        ({"mask-prompt": "no"}, False),
        ({"mask_prompt": "auto"}, None),
        ({"train_on_inputs": None}, None),
        ({}, None),
    ],
)
def test_other_tools_words_for_the_loss_mask_are_taken(given: dict[str, Any], learns_only_replies: bool | None) -> None:
    config = resolve(given).config
    assert (config.completion_only_loss, config.assistant_only_loss) == (learns_only_replies, learns_only_replies)


def test_the_loss_mask_must_not_be_asked_for_in_two_ways() -> None:
    assert resolve({"train_on_inputs": False, "completion_only_loss": True}).config.completion_only_loss is True
    with pytest.raises(UserError, match="set twice"):
        resolve({"train_on_inputs": False, "mask_prompt": False})
    with pytest.raises(UserError, match="train_on_inputs: 'perhaps' is not allowed"):
        resolve({"train_on_inputs": "perhaps"})


def test_a_switch_that_may_be_left_alone_has_three_choices() -> None:
    item = settings()["completion_only_loss"]
    assert (item.kind, item.choices, item.show(None)) == ("bool", ("auto", "true", "false"), "auto")
    assert resolve({"completion_only_loss": "auto"}).config.completion_only_loss is None
    assert resolve({"completion-only-loss": "true"}).config.completion_only_loss is True
    with pytest.raises(UserError, match="completion_only_loss") as caught:
        resolve({"completion_only_loss": "maybe"})
    assert "auto, true, false" in caught.value.remedy


def test_an_unknown_key_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="no setting 'learning_rte'") as caught:
        resolve({"learning_rte": 1})
    assert "learning_rate" in caught.value.remedy


def test_one_setting_under_two_names_must_agree() -> None:
    assert canonical({"lr": 1e-4, "learning_rate": 1e-4}) == {"learning_rate": 1e-4}
    with pytest.raises(UserError, match="set twice"):
        canonical({"lr": 1e-4, "learning_rate": 1e-3})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", "fast"),
        ("learning_rate", float("nan")),
        ("max_length", 3),
        ("num_train_epochs", -1),
        ("per_device_train_batch_size", 0),
        ("optim", "tiger"),
        ("packing", "perhaps"),
        ("validation_split", -0.1),
        ("warmup_steps", float("inf")),
        ("seed", -1),
        ("model_name_or_path", ["a"]),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(key: str, value: Any) -> None:
    with pytest.raises(UserError) as caught:
        make_config({key: value})
    assert caught.value.setting == key
    assert key in caught.value.message
    assert "default is" in caught.value.remedy


def test_flags_beat_the_file_the_preset_and_the_model() -> None:
    suits = {"learning_rate": 1e-3, "save_total_limit": 5, "weight_decay": 0.5, "max_length": 99}
    resolved = resolve({"seed": "7"}, {"seed": 8, "max_length": 64}, preset_name="tutorial", model_settings=suits)
    config = resolved.config
    assert (config.seed, resolved.origin("seed")) == (7, "flag")
    assert (config.max_length, resolved.origin("max_length")) == (64, "file")
    assert (config.learning_rate, resolved.origin("learning_rate")) == (2e-5, "preset tutorial")
    assert (config.save_total_limit, resolved.origin("save_total_limit")) == (5, "model")
    assert resolved.origin("save_steps") == "default"


def test_a_file_may_name_its_preset() -> None:
    assert resolve({}, {"preset": "tutorial"}).config.packing is False
    assert resolve({}, {"preset": "tutorial"}, preset_name="default").config.packing is True


def test_the_tutorial_has_its_own_numbers() -> None:
    config = resolve(preset_name="tutorial").config
    numbers = (
        config.max_length,
        config.num_train_epochs,
        config.per_device_train_batch_size,
        config.gradient_accumulation_steps,
        config.learning_rate,
        config.weight_decay,
        config.logging_steps,
        config.early_stopping_patience,
        config.validation_split,
    )
    assert numbers == (512, 3, 8, 2, 2e-5, 0.01, 50, 2, 0.1)
    assert (config.packing, config.padding, config.precision) == (False, "max_length", "fp16")
    for weakness in PRESETS["tutorial"].weaknesses:
        assert weakness.setting in settings()
        assert weakness.remedy.startswith("set "), weakness


def test_yaml_written_is_read_back_the_same(tmp_path: Path) -> None:
    config = resolve({"lr": 3e-4, "eval_strategy": "no", "dataset": "a: b # c", "max_length": 77}).config
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert make_config(read_yaml(path)) == config


def test_w3_a_key_that_is_there_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("lr: 1.0e-4\nseed: 7\nlr: 2.0e-4\n")
    with pytest.raises(UserError, match=r"line 3: 'lr' is there already, in line 1"):
        read_yaml(path)


def test_s3_aliases_that_stand_for_gigabytes_are_refused_before_they_are_put_together(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path.write_text("\n".join(levels))
    with pytest.raises(UserError, match="line 2: aliases"):
        read_yaml(path)


def test_s3_a_configuration_is_bounded_in_size_and_depth(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("seed: 1\n" + "# comment\n" * 20_000)
    with pytest.raises(UserError, match="more than 100 kB"):
        read_yaml(path)
    path.write_text(f"seed: {'[' * 5000}{']' * 5000}\n")
    with pytest.raises(UserError, match="line 1: nested too deeply"):
        read_yaml(path)


@pytest.mark.parametrize("text", ["seed: " + "9" * 5000, "seed: 2020-13-45"])
def test_a_value_that_python_cannot_hold_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="can't be read"):
        read_yaml(path)


def test_yaml_says_no_to_evaluation_with_a_bare_no(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("eval_strategy: no\nlr: 2e-4\n")
    config = resolve({}, read_yaml(path)).config
    assert (config.eval_strategy, config.learning_rate) == ("no", 2e-4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [1", "line"),
        (b"- a\n- b\n", "not a mapping"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a: b: c", "line 1"),
        (b"a: !!python/object/apply:os.system ['true']", "line 1"),
        (b"x" * 1_000_001, "too large"),
    ],
)
def test_what_is_no_configuration_is_refused_in_words(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_yaml(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"use_peft": True}, {"method": "lora"}),
        ({"use_peft": "false"}, {"method": "full"}),
        ({"adapter": "qlora", "load_in_4bit": True}, {"method": "qlora", "quantization": "nf4"}),
        ({"adapter": "lora", "load_in_8bit": True, "load_in_4bit": False}, {"method": "lora", "quantization": "int8"}),
        ({"adapter": None}, {"method": "full"}),
        ({"finetuning_type": "lora", "quantization_bit": 4, "lora_rank": 8, "lora_target": "all"},
         {"method": "lora", "quantization": "nf4", "lora_r": 8, "lora_target_modules": "all-linear"}),
        ({"finetuning_type": "freeze"}, {"method": "full", "unfrozen_layers": "2"}),
        ({"finetuning_type": "freeze", "freeze_trainable_layers": 4}, {"method": "full", "unfrozen_layers": "4"}),
        ({"load_in_4bit": "true"}, {"method": "qlora", "quantization": "nf4"}),
        ({"method": "lora", "adapter": "qlora"}, {"method": "qlora"}),
        ({"r": 4, "target_modules": ["q_proj", "v_proj"]}, {"lora_r": 4, "lora_target_modules": "q_proj,v_proj"}),
        ({"lora_target_linear": True, "bnb_4bit_quant_type": "nf4"}, {"lora_target_modules": "all-linear"}),
        ({"trainable_token_indices": [3, 4]}, {"trainable_token_indices": "3,4"}),
        ({"unfrozen_layers": 2}, {"unfrozen_layers": "2"}),
    ],
)  # fmt: skip
def test_other_tools_names_for_the_method_are_taken(given: dict[str, object], meant: dict[str, object]) -> None:
    config = resolve(given).config
    assert {key: getattr(config, key) for key in meant} == meant


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"adapter": "ia3"}, "use lora or qlora"),
        ({"finetuning_type": "oft"}, "use full, freeze or lora"),
        ({"quantization_bit": 3}, "use 4 or 8"),
        ({"modules_to_save": ["embed_tokens"]}, "trainable_token_indices"),
        ({"use_peft": True, "method": "full"}, "keep one of the two"),
        ({"bnb_4bit_quant_type": "fp4"}, "nf4"),
    ],
)
def test_methods_that_there_are_not_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(UserError) as refused:
        resolve(given)
    assert words in refused.value.remedy


@pytest.mark.parametrize(
    ("given", "model", "rate", "origin"),
    [
        ({}, {}, 2e-5, "default"),
        ({"method": "lora"}, {}, 2e-4, "method"),
        ({"method": "qlora", "max_steps": 60}, {}, 1e-3, "method"),
        ({"method": "lora", "lr": 3e-4}, {}, 3e-4, "flag"),
        ({"method": "lora"}, {"learning_rate": 2e-3}, 2e-2, "method"),
        ({}, {"learning_rate": 2e-3}, 2e-3, "model"),
    ],
)
def test_where_nobody_sets_it_the_learning_rate_follows_the_method(
    given: dict[str, object], model: dict[str, object], rate: float, origin: str
) -> None:
    resolved = resolve(given, model_settings=model)
    assert resolved.config.learning_rate == pytest.approx(rate)
    assert resolved.origin("learning_rate") == origin


@pytest.mark.parametrize("name", ["full", "lora", "qlora"])
def test_each_method_has_a_preset_of_its_name(name: str) -> None:
    assert resolve(preset_name=name).config.method == name


def test_a_program_to_start_is_not_taken_from_a_file() -> None:
    with pytest.raises(UserError, match="somebody else"):
        resolve(file={"notify_command": "/bin/true"}, where="theirs.yaml")
    assert resolve({"notify_command": "/bin/true"}).config.notify_command == "/bin/true"


# Preferences


def test_tasks_have_the_names_of_other_tools() -> None:
    for name, value in (("stage", "dpo"), ("rl", "orpo"), ("training_type", "kto"), ("task", "DPO")):
        assert resolve({name: value}).config.task == value.lower()
    assert [resolve({"stage": value}).config.task for value in (None, "none", False)] == ["sft"] * 3
    assert resolve({"pref_beta": 0.3, "kto_chosen_weight": 2}).config.beta == 0.3


def test_presets_of_preferences_learn_at_a_twentieth_of_the_usual_rate_and_pack_nothing() -> None:
    for name, lora in (("dpo", 1e-5), ("kto", 1e-5), ("orpo", 5e-5)):
        config = resolve({"method": "lora"}, preset_name=name).config
        assert (config.task, config.packing) == (name, False)
        assert config.learning_rate == pytest.approx(lora)
        suited = resolve({}, preset_name=name, model_settings={"learning_rate": 2e-3})
        assert suited.config.learning_rate == pytest.approx(2e-3 * lora / 2e-4)
        assert suited.origin("learning_rate") == "method"
        assert resolve({"lr": 3e-4}, preset_name=name).config.learning_rate == 3e-4


def test_settings_of_another_task_are_said_to_have_no_effect() -> None:
    (said,) = unused(resolve({"beta": 0.5}))
    assert "beta has no effect with task: sft" in said.message
    assert said.remedy == "set task: dpo or orpo or kto"
    found = unused(resolve({"task": "dpo", "train_on_eos": "false", "desirable_weight": 3, "lora_r": 4}))
    assert ["task: dpo" in one.message for one in found] == [True, False]
    assert "train_on_eos" in found[0].message
    assert "desirable_weight" in found[0].message


def test_dpo_takes_a_twentieth_of_the_rate_that_suits_a_model_with_an_adapter_too() -> None:
    for method, task, rate in (
        ("full", "dpo", 1e-4),
        ("lora", "dpo", 1e-4),
        ("lora", "kto", 1e-3),
        ("lora", "sft", 2e-2),
    ):
        resolved = resolve({"method": method, "task": task}, model_settings={"learning_rate": 2e-3})
        assert resolved.config.learning_rate == pytest.approx(rate)
