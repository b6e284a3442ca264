"""Loading: what can be trained comes whole and in fp32; what can't is refused in plain words."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import make_model
from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.models.loading import (
    check_vocabulary,
    context_length,
    load_model,
    load_tokenizer,
    resolve_max_length,
    tokenizer_notices,
)
from tui_finetune.models.located import LocatedModel, locate


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("loading") / "tiny")


@pytest.fixture
def folder(original, tmp_path):
    """A copy of a tiny model, to be spoilt."""
    return shutil.copytree(original, tmp_path / "tiny")


def edit(path, **changes):
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def refused(name):
    with pytest.raises(UserError) as caught:
        load_model(locate(str(name)))
    assert caught.value.setting == "model_name_or_path"
    assert caught.value.remedy
    assert "\n" not in caught.value.message
    return caught.value.message


def test_weights_come_in_fp32_whatever_they_are_stored_in(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    model = load_model(locate(str(folder)))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_loading_reports_each_weight_and_prints_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    calls = []
    model = load_model(locate(str(folder)), report=lambda *call: calls.append(call))
    count = sum(1 for _ in model.parameters())
    assert calls[-1] == (count, count, "weights")
    assert capfd.readouterr() == ("", "")


def test_loading_can_be_cancelled(folder: Path) -> None:
    def report(done, total, unit):
        if done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        load_model(locate(str(folder)), report=report)


def test_gradient_checkpointing_is_turned_on_without_changing_the_gradients(folder: Path) -> None:
    ids = torch.arange(20)[None]
    gradients = []
    for on in (False, True):
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            model = load_model(locate(str(folder)), gradient_checkpointing=on)
        checkpointed = [layer for layer in model.modules() if getattr(layer, "gradient_checkpointing", False)]
        assert bool(checkpointed) is on
        model.train()
        model.config.attention_dropout = 0.0
        for module in model.modules():
            if hasattr(module, "attention_dropout"):
                module.attention_dropout = 0.0  # type: ignore[assignment]
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        gradients.append(model.model.layers[0].mlp.up_proj.weight.grad)
    torch.testing.assert_close(*gradients)


def test_fault_16_truncated_weights_name_the_file(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert str(file) in refused(folder)


def test_pickles_are_never_opened(folder: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (open, (str(folder / "trapped"), "w"))

    torch.save({"x": Trap()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "pickle" in refused(folder)
    assert not (folder / "trapped").exists()


def test_code_of_a_model_is_never_run(folder: Path) -> None:
    (folder / "modeling_own.py").write_text(f"open({str(folder / 'trapped')!r}, 'w')\nclass Own: pass\n")
    edit(folder / "config.json", model_type="own", auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
    assert "code of its own" in refused(folder)
    assert not (folder / "trapped").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "left to right"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "left to right"),
        ({"model_type": "vit", "architectures": None}, "not a language model"),
        ({"model_type": "not-invented-yet"}, "does not know"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantized"),
        ({"hidden_size": 48}, "can't be loaded"),
    ],
)
def test_what_can_not_be_trained_is_refused(folder: Path, changes: dict[str, Any], words: str) -> None:
    edit(folder / "config.json", **changes)
    assert words in refused(folder)


def test_a_folder_that_is_something_else_says_what(folder: Path, tmp_path: Path) -> None:
    assert "no config.json" in refused(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    shutil.move(folder, run / "final")
    assert "is a run" in refused(run)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    assert "adapter" in refused(adapter)
    (run / "final" / "config.json").write_text("{not json")
    assert "config.json can't be read" in refused(run / "final")


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "model.layers.1.mlp.up_proj.weight" in refused(folder)


@pytest.mark.parametrize(
    ("special", "pad"),
    [
        ({"pad_token": "A"}, "A"),
        ({}, "</s>"),
        ({"eos_token": None}, "<unk>"),
        ({"eos_token": None, "unk_token": None}, "<s>"),
    ],
)
def test_a_missing_padding_token_is_found_among_those_there_are(
    folder: Path, special: dict[str, Any], pad: str
) -> None:
    tiny = tiny_tokenizer(**special)
    tiny.save_pretrained(folder)
    tokenizer = load_tokenizer(locate(str(folder)))
    assert tokenizer.pad_token == pad
    assert len(tokenizer) == len(tiny)
    assert bool(tokenizer_notices(tokenizer)) is (tokenizer.eos_token is None)


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(UserError, match="no tokenizer"):
        load_tokenizer(locate(str(folder)))


def test_a_broken_tokenizer_is_a_plain_error(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="can't be read"):
        load_tokenizer(locate(str(folder)))


def test_tokens_beyond_the_vocabulary_are_refused(folder: Path) -> None:
    tokenizer = load_tokenizer(locate(str(folder)))
    model = load_model(locate(str(folder)), tokenizer=tokenizer)
    tokenizer.add_tokens(["one-too-many"])
    with pytest.raises(UserError, match="embeddings"):
        check_vocabulary(tokenizer, model)


def test_max_length_is_the_models_limit_at_most(tmp_path: Path) -> None:
    from transformers import GPT2Config, LlamaConfig

    def limited(tokens):
        LlamaConfig(max_position_embeddings=tokens).save_pretrained(tmp_path)
        return LocatedModel("limited", tmp_path)

    assert context_length(GPT2Config(n_positions=77)) == 77
    assert resolve_max_length(RunConfig(), limited(100)) == 100
    assert resolve_max_length(RunConfig(), limited(100_000)) == 1024
    assert resolve_max_length(RunConfig(max_length=2000), limited(4096)) == 2000
    with pytest.raises(UserError, match="at most 100") as caught:
        resolve_max_length(RunConfig(max_length=101), limited(100))
    assert caught.value.setting == "max_length"
