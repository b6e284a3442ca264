"""Replies: streamed in whole characters, stopped at once, and without a trace in the model or the random numbers."""

import pickle
import random
import warnings
from typing import Any

import numpy
import pytest
import torch

from tests.tiny_bytes import CONTEXT, tiny_model, tiny_tokenizer
from tui_finetune.chat.engine import Engine
from tui_finetune.chat.generate import generate_text
from tui_finetune.chat.prompts import encode, prepare
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.streaming import TextStream
from tui_finetune.errors import UserError

SHORT = Sampling(max_new_tokens=12, seed=1)
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}"


@pytest.fixture(scope="module")
def engine():
    tokenizer = tiny_tokenizer(pad_token="</s>")
    return Engine(tiny_model(), tokenizer, "tiny")


@pytest.fixture
def scripted(monkeypatch):
    """A function that makes an engine whose model says these tokens, whatever it is asked."""

    def make(tokens):
        model = tiny_model()
        said = iter(tokens)
        forward = model.forward

        def say(*args, **kwargs):
            output = forward(*args, **kwargs)
            output.logits[:, -1] = -1e9
            output.logits[:, -1, next(said)] = 1e9
            return output

        monkeypatch.setattr(model, "forward", say)
        return Engine(model, tiny_tokenizer(pad_token="</s>"), "scripted")

    return make


def test_the_pieces_make_the_reply(engine: Any) -> None:
    pieces: list[str] = []
    reply = engine.reply("Once", SHORT, pieces.append)
    assert "".join(pieces) == reply.text
    assert len(pieces) > 1
    assert (reply.tokens, reply.stopped) == (12, "length")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_gives_the_same_reply_and_none_another(engine: Any, seed: int) -> None:
    sampling = Sampling(max_new_tokens=12, seed=seed, temperature=2.0, top_p=1.0)
    assert engine.reply("Once", sampling).text == engine.reply("Once", sampling).text
    unseeded = {engine.reply("Once", Sampling(max_new_tokens=12, temperature=2.0, top_p=1.0)).text for _ in range(4)}
    assert len(unseeded) > 1


