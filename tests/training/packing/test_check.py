"""Packed documents are computed as if each were alone, by every architecture that packing is used with."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from tests.training.conftest import Train
from tui_finetune.data.tokens.collate import PackedCollator
from tui_finetune.data.tokens.pack import pack
from tui_finetune.data.tokens.tokenize import Tokens
from tui_finetune.models.loading import turn_on_checkpointing
from tui_finetune.training.packing import attention as document_attention
from tui_finetune.training.packing.attention import attention_by_document, find_spans
from tui_finetune.training.packing.check import keeps_documents_apart

VOCABULARY = 120
ROW = 48
WINDOW = 8
"""Shorter than most of the documents."""

USUAL: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
HEADS = {**USUAL, "head_dim": 8}
GPT_2: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 0,
    "eos_token_id": 1,
}  # fmt: skip
ONE_OF_EACH = ["sliding_attention", "full_attention"]

APART: dict[str, Callable[[], Any]] = {
    "Llama": lambda: transformers.LlamaConfig(**USUAL),
    "Qwen3": lambda: transformers.Qwen3Config(**HEADS),
    "Qwen3, sliding": lambda: transformers.Qwen3Config(
        **HEADS, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1
    ),
    "Gemma 3": lambda: transformers.Gemma3TextConfig(**HEADS, sliding_window=64, layer_types=ONE_OF_EACH),
    "Gemma 3, sliding": lambda: transformers.Gemma3TextConfig(**HEADS, sliding_window=WINDOW, layer_types=ONE_OF_EACH),
    "GPT-2": lambda: transformers.GPT2Config(**GPT_2),
    "GPT-NeoX": lambda: transformers.GPTNeoXConfig(**{k: v for k, v in USUAL.items() if k != "num_key_value_heads"}),
    "Mistral": lambda: transformers.MistralConfig(**USUAL, sliding_window=None),
    "Mistral, sliding": lambda: transformers.MistralConfig(**USUAL, sliding_window=WINDOW),
    "Phi-3": lambda: transformers.Phi3Config(**USUAL),
    "Phi-3, sliding": lambda: transformers.Phi3Config(**USUAL, sliding_window=WINDOW),
}

TOGETHER: dict[str, Callable[[], Any]] = {
    # Positions by distance, by counting the mask, by a convolution beside the attention, by a state, none at all.
    "BLOOM": lambda: transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4),
    "OPT": lambda: transformers.OPTConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, ffn_dim=64, num_attention_heads=4,
        max_position_embeddings=64, word_embed_proj_dim=32,
    ),
    "LFM2": lambda: transformers.Lfm2Config(**USUAL, layer_types=["conv", "full_attention"]),
    "Mamba": lambda: transformers.MambaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4
    ),
    "MPT": lambda: transformers.MptConfig(d_model=32, n_heads=4, n_layers=2, vocab_size=VOCABULARY, max_seq_len=64),
}  # fmt: skip


def model_of(config: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config).eval()


def packed_batch() -> dict[str, torch.Tensor]:
    """A batch of several rows of several documents each, the last rows filled up."""
    rng = random.Random(0)
    documents = []
    for _ in range(14):
        ids = [rng.randrange(2, VOCABULARY) for _ in range(rng.randint(2, 30))]
        documents.append(Tokens(np.array(ids, np.int32), np.ones(len(ids), np.bool_)))
    return PackedCollator(0)([row._asdict() for row in pack(documents, ROW)])


def largest_difference(model: Any) -> float:
    """Between the logits of the packed batch and those of each document alone. The filling is a document like others."""
    batch = packed_batch()
    assert len(batch["input_ids"]) > 2
    worst, longest = 0.0, 0
    with torch.no_grad():
        together = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        for row, positions in enumerate(batch["position_ids"].numpy()):
            for begin, end in itertools.pairwise([*np.flatnonzero(positions == 0), len(positions)]):
                alone = model(input_ids=batch["input_ids"][row : row + 1, begin:end], use_cache=False).logits[0]
                worst = max(worst, float((together[row, begin:end] - alone).abs().max()))
                longest = max(longest, end - begin)
    assert longest > 3 * WINDOW
    return worst


@pytest.mark.parametrize("name", APART)
def test_packed_logits_are_those_of_each_document_alone(name: str) -> None:
    model = model_of(APART[name]())
    assert largest_difference(model) <= 1e-5
    assert keeps_documents_apart(model, VOCABULARY)


@pytest.mark.parametrize("name", APART)
def test_attention_by_document_gives_the_same_logits_and_gradients(name: str, taken_apart: list[int]) -> None:
    model = model_of(APART[name]())
    batch = packed_batch()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        model(**batch, use_cache=False).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    usual = gradients()
    assert not taken_apart
    with attention_by_document():
        for ours, theirs in zip(gradients(), usual, strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    # Rows of several documents each; a window that is shorter than they are leaves them to the usual attention.
    assert len(taken_apart) == 2 if "sliding" not in name else len(taken_apart) < 2
    assert all(count > len(batch["input_ids"]) for count in taken_apart)
    with attention_by_document():
        assert largest_difference(model) <= 1e-5
        assert keeps_documents_apart(model, VOCABULARY)
    assert all(torch.equal(*pair) for pair in zip(gradients(), usual, strict=True))


def test_gradient_checkpointing_computes_the_same_by_document(taken_apart: list[int]) -> None:
    model = model_of(APART["Llama"]()).train()
    batch = packed_batch()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        model(**batch, use_cache=False).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    with attention_by_document():
        usual = gradients()
        turn_on_checkpointing(model, "the model")
        assert all(torch.equal(*pair) for pair in zip(gradients(), usual, strict=True))
    assert len(taken_apart) == 2 + 4  # each layer anew


@pytest.mark.skipif(not hasattr(transformers, "DeepseekV32Config"), reason="this transformers does not know it")
def test_a_model_that_attends_to_few_tokens_still_does_so_by_document() -> None:
    """DeepSeek V3.2 chooses the tokens that it looks at by the name of its attention."""
    model = model_of(
        transformers.DeepseekV32Config(
            **{**USUAL, "num_key_value_heads": 4},
            index_topk=4,
            q_lora_rank=16,
            kv_lora_rank=16,
            qk_rope_head_dim=8,
            qk_nope_head_dim=8,
            v_head_dim=8,
            moe_intermediate_size=32,
            n_routed_experts=4,
            num_experts_per_tok=2,
            n_group=1,
            topk_group=1,
            first_k_dense_replace=1,
            n_shared_experts=1,
            index_n_heads=2,
            index_head_dim=16,
        )
    )
    batch = packed_batch()
    with torch.no_grad():
        usual = model(**batch, use_cache=False).logits
        with attention_by_document():
            assert torch.equal(model(**batch, use_cache=False).logits, usual)


def test_generation_and_what_is_saved_know_nothing_of_it(tmp_path: Any) -> None:
    model = model_of(APART["Llama"]())
    prompts = torch.tensor([[0, 0, 5, 6], [7, 8, 9, 10]])
    asked = {"input_ids": prompts, "attention_mask": (prompts > 0).long(), "max_new_tokens": 6, "do_sample": False}
    usual = model.generate(**asked)
    with attention_by_document():
        assert torch.equal(model.generate(**asked), usual)
        model.save_pretrained(tmp_path)
    assert torch.equal(AutoModelForCausalLM.from_pretrained(tmp_path).generate(**asked), usual)


@pytest.fixture
def taken_apart(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of spans of each attention that was computed by document."""
    counts: list[int] = []
    find = document_attention._spans

    def noted(*args: Any) -> Any:
        spans = find(*args)
        if spans is not None:
            counts.append(len(spans))
        return spans

    monkeypatch.setattr(document_attention, "_spans", noted)
    return counts


