"""What models there are and what is known of them, without torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_model
from tui_finetune.errors import UserError
from tui_finetune.models.catalog import (
    list_models,
    model_facts,
    model_settings,
)
from tui_finetune.models.facts import ModelFacts, facts_from, is_causal
from tui_finetune.models.hub import cache_dir


def facts_of(folder: Path) -> ModelFacts:
    """What is known of a model that is known."""
    facts = model_facts(str(folder))
    assert facts is not None
    return facts


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("catalog") / "tiny", "gpt2")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty hub cache of this test's own; gives a function that puts a model into it."""
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HUGGINGFACE_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))

    def put(name, config):
        repository = cache_dir() / f"models--{name.replace('/', '--')}"
        folder = repository / "snapshots" / "abc123"
        folder.mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("abc123")
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return put


def test_the_light_modules_load_no_heavy_ones() -> None:
    code = (
        "import sys, pathlib\n"
        "from tui_finetune.models import catalog, devices\nfrom tui_finetune.planning import estimate\n"
        "from tui_finetune.chat import sampling, targets\n"
        "catalog.list_models(pathlib.Path('.'))\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'huggingface_hub', 'textual') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_facts_of_a_folder_are_those_of_the_model(tiny: Any) -> None:
    from transformers import AutoModelForCausalLM

    facts = facts_of(tiny)
    model = AutoModelForCausalLM.from_pretrained(tiny)
    assert facts.parameters == model.num_parameters()
    assert (facts.context_length, facts.layers, facts.hidden_size, facts.heads) == (64, 2, 32, 2)
    assert (facts.architecture, facts.model_type, facts.dtype) == ("GPT2LMHeadModel", "gpt2", "F32")
    assert facts.bytes == (tiny / "model.safetensors").stat().st_size
    assert facts.is_causal_lm
    assert facts.attention_dropout


def test_parameters_follow_from_the_shapes_where_there_are_no_weights(tiny: Any) -> None:
    config = json.loads((tiny / "config.json").read_text())
    exact = facts_of(tiny).parameters
    assert facts_from("x", config).parameters == pytest.approx(exact, rel=0.03)
    qwen = {
        "model_type": "qwen3",
        "hidden_size": 1024,
        "num_hidden_layers": 28,
        "vocab_size": 151936,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 3072,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
    }
    assert facts_from("x", qwen).parameters == pytest.approx(596_049_920, rel=0.001)
    assert facts_from("x", {}).parameters is None


@pytest.mark.parametrize(
    ("card", "license"),
    [
        ("---\nlicense: mit\n---\nhello", "mit"),
        ("---\nlicense: other\nlicense_name: my-own\n---\n", "my-own"),
        ("---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0"),
        ("no front matter\n---\nlicense: mit\n---", None),
        ("---\nlicense: [\n---\n", None),
        ("---\nlicense: mit\n", None),
    ],
)
def test_license_is_read_from_the_model_card(tmp_path: Path, card: str, license: str | None) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "README.md").write_text(card)
    assert facts_of(tmp_path).license == license


def test_chat_template_is_seen_in_each_of_its_places(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert not facts_of(tmp_path).chat_template
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    assert facts_of(tmp_path).chat_template
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "chat_template.jinja").write_text("x")
    assert facts_of(tmp_path).chat_template


@pytest.mark.parametrize(
    ("config", "causal"),
    [
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, True),
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, True),
        ({"model_type": "llama"}, True),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, False),
        ({"model_type": "bert", "architectures": ["BertLMHeadModel"], "is_decoder": True}, True),
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, False),
        ({"model_type": "gpt2", "architectures": ["GPT2ForSequenceClassification"]}, False),
        ({"model_type": "vit", "architectures": ["ViTForImageClassification"]}, False),
    ],
)
def test_encoders_are_told_from_causal_models(config: dict[str, Any], causal: bool) -> None:
    assert is_causal(config) is causal


def test_starter_folders_runs_and_cache_are_listed(tmp_path: Path, cache: Any) -> None:
    for place in ("mine", "models/other", "runs/first/final", "runs/second"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("mine", "models/other", "runs/first/final"):
        (tmp_path / place / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 99}')
    cache("someone/small", {"model_type": "gpt2", "n_positions": 77})
    found = {entry.name: entry for entry in list_models(tmp_path)}
    assert list(found) == ["starter", "./mine", "./models/other", "./runs/first/final", "someone/small"]
    assert [entry.source for entry in found.values()] == ["starter", "local", "local", "local", "cache"]
    assert "77 tokens" in found["someone/small"].summary
    assert "first" in found["./runs/first/final"].summary


def test_a_broken_cache_does_not_disturb_the_list(tmp_path: Path, cache: Any) -> None:
    cache("someone/small", {"model_type": "gpt2"})
    broken = cache_dir() / "models--no--refs"
    (broken / "snapshots").mkdir(parents=True)
    (cache_dir() / "models--a-file").write_text("")
    assert [e.name for e in list_models(tmp_path) if e.source == "cache"] == ["someone/small"]


def test_a_hub_name_that_is_not_here_has_no_facts(cache: Any) -> None:
    assert model_facts("nobody/nothing") is None


def test_a_model_may_suggest_settings_for_learning_only(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert model_settings(str(tmp_path)) == {}
    (tmp_path / "finetune-tui.yaml").write_text("lr: 0.002\n")
    assert model_settings(str(tmp_path)) == {"learning_rate": 0.002}
    (tmp_path / "finetune-tui.yaml").write_text("output_dir: /somewhere\n")
    with pytest.raises(UserError, match="can't set 'output_dir'"):
        model_settings(str(tmp_path))


def test_s3_the_front_matter_of_a_model_card_is_no_bomb(tmp_path: Path) -> None:
    from tests.tiny import make_model

    model = make_model(tmp_path / "m")
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    card = "\n".join(["---", *levels, "license:", "- mit", "- apache-2.0", "---", "# A model"])
    (model / "README.md").write_text(card)
    facts = model_facts(str(model))
    assert facts is not None
    assert facts.license == "mit, apache-2.0"
    (model / "README.md").write_text("---\nlicense: *a\n---\n")
    facts = model_facts(str(model))
    assert facts is not None
    assert facts.license is None
