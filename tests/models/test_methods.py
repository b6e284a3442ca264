"""Methods of fine-tuning: what they train, what they refuse, and how an adapter is saved and loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.architectures import ARCHITECTURES, make_architecture
from tests.tiny import make_model
from tui_finetune.config.resolve import resolve
from tui_finetune.config.schema import settings
from tui_finetune.errors import UserError
from tui_finetune.models.adapters import ADAPTER_WEIGHTS, BASE_FILE, read_adapter
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.located import find_local, locate
from tui_finetune.models.methods.choose import METHODS, method_of
from tui_finetune.models.methods.method import Method
from tui_finetune.models.methods.peft_models import (
    as_adapted,
    attach,
    base_of,
    for_use,
    plain,
    save_adapter,
)


def method(**chosen: object) -> Method:
    return method_of(resolve(chosen).config)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models: a tied Llama, a GPT-2, and a mixture of experts."""
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "llama")
    make_model(folder / "gpt2", "gpt2")
    make_architecture(folder / "qwen3_moe", "qwen3_moe")
    return folder


VARIANTS: dict[str, dict[str, object]] = {
    "full": {"method": "full"},
    "last layer": {"method": "full", "unfrozen_layers": 1},
    "pattern": {"method": "full", "unfrozen_layers": "1\\..*(q_proj|c_attn)"},
    "lora": {"method": "lora", "lora_r": 8},
    "dora": {"method": "lora", "use_dora": True},
    "tokens": {"method": "lora", "trainable_token_indices": [1, 2]},
    "expression": {"method": "lora", "lora_target_modules": r".*\.[01]\..*(q_proj|c_attn|v_proj)"},
    "names": {"method": "lora", "lora_target_modules": ["q_proj", "v_proj"]},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen3_moe"])
def test_the_weights_that_are_trained_are_known_before_it_is_loaded(variant: str, name: str, folders: Path) -> None:
    if (variant == "dora" and name == "qwen3_moe") or (variant == "names" and name == "gpt2"):
        return
    chosen = method(**VARIANTS[variant])
    model = locate(str(folders / name))
    chosen.check(model)
    expected = chosen.size(model.facts())
    state = torch.get_rng_state()
    ready = chosen.prepare(chosen.load(model), model)
    assert torch.equal(state, torch.get_rng_state())
    assert expected is not None
    assert expected.trained == sum(weight.numel() for weight in ready.parameters() if weight.requires_grad)
    assert expected.base + expected.added == sum(weight.numel() for weight in ready.parameters())
    if chosen.trains_adapter:
        assert expected.added == expected.trained


def test_every_method_has_a_class_and_its_own_settings() -> None:
    assert settings()["method"].choices == tuple(METHODS)
    assert method().settings == ["precompute_ref_log_probs", "unfrozen_layers"]
    assert {"lora_r", "quantization"} <= set(method(method="lora").settings) == set(method(method="qlora").settings)


def test_what_is_trained_is_said_in_a_few_words(folders: Path) -> None:
    facts = locate("starter").facts()
    assert method().words(facts) == "full: all 1.8M weights trained"
    assert method(method="lora", lora_r=8).words(facts) == "LoRA, rank 8: 99.3k of 1.8M weights trained"
    assert method(method="qlora").label == "QLoRA, rank 16"
    assert method(method="lora", quantization="int8").label == "8-bit LoRA, rank 16"
    assert method(unfrozen_layers=2).label == "full, last 2 layers"


def test_packed_models_take_a_quarter_or_half(folders: Path) -> None:
    facts = ModelFacts(
        "m", parameters=1_235_814_400, hidden_size=2048, intermediate_size=8192, layers=16, heads=32, kv_heads=8,
        vocab_size=128_256, tied=True, model_type="llama",
    )  # fmt: skip
    sizes = {
        name: method(**chosen).size(facts, "bf16")
        for name, chosen in dict[str, dict[str, Any]]({
            "lora": {"method": "lora"}, "nf4": {"method": "qlora"}, "int8": {"load_in_8bit": True, "use_peft": True},
        }).items()
    }  # fmt: skip
    stored = {name: size.stored - 4 * size.added for name, size in sizes.items() if size is not None}
    assert stored["lora"] == 2 * facts.parameters  # type: ignore[operator]
    assert stored["nf4"] == pytest.approx(2 * 262_734_848 + 973_078_528 * 4.127 / 8, rel=0.01)
    assert stored["int8"] == pytest.approx(2 * 262_734_848 + 973_078_528, rel=0.01)


@pytest.mark.parametrize(
    ("name", "chosen", "message", "remedy"),
    [
        ("qwen3_moe", {"method": "lora", "lora_dropout": 0.1}, "mixture of experts", "lora_dropout: 0"),
        ("qwen3_moe", {"method": "lora", "use_dora": True}, "mixture of experts", "use_dora: false"),
        ("qwen3_moe", {"method": "qlora"}, "can't pack", "method: lora"),
        ("llama", {"method": "qlora", "quantization": "int8", "use_dora": True}, "int8", "nf4"),
        ("llama", {"method": "qlora", "quantization": "none"}, "quantization is none", "method: lora"),
        ("llama", {"method": "full", "quantization": "nf4"}, "can't be trained", "method: qlora"),
        ("llama", {"method": "lora", "lora_target_modules": "lm_head"}, "shares", "trainable_token_indices"),
        ("llama", {"method": "lora", "lora_target_modules": "c_attn"}, "has not", "q_proj"),
        ("llama", {"method": "lora", "trainable_token_indices": "999"}, "999", "below"),
        ("llama", {"method": "lora", "trainable_token_indices": "one"}, "no number", "numbers"),
        ("llama", {"unfrozen_layers": 3}, "2 layers", "from 1 to 2"),
        ("llama", {"unfrozen_layers": "nothing"}, "no weight", "names are such as"),
        ("llama", {"unfrozen_layers": "("}, "no pattern", "how many"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_way_round(
    name: str, chosen: dict[str, object], message: str, remedy: str, folders: Path
) -> None:
    with pytest.raises(UserError) as refused:
        method(**chosen).check(locate(str(folders / name)))
    assert message in refused.value.message
    assert remedy in refused.value.remedy
    assert refused.value.setting in settings()


def test_without_bitsandbytes_a_packed_model_is_refused(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_finetune.models.quantization.find_spec", lambda name: None)
    with pytest.raises(UserError, match="bitsandbytes") as refused:
        method(method="qlora").check(locate(str(folders / "llama")))
    assert "finetune-tui[quantization]" in refused.value.remedy
    assert "method: lora" in refused.value.remedy


# An adapter's folder


@pytest.fixture
def adapter(folders: Path, tmp_path: Path) -> Path:
    """The folder of an adapter on a copy of the tiny Llama, which does something."""
    shutil.copytree(folders / "llama", tmp_path / "base")
    model = locate(str(tmp_path / "base"))
    chosen = method(method="lora", lora_r=4, lora_alpha=8)
    ready = chosen.prepare(chosen.load(model), model)
    with torch.no_grad():
        for weight in ready.parameters():
            if weight.requires_grad:
                weight.add_(0.05)
    adapted = as_adapted(ready)
    assert adapted is not None
    save_adapter(adapted, tmp_path / "adapter", base_of(model, "none"))
    return tmp_path / "adapter"


IDS = torch.arange(12)[None]


def test_an_adapter_is_loaded_by_its_folder_and_by_plain_peft(adapter: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    model = locate(str(adapter))
    assert model.folder == adapter.parent / "base"
    assert model.own_folder == adapter
    assert model.facts().parameters == locate(str(adapter.parent / "base")).facts().parameters
    assert model.adapter is not None
    loaded = METHODS["full"](resolve().config).load(locate(str(adapter.parent / "base")))
    ours = for_use(loaded, model.adapter).eval()
    theirs = AutoPeftModelForCausalLM.from_pretrained(str(adapter)).eval()
    with torch.no_grad():
        assert torch.equal(ours(IDS).logits, theirs(IDS).logits)
        assert torch.equal(plain(ours)(IDS).logits, theirs(IDS).logits)
        with theirs.disable_adapter():
            assert not torch.equal(theirs(IDS).logits, ours(IDS).logits)
    assert not any(weight.requires_grad for weight in ours.parameters())


def test_an_adapter_is_merged_where_all_weights_are_to_be_trained(adapter: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    model, chosen = locate(str(adapter)), method(method="full")
    chosen.check(model)
    whole = chosen.prepare(chosen.load(model), model).eval()
    theirs = AutoPeftModelForCausalLM.from_pretrained(str(adapter)).eval()
    with torch.no_grad():
        torch.testing.assert_close(whole(IDS).logits, theirs(IDS).logits, atol=1e-5, rtol=1e-5)
    assert all(weight.requires_grad for weight in whole.parameters())
    assert as_adapted(whole) is None


def test_an_adapter_says_what_it_is_to_a_run_that_continues_it(adapter: Path) -> None:
    suits = read_adapter(adapter).settings()
    assert {key: suits[key] for key in ("method", "lora_r", "lora_alpha", "quantization")} == {
        "method": "lora", "lora_r": 4, "lora_alpha": 8, "quantization": "none",
    }  # fmt: skip
    model, chosen = locate(str(adapter)), method(**suits)
    chosen.check(model)
    ready = chosen.prepare(chosen.load(model), model)
    assert any(weight.requires_grad for weight in ready.parameters())
    with pytest.raises(UserError, match="lora_r of the adapter") as refused:
        method(**{**suits, "lora_r": 8}).check(model)
    assert "merge" in refused.value.remedy


def test_a_base_that_is_gone_is_said_with_its_name(adapter: Path) -> None:
    (adapter.parent / "base").rename(adapter.parent / "elsewhere")
    for find in (locate, find_local):
        with pytest.raises(UserError, match="belongs to can't be had") as refused:
            find(str(adapter))
        assert str(adapter.parent / "base") in refused.value.message
        assert BASE_FILE in refused.value.remedy


def test_a_weight_that_is_missing_from_an_adapter_is_an_error(adapter: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(adapter / ADAPTER_WEIGHTS)
    name = sorted(weights)[0]
    save_file({key: value for key, value in weights.items() if key != name}, adapter / ADAPTER_WEIGHTS)
    model, chosen = locate(str(adapter)), method(method="lora", lora_r=4)
    with pytest.raises(UserError, match="is missing") as refused:
        chosen.prepare(chosen.load(model), model)
    assert name in refused.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"peft_type": "IA3", "base_model_name_or_path": "starter"}, "kind"),
        ({"peft_type": "LORA"}, "which model"),
        ({"peft_type": "LORA", "base_model_name_or_path": "starter", "init_lora_weights": "pissa"}, "pissa"),
    ],
)
def test_what_is_no_adapter_that_can_be_used_is_refused(
    content: dict[str, object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        locate(str(tmp_path))


def test_peft_refuses_in_our_words(folders: Path) -> None:
    model = locate(str(folders / "llama"))
    loaded = method().load(model)
    with pytest.raises(UserError, match="no adapter of this kind"):
        attach(
            loaded, model, seed=0, tokens=[], r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["nothing"],
            use_dora=False, use_rslora=False,
        )  # fmt: skip


def test_the_table_of_architectures_is_complete() -> None:
    assert len(ARCHITECTURES) == 16


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("layers.(0", "no regular expression"),
        (r".*other_(q|k)", "fits no layer of this model"),
        (r".*(embed_tokens|q_proj)", "embeddings and heads get no adapter"),
    ],
)
def test_an_expression_that_fits_nothing_or_too_much_is_refused(expression: str, message: str, folders: Path) -> None:
    with pytest.raises(UserError, match=message):
        method(method="lora", lora_target_modules=expression).check(locate(str(folders / "llama")))