def test_temperature_zero_and_top_k_one_take_the_likeliest(engine: Any) -> None:
    ids = torch.tensor([encode(engine.tokenizer, "Once")])
    with torch.no_grad():
        for _ in range(8):
            ids = torch.cat([ids, engine.model(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
    expected = engine.tokenizer.decode(ids[0, 4:], skip_special_tokens=True)
    for sampling in (Sampling(temperature=0, max_new_tokens=8), Sampling(top_k=1, max_new_tokens=8)):
        assert engine.reply("Once", sampling).text == expected


def test_characters_of_several_tokens_are_passed_on_whole(scripted: Any) -> None:
    text = "añ→🙂b"
    tokens = tiny_tokenizer()(text)["input_ids"]
    assert len(tokens) > len(text)
    pieces: list[str] = []
    reply = scripted([*tokens, 1]).reply("x", Sampling(temperature=0), pieces.append)
    assert pieces == list(text)
    assert (reply.text, reply.tokens, reply.stopped) == (text, len(tokens), "end")


def test_a_character_cut_by_the_length_still_comes_out(scripted: Any) -> None:
    tokens = tiny_tokenizer()("a🙂")["input_ids"]
    reply = scripted(tokens).reply("x", Sampling(temperature=0, max_new_tokens=3))
    assert reply.text == "a\ufffd"


def test_bytes_that_make_no_character_do_not_hold_the_stream_back() -> None:
    tokenizer = tiny_tokenizer()
    continuation = tokenizer("🙂")["input_ids"][1]
    pieces: list[str] = []
    stream = TextStream(tokenizer, [5], pieces.append)
    for _ in range(20):
        stream.add(continuation)
    assert len(pieces) >= 2


def test_it_stops_at_the_end_of_text_token_of_model_or_tokenizer(scripted: Any) -> None:
    letters = tiny_tokenizer()("ab")["input_ids"]
    engine = scripted([*letters, 7, *letters])
    engine.model.generation_config.eos_token_id = [7]
    assert engine.reply("x", Sampling(temperature=0)).text == "ab"
    assert scripted([*letters, 1]).reply("x", Sampling(temperature=0)).stopped == "end"


@pytest.mark.parametrize("after", [0, 1, 5])
def test_cancelling_stops_within_a_token(engine: Any, after: int) -> None:
    asked = iter(range(100))
    reply = engine.reply("Once", Sampling(seed=1), cancelled=lambda: next(asked) >= after)
    assert reply.stopped == "cancelled"
    assert reply.tokens == after


def test_nothing_of_a_training_is_changed(engine: Any) -> None:
    model = engine.model
    model.train()
    model.model.layers[0].eval()
    modes = [module.training for module in model.modules()]
    own = model.generation_config
    model.config.use_cache = False
    torch.manual_seed(3)
    before = (torch.get_rng_state(), random.getstate(), pickle.dumps(numpy.random.get_state()))
    try:
        generate_text(model, engine.tokenizer, "Once", Sampling(max_new_tokens=5))
        assert [module.training for module in model.modules()] == modes
        assert model.generation_config is own
        assert model.config.use_cache is False
        assert torch.equal(before[0], torch.get_rng_state())
        assert before[1:] == (random.getstate(), pickle.dumps(numpy.random.get_state()))
        assert all(parameter.grad is None for parameter in model.parameters())
    finally:
        model.config.use_cache = True
        model.eval()


def test_a_models_own_generation_settings_neither_count_nor_warn(
    engine: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    engine.model.generation_config.update(do_sample=True, top_k=3, temperature=0.1, max_length=20, num_beams=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reply = engine.reply("Once", Sampling(max_new_tokens=30, temperature=0))
    assert reply.tokens == 30
    assert capfd.readouterr() == ("", "")


def test_a_prompt_too_long_loses_its_beginning_and_says_so(engine: Any) -> None:
    reply = engine.reply("z" * 1000, Sampling(max_new_tokens=10, seed=1))
    assert reply.tokens == 10
    assert "left out" in reply.notice
    assert engine.reply("z", SHORT).notice == ""


@pytest.mark.parametrize("asked", [1, 10, CONTEXT, 10 * CONTEXT])
@pytest.mark.parametrize("length", [0, 5, CONTEXT - 1, CONTEXT, 500])
def test_prompt_and_reply_always_fit_into_the_context(asked: Any, length: Any) -> None:
    ready = prepare(tiny_tokenizer(), "q" * length, context=CONTEXT, max_new_tokens=asked)
    assert ready.ids
    assert 1 <= ready.max_new_tokens <= asked
    assert len(ready.ids) + ready.max_new_tokens <= CONTEXT
    assert bool(ready.notice) == (len(ready.ids) < length)


def test_messages_go_through_the_chat_template() -> None:
    tokenizer = tiny_tokenizer()
    messages = [{"role": "user", "content": "hi"}]
    assert tokenizer.decode(encode(tokenizer, messages)) == "hi"
    tokenizer.chat_template = TEMPLATE
    assert tokenizer.decode(encode(tokenizer, messages)) == "<user>hi>"


def test_of_a_long_conversation_whole_messages_go_first_but_not_the_systems() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    messages = [{"role": "system", "content": "S"}] + [
        {"role": role, "content": f"{number}" * 20} for number in range(4) for role in ("user", "assistant")
    ]
    messages.append({"role": "user", "content": "now"})
    ready = prepare(tokenizer, messages, context=CONTEXT, max_new_tokens=60)
    text = tokenizer.decode(ready.ids)
    assert text.startswith("<system>S<user>")
    assert text.endswith("<user>now>")
    assert "messages were left out" in ready.notice


def test_a_template_that_refuses_is_a_plain_error() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(UserError, match="roles must alternate"):
        encode(tokenizer, [{"role": "user", "content": "hi"}])


def test_text_is_continued_exactly_with_the_tokenizers_own_special_tokens() -> None:
    tokenizer = tiny_tokenizer()
    assert encode(tokenizer, "ab") == tokenizer("ab")["input_ids"]
    assert prepare(tokenizer, "", context=None, max_new_tokens=5).ids == [tokenizer.bos_token_id]


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_p": 0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"top_k": 1.5},
        {"max_new_tokens": 0},
        {"repetition_penalty": 0},
        {"seed": -1},
        {"temperature": "hot"},
    ],
)
def test_sampling_out_of_bounds_is_refused_by_name(wrong: Any) -> None:
    with pytest.raises(UserError) as caught:
        Sampling(**wrong)
    assert caught.value.setting == next(iter(wrong))


def test_broken_numbers_are_a_plain_error(engine: Any) -> None:
    weight = engine.model.model.norm.weight
    kept = weight.data.clone()
    weight.data.fill_(float("nan"))
    try:
        with pytest.raises(UserError, match="broken"):
            engine.reply("Once", SHORT)
    finally:
        weight.data.copy_(kept)