def mask_of(*rows: list[int]) -> torch.Tensor:
    """The mask of rows of documents of these lengths."""
    documents = torch.tensor([[n for n, length in enumerate(row) for _ in range(length)] for row in rows])
    return (documents[:, :, None] == documents[:, None, :]).tril()


def test_spans_are_the_documents_and_short_ones_are_computed_with_their_neighbors() -> None:
    spans = find_spans(mask_of([40, 24, 32], [96], [2, 3, 50, 4, 37]))
    assert spans is not None
    assert [(span.row, span.start, span.end, span.masked) for span in spans] == [
        (0, 0, 40, False),
        (0, 40, 64, False),
        (0, 64, 96, False),
        (1, 0, 96, False),
        (2, 0, 59, True),
        (2, 59, 96, False),
    ]


def test_masks_of_other_shapes_are_left_alone() -> None:
    window = mask_of([6, 10]).triu(-3)
    assert find_spans(window) is None
    sees_the_future = mask_of([6, 10]).clone()
    sees_the_future[0, 1, 2] = True
    assert find_spans(sees_the_future) is None
    sees_nothing = mask_of([6, 10]).clone()
    sees_nothing[0, 7] = False
    assert find_spans(sees_nothing) is None


@pytest.mark.parametrize("name", TOGETHER)
def test_models_that_mix_packed_documents_are_found_out(name: str) -> None:
    model = model_of(TOGETHER[name]())
    assert largest_difference(model) > 1e-5
    assert not keeps_documents_apart(model, VOCABULARY)


