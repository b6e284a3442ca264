"""What is trained on of a conversation is what the assistant says and the token that ends its turn, whatever the template."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from tests.chat_templates import CHATML, ENDS, GPT_OSS, PHI_3, QWEN_3, TEMPLATES, chat_tokenizer
from tui_finetune.data.chat_template.choose import PLAIN, choose_template
from tui_finetune.data.chat_template.render import Renderer
from tui_finetune.data.formats.turns import Message
from tui_finetune.data.segments import Example, Unfit, plain_text
from tui_finetune.data.tokens.tokenize import Encoder

WORDS = ["Hello", " there ", "4.\n\nYes", "naïve 😀", "<b>bold</b>", 'say "no"', "{{ x }}", "a\n", "user", "ß\\n"]


def said(*turns: str) -> list[Message]:
    """A conversation: the user begins, or where the first text says so, the system."""
    roles = itertools.cycle(("user", "assistant"))
    messages = [{"role": "system", "content": turns[0][7:]}] if turns[0].startswith("system:") else []
    return messages + [{"role": next(roles), "content": turn} for turn in turns[len(messages) :]]


def renderer(template: str | None, *, masked: bool = True) -> Renderer:
    tokenizer = chat_tokenizer(template)
    return Renderer(tokenizer, choose_template(tokenizer, "messages"), masked=masked)


def tokenizer_of(maker: Renderer) -> Any:
    return maker.tokenizer


def learned(example: Example) -> list[str]:
    return [segment.text for segment in example if segment.trained]


def written(name: str, replies: list[str]) -> list[str]:
    """What a template of this name makes of the replies, in all but the thoughts."""
    if name in {"Llama 3", "Llama 2", "Gemma"}:
        replies = [reply.strip() for reply in replies]
    if name in {"Llama 2", "Mistral"}:
        replies = [" " + reply for reply in replies]
    if name == "Qwen3":
        replies[-1] = "<think>\n\n</think>\n\n" + replies[-1].lstrip("\n")
    return [reply + ENDS[name] for reply in replies]


def learned_tokens(tokenizer: Any, example: Example) -> list[list[int]]:
    """The runs of tokens that are trained on."""
    [tokens] = Encoder(tokenizer, train_on_eos=True, rendered=True).encode([example])
    groups = itertools.groupby(zip(tokens.ids.tolist(), tokens.trained.tolist(), strict=True), key=lambda pair: pair[1])
    return [[token for token, _ in group] for trained, group in groups if trained]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("system", [False, True])
def test_the_replies_and_their_ends_are_learned_token_by_token(name: str, system: bool) -> None:
    chance = random.Random(name)
    maker = renderer(TEMPLATES[name])
    for turns in (1, 2, 3, 5):
        texts = ["".join(chance.choices(WORDS, k=chance.randint(1, 4))) for _ in range(2 * turns)]
        messages = said(*(["system:Be kind. "] if system else []), *texts)
        example = maker.example(messages, None)
        expected = written(name, texts[1::2])
        assert learned(example) == expected
        own = [tokenizer_of(maker)(text, add_special_tokens=False)["input_ids"] for text in expected]
        assert learned_tokens(tokenizer_of(maker), example) == own
        # The document is the template's own rendering, up to the end of the last reply.
        whole = tokenizer_of(maker).apply_chat_template(messages, tokenize=False)
        assert whole.startswith(plain_text(example))
        assert example[-1].trained


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_learned_begins_where_a_prompt_would_end(name: str) -> None:
    maker = renderer(TEMPLATES[name])
    question = said("What is 2+2?")
    example = maker.example([*question, {"role": "assistant", "content": "4"}], None)
    prompt = tokenizer_of(maker).apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    assert prompt.removesuffix("<think>\n") == example[0].text


def test_thoughts_are_learned_where_the_template_keeps_them() -> None:
    thoughtful = ["<think>\none\n</think>\n\nfirst", "<think>\ntwo\n\nthree\n</think>\n\nsecond"]
    messages = said("a", thoughtful[0], "b", thoughtful[1])
    assert learned(renderer(QWEN_3).example(messages, None)) == ["first<|im_end|>", thoughtful[1] + "<|im_end|>"]
    assert learned(renderer(CHATML).example(messages, None)) == [text + "<|im_end|>" for text in thoughtful]
    dropped = renderer(TEMPLATES["DeepSeek"]).example(messages, None)
    assert learned(dropped) == ["\n\nfirst</s>", "\n\nsecond</s>"]
    apart = [{**message} for message in messages]
    apart[3] |= {"content": "second", "reasoning_content": "two"}
    assert learned(renderer(QWEN_3).example(apart, None))[1] == "<think>\ntwo\n</think>\n\nsecond<|im_end|>"


def call(name: str, **arguments: str) -> Message:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


TOOL_TALK: list[Message] = [
    {"role": "user", "content": "Weather?"},
    call("weather", city="Rome"),
    {"role": "tool", "content": '{"degrees": 20}'},
    {"role": "tool", "content": "<|im_end|>"},
    {"role": "assistant", "content": "<think>\nwarm\n</think>\n\n20 degrees."},
    {"role": "user", "content": "Thanks"},
    {"role": "assistant", "content": "Welcome."},
]


def test_tool_calls_are_learned_and_what_tools_answer_is_not() -> None:
    maker = renderer(QWEN_3)
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    written_call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call><|im_end|>'
    example = maker.example(TOOL_TALK, tools)
    assert learned(example) == [
        written_call,
        "20 degrees.<|im_end|>",
        "<think>\n\n</think>\n\nWelcome.<|im_end|>",
    ]
    assert "# Tools" in example[0].text
    # As long as nothing is asked in between, the thought stays.
    assert learned(maker.example(TOOL_TALK[:5], tools)) == [written_call, TOOL_TALK[4]["content"] + "<|im_end|>"]


def test_channels_are_learned_with_the_reply_and_an_end_that_only_earlier_turns_have_is_not() -> None:
    maker = renderer(GPT_OSS)
    messages = said("system:Be kind.", "a", "b", "c", "d")
    assert learned(maker.example(messages, None)) == [
        "<|channel|>final<|message|>b",
        "<|channel|>final<|message|>d<|return|>",
    ]
    assert tokenizer_of(maker).convert_ids_to_tokens(maker.end_token()) == "<|return|>"
    messages[2]["reasoning_content"], messages[4]["reasoning_content"] = "dropped by the template", "hm"
    thought = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
    assert learned(maker.example(messages, None)) == [
        "<|channel|>final<|message|>b",
        thought + "<|channel|>final<|message|>d<|return|>",
    ]


def test_the_name_of_a_tool_may_be_said_again_where_it_answers() -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    example = renderer(GPT_OSS).example([*TOOL_TALK[:4], {"role": "assistant", "content": "20 degrees."}], tools)
    assert learned(example) == [
        ' to=functions.weather<|channel|>commentary json<|message|>{"city": "Rome"}<|call|>',
        "<|channel|>final<|message|>20 degrees.<|return|>",
    ]
    read = "".join(segment.text for segment in example if not segment.trained)
    assert '<|start|>functions.weather to=assistant<|channel|>commentary<|message|>"{\\"degrees\\": 20}"<|end|>' in read


def test_the_name_of_a_tool_twice_in_its_call_is_refused() -> None:
    template = """\
{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' + m.content }}
{%- for c in m.tool_calls or [] -%}
{{ '<call ' + c.function.name + '>' + c.function.arguments | tojson + '</call ' + c.function.name + '>' }}
{%- endfor -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""
    with pytest.raises(Unfit, match="can't be followed"):
        renderer(template).example(TOOL_TALK, None)


@pytest.mark.parametrize("name", ["Llama 2", "Mistral", "Gemma", "Zephyr", "ChatML", None])
def test_a_template_without_tools_gets_them_in_writing(name: str | None) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    example = renderer(TEMPLATES[name] if name else None).example(TOOL_TALK, tools)
    assert '{"name": "weather", "arguments": {"city": "Rome"}}' in learned(example)[0]
    read = "".join(segment.text for segment in example if not segment.trained)
    assert '"name": "weather", "parameters"' in read
    assert '{"degrees": 20}' in read
    assert len(learned(example)) == 3


@pytest.mark.parametrize("name", [*TEMPLATES, None])
def test_a_conversation_that_is_learned_whole_is_the_same_text(name: str | None) -> None:
    template = TEMPLATES[name] if name else None
    messages = said("system:Be kind.", "Hi", "Hello", "Bye", "See you")
    masked, whole = (renderer(template, masked=masked).example(messages, None) for masked in (True, False))
    assert [segment.trained for segment in whole] == [True]
    assert plain_text(masked) == plain_text(whole)


def test_turns_marked_as_not_to_be_learned_are_only_read() -> None:
    messages = said("a", "first", "b", "second")
    messages[1]["trained"] = False
    assert learned(renderer(CHATML).example(messages, None)) == ["second<|im_end|>"]


def test_the_plain_template_ends_every_reply_with_the_end_of_text_token() -> None:
    example = renderer(None).example(said("system:Be kind.", " Hi\n", "Hello ", "Bye", "See you"), None)
    assert plain_text(example) == (
        "Be kind.\n\n### User:\nHi\n\n### Assistant:\nHello</s>\n\n### User:\nBye\n\n### Assistant:\nSee you</s>"
    )
    assert learned(example) == ["Hello</s>", "See you</s>"]
    tokenizer = chat_tokenizer(PLAIN)
    prompt = tokenizer.apply_chat_template(said("Hi"), tokenize=False, add_generation_prompt=True)
    assert prompt == "### User:\nHi\n\n### Assistant:\n"


def test_a_template_without_an_end_gets_the_end_of_text_token_once() -> None:
    template = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}"
    template += "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    assert learned(renderer(template).example(said("a", "b", "c", "d"), None)) == ["b", "d</s>"]


def test_an_end_of_two_tokens_is_learned_whole() -> None:
    maker = renderer(CHATML.replace("<|im_end|>", "<|end|><|eot_id|>"))
    assert learned(maker.example(said("a", "b", "c", "d"), None)) == ["b<|end|><|eot_id|>", "d<|end|><|eot_id|>"]
    assert tokenizer_of(maker).convert_ids_to_tokens(maker.end_token()) == "<|eot_id|>"


def test_an_end_in_words_belongs_to_the_reply() -> None:
    template = "{% for m in messages %}{{ m.role + ': ' + m.content + ' ###\\n' }}{% endfor %}"
    template += "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    assert learned(renderer(template).example(said("a", "b", "c", "d"), None)) == ["b ###", "d ###"]


@pytest.mark.parametrize(
    ("template", "messages", "what"),
    [
        # A reply that is changed, one that is shown twice, one that is left out, one that is refused.
        (CHATML.replace("m.content", "m.content | upper"), said("a", "b"), "can't be followed"),
        (CHATML.replace("m.content", "m.content + m.content"), said("a", "b"), "can't be followed"),
        (CHATML.replace("m.content", "m.content[:3]"), said("a", "longer"), "can't be followed"),
        (
            CHATML.replace("for m in messages", "for m in messages[-1:]"),
            said("a", "b"),
            "a user turn that the chat template",
        ),
        (CHATML.replace("m.content", "m.content.replace('e', '')"), said("a", "here"), "can't be followed"),
        (
            TEMPLATES["Mistral"].replace("{%- else -%}", "{{ raise_exception('no more') }}{%- else -%}"),
            said("a", "b"),
            "refuses (no more)",
        ),
    ],
)
def test_what_cannot_be_followed_exactly_is_refused_not_guessed(
    template: str, messages: list[Message], what: str
) -> None:
    with pytest.raises(Unfit, match=what.replace("(", r"\(").replace(")", r"\)")):
        renderer(template).example(messages, None)


def test_a_text_that_the_template_treats_by_its_content_is_followed_too() -> None:
    template = CHATML.replace("m.content", "('!' if m.content == 'shout' else '') + m.content")
    maker = renderer(template)
    assert learned(maker.example(said("a", "b", "shout", "d"), None)) == ["b<|im_end|>", "d<|im_end|>"]


def test_words_of_the_template_in_the_texts_mislead_nothing() -> None:
    tricky = "<|im_end|>\n<|im_start|>assistant\nNo"
    messages = said(tricky, "Yes" + tricky, tricky, "Yes")
    assert learned(renderer(CHATML).example(messages, None)) == [f"Yes{tricky}<|im_end|>", "Yes<|im_end|>"]


def test_the_end_token_is_told_so_that_generation_stops_there() -> None:
    for name, template in TEMPLATES.items():
        maker = renderer(template)
        assert tokenizer_of(maker).convert_ids_to_tokens(maker.end_token()) == ENDS[name].strip()
    assert renderer(PHI_3).end_token() != chat_tokenizer(PHI_3).eos_token_id


@pytest.mark.parametrize("trim", [False, True])
def test_spaces_are_learned_also_where_a_tokenizer_gives_them_no_place(trim: bool) -> None:
    from tokenizers import processors

    tokenizer = chat_tokenizer(CHATML)
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim)
    maker = Renderer(tokenizer, choose_template(tokenizer, "messages"))
    text = "a  \n b 😀 "
    example = maker.example(said(" hm ", text), None)
    own = tokenizer(text + "<|im_end|>", add_special_tokens=False)["input_ids"]
    assert learned_tokens(tokenizer, example) == [own]
