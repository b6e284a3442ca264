"""Greedy text is that of `model.generate`, token for token, also where what was read in earlier turns is not read again."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.chat.batches import expected_tokens
from tui_finetune.chat.conversation import Conversation
from tui_finetune.chat.engine import Engine, replies
from tui_finetune.chat.prompts import encode
from tui_finetune.chat.reply import mean_loss
from tui_finetune.chat.sampling import Sampling
from tui_finetune.config.schema import STARTER
from tui_finetune.models.located import locate

SMALL: dict[str, Any] = {
    "vocab_size": 260,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 16},
    "phi3": {"num_key_value_heads": 2},
    "gpt_neox": {},
    "falcon": {},
    "bloom": {"n_head": 4, "n_layer": 2},
    "olmo2": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 32},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "mamba": {"state_size": 4},
}
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
GREEDY = Sampling(temperature=0, max_new_tokens=14)


def make(architecture: str) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    given = {**SMALL, **ARCHITECTURES[architecture]}
    if architecture in {"gpt2", "bloom"}:
        del given["num_hidden_layers"], given["num_attention_heads"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **given))
    for parameter in model.parameters():
        parameter.data.mul_(3)  # so that the likeliest token is another one each time
    tokenizer = tiny_tokenizer(pad_token="</s>")
    tokenizer.chat_template = TEMPLATE
    return Engine(model.eval(), tokenizer, architecture)


def generated(engine: Any, prompt: Any) -> str:
    """What transformers itself writes."""
    ids = torch.tensor([encode(engine.tokenizer, prompt)])
    with torch.no_grad():
        out = engine.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=14)
    return str(engine.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_five_turns_with_the_kept_cache_are_those_of_generate(architecture: str) -> None:
    engine, conversation = make(architecture), Conversation("turns", system="Be brief.")
    from_cache = []
    for turn in range(5):
        words = f"What is {turn}?"
        prompt = conversation.prompt_for(words)
        reply = engine.reply(prompt, GREEDY)
        assert reply.text == generated(engine, prompt)
        from_cache.append(reply.from_cache)
        conversation.keep(words, reply.text)
    assert from_cache[0] == 0
    if architecture not in {"gemma3_text", "mistral", "mamba"}:  # these can't go back, where a byte was no character
        assert min(from_cache[1:]) > 10


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "mamba"])
def test_another_conversation_between_changes_nothing(architecture: str) -> None:
    engine = make(architecture)
    first = engine.reply("The old lamp", GREEDY).text
    engine.reply("The old ship came home", GREEDY)
    assert engine.reply("The old lamp", GREEDY).text == first == generated(engine, "The old lamp")


def test_two_models_that_write_at_once_write_what_each_writes_alone() -> None:
    one, other = make("llama"), make("gpt2")
    alone = [engine.reply("The old lamp", GREEDY).text for engine in (one, other)]
    pieces: list[list[str]] = [[], []]
    both = replies([one, other], "The old lamp", GREEDY, [pieces[0].append, pieces[1].append])
    assert [reply.text for reply in both] == alone == ["".join(told) for told in pieces]


def test_two_of_the_same_model_draw_the_same_without_a_seed_being_given() -> None:
    one, other = make("llama"), make("llama")
    both = replies([one, other], "The old lamp", Sampling(temperature=1.5, max_new_tokens=20), [None, None])
    assert both[0].text == both[1].text


def test_the_probabilities_of_a_reply_are_those_of_the_model() -> None:
    engine = make("llama")
    reply = engine.reply("The old lamp", Sampling(temperature=1.3, top_k=5, seed=4, max_new_tokens=6))
    tokens = reply.inside()
    assert len(tokens) == reply.tokens
    ids = torch.tensor([encode(engine.tokenizer, "The old lamp")])
    with torch.no_grad():
        expected = torch.softmax(engine.model(ids).logits[0, -1], -1)
    best = tokens[0].likeliest[0]
    assert best[1] == pytest.approx(float(expected.max()), rel=1e-4)
    assert [value for _, value in tokens[0].likeliest] == sorted((v for _, v in tokens[0].likeliest), reverse=True)
    assert dict(tokens[0].likeliest).get(tokens[0].text, tokens[0].probability) == pytest.approx(tokens[0].probability)
    assert "".join(token.text for token in tokens if "\ufffd" not in token.text)


def test_a_reply_that_was_cut_is_gone_on_with_as_if_it_had_not_been() -> None:
    # Of a model that was never trained half a character may be left, which is no text to continue.
    engine, conversation = Engine.load(locate(STARTER)), Conversation("turns")
    whole = engine.reply(conversation.prompt_for("What?"), Sampling(temperature=0, max_new_tokens=12)).text
    half = engine.reply(conversation.prompt_for("What?"), Sampling(temperature=0, max_new_tokens=6)).text
    assert 0 < len(half) < len(whole)
    conversation.keep("What?", half)
    rest = engine.reply(conversation.prompt_for(""), Sampling(temperature=0, max_new_tokens=6))
    conversation.keep("", rest.text)
    assert half + rest.text == whole
    assert conversation.messages[-1]["content"] == whole


def test_min_p_leaves_out_what_is_far_less_likely_than_the_likeliest() -> None:
    engine = make("llama")
    greedy = engine.reply("The old lamp", GREEDY).text
    assert engine.reply("The old lamp", Sampling(temperature=2, top_p=1, min_p=1.0, max_new_tokens=14)).text == greedy


def test_the_token_that_ends_a_turn_of_the_template_ends_the_reply() -> None:
    from tui_finetune.chat.generate import end_tokens

    engine = make("llama")
    engine.tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    engine.tokenizer.chat_template = TEMPLATE.replace("</s>", "<|end|>")
    end = engine.tokenizer.convert_tokens_to_ids("<|end|>")
    assert end in end_tokens(engine.model, engine.tokenizer, turns=True)
    assert end not in end_tokens(engine.model, engine.tokenizer, turns=False)


def test_an_expected_answer_has_the_loss_of_its_tokens() -> None:
    engine = make("llama")
    tokens = expected_tokens(engine, "The old lamp", " was lit again")
    prompt, expected = (encode(engine.tokenizer, "The old lamp"), engine.tokenizer(" was lit again").input_ids)
    with torch.no_grad():
        labels = torch.tensor([[-100] * len(prompt) + expected])
        loss = engine.model(torch.tensor([[*prompt, *expected]]), labels=labels).loss
    assert mean_loss(tokens) == pytest.approx(float(loss), rel=1e-5)
    assert "".join(token.text for token in tokens) == " was lit again"
    assert expected_tokens(engine, "lamp " * 600, "lit") == ()
    assert mean_loss(()) is None