def test_the_check_leaves_the_model_in_its_mode_and_the_random_numbers_alone() -> None:
    model = model_of(APART["Llama"]()).train()
    before = torch.get_rng_state()
    assert keeps_documents_apart(model, VOCABULARY)
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_training_computes_the_loss_of_each_document_alone(train: Train, place: Path, tmp_path: Path) -> None:
    """What Trainer itself does to the model and the batch on the way: a cache that is left on mixes documents."""
    from tests.tiny import make_model

    folder = make_model(tmp_path / "model", dropout=0.0)
    trained = train(
        model_name_or_path=str(folder),
        per_device_train_batch_size=64,
        per_device_eval_batch_size=64,
        gradient_accumulation_steps=1,
        max_steps=1,
        validation_split=0.5,
        eval_strategy="steps",
        eval_steps=1,
        learning_rate=1e-12,
        excess_length_strategy="drop",
    )
    [(_, loss)], [(_, eval_loss)] = trained.losses(), trained.eval_losses()
    [losses, eval_losses] = _losses_alone(folder, place, trained)
    assert loss == pytest.approx(losses, abs=1e-4)
    assert eval_loss == pytest.approx(eval_losses, abs=1e-4)
    assert abs(losses - eval_losses) > 1e-3, "the two can't be told apart"


def _losses_alone(folder: Any, place: Any, trained: Any) -> list[float]:
    """The mean loss of a token of the training and of the evaluation rows, each document computed alone."""
    from transformers import AutoTokenizer

    from tui_finetune.data.open import open_dataset
    from tui_finetune.data.prepare import prepare

    config = trained.run.read_config()
    data = prepare(open_dataset(config), config, AutoTokenizer.from_pretrained(folder), config.max_length)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    means = []
    assert data.evaluation is not None
    for rows in (data.train, data.evaluation):
        total = tokens = 0.0
        for row in rows:
            starts = [*np.flatnonzero(row["position_ids"] == 0), len(row["input_ids"])]
            for begin, end in itertools.pairwise(starts):
                if end - begin > 1:
                    ids = torch.from_numpy(row["input_ids"][begin:end].astype(np.int64)).unsqueeze(0)
                    total += float(model(input_ids=ids, labels=ids).loss.detach()) * (end - begin - 1)
                    tokens += end - begin - 1
        means.append(total / tokens)
    return means
