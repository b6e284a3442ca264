"""Cross-entropy in chunks is the model's own, forward and backward."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.conftest import Train
from tui_finetune.training import loss as module
from tui_finetune.training.loss import chunked_loss

SIZES = {"vocab_size": 320, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}


def make(kind: str, **more: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    if kind == "gpt2":
        config = AutoConfig.for_model("gpt2", vocab_size=320, n_embd=32, n_layer=2, n_head=2)
    else:
        sizes = {**SIZES, "hidden_size": 32, "intermediate_size": 64, "pad_token_id": 0, **more}
        config = AutoConfig.for_model(kind, **sizes)
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("llama", {}),
        ("gpt2", {}),
        ("qwen3", {"tie_word_embeddings": True}),
        ("granite", {"logits_scaling": 4.0}),
        ("gemma3_text", {"final_logit_softcapping": 5.0}),
        ("cohere", {"logit_scale": 0.25}),
    ],
)
def test_losses_and_gradients_are_the_models_own(
    kind: str, more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "chunk_tokens", lambda vocabulary: 16)
    model = make(kind, **more)
    ids = torch.randint(1, 320, (3, 40))
    labels = torch.where(torch.rand(3, 40) < 0.3, -100, ids)
    batch = {"input_ids": ids, "labels": labels, "position_ids": torch.arange(40).expand(3, 40) % 25}
    whole = model(**batch, use_cache=False).loss
    whole.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    chunked = chunked_loss(model)
    assert chunked is not None
    found = chunked(batch, None)
    found.backward()
    assert found.item() == pytest.approx(whole.item(), rel=1e-6)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-7)
    summed = chunked(batch, 7)
    assert summed.item() == pytest.approx(whole.item() * (labels[:, 1:] != -100).sum().item() / 7, rel=1e-6)


def test_a_model_that_does_something_else_with_its_logits_computes_its_own_loss() -> None:
    model = make("llama")
    original = model.forward

    def forward(**inputs: Any) -> Any:
        output = original(**inputs)
        output.loss = output.loss * 1.5
        return output

    model.forward = forward
    assert chunked_loss(model) is None


@pytest.mark.parametrize("packing", [True, False])
def test_a_run_in_chunks_logs_the_losses_of_one_without(train: Train, packing: bool) -> None:
    settings = {
        "max_steps": 6,
        "eval_strategy": "steps",
        "eval_steps": 3,
        "packing": packing,
    }
    plain = train("plain", chunked_cross_entropy=False, **settings)
    chunked = train("chunked", chunked_cross_entropy=True, **settings)
    assert chunked.outcome.status == "finished", chunked.outcome.error
    assert any("loss in chunks" in event.get("message", "") for event in chunked.events)
    for ours, theirs in ((chunked.losses(), plain.losses()), (chunked.eval_losses(), plain.eval_losses())):
        assert [loss for _, loss in ours] == pytest.approx([loss for _, loss in theirs], rel=1e-6)
