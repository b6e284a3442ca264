"""Chat templates are rendered as transformers renders them, within bounds of time and size."""

from __future__ import annotations

import resource
import time
from typing import Any

import pytest

from tests.chat_templates import GPT_OSS, TEMPLATES, chat_tokenizer
from tui_finetune.data.chat_template.choose import ALPACA, PLAIN
from tui_finetune.errors import UserError
from tui_finetune.models.templates import MAX_SECONDS, Budget, OverBudget, render_template

CALL = {"type": "function", "id": "call00001", "function": {"name": "f", "arguments": {"a": [1, "é"]}}}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind. "},
    {"role": "user", "content": "a ~ b"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nfirst"},
    {"role": "user", "content": "c" * 1000},
    {"role": "assistant", "content": "", "reasoning_content": "why", "tool_calls": [CALL]},
    {"role": "tool", "content": "42", "name": "f"},
    {"role": "assistant", "content": "second"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "Finds.", "parameters": {}}}]

BOMBS = {
    "times": "{{ 'a' * 3000000000 }}",
    "times, later": "{% for m in messages %}{% set x = m.content * 3000000 %}{% endfor %}",
    "list": "{{ ([0] * 3000000000) | length }}",
    "width": "{{ '%1000000000d' % 1 }}",
    "width by argument": "{{ '%*d' % (1000000000, 1) }}",
    "format": "{{ '{:1000000000}'.format(1) }}",
    "format filter": "{{ '%1000000000d' | format(1) }}",
    "indent of JSON": "{{ messages | tojson(indent=100000000) }}",
    "indent": "{{ 'a\nb' | indent(1000000000) }}",
    "center": "{{ 'a' | center(1000000000) }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "time": "{{ strftime_now('%1000000000Y') }}",
    "loops": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "loops over a list": "{% set r = range(100000) | list %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
    "power": "{{ 10 ** (10 ** 9) }}",
    "powers": "{% set n = namespace(x=10) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "doubling": "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "adding": "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
    "join of a map": "{% set a = 'a' * 100000 %}{{ range(99999) | map('string') | join(a) }}",
    "replace": "{% set a = 'a' * 100000 %}{{ a.replace('a', a) }}",
    "replace filter": "{% set a = 'a' * 100000 %}{{ a | replace('a', a) }}",
    "join": "{% set a = 'a' * 100000 %}{{ a | join(a) }}{{ a.join(range(100000) | list | map('string') | list) }}",
    "output": "{% set a = 'a' * 100000 %}{% for i in range(99999) %}{{ a }}{% endfor %}",
    "macro": "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "source": "{# " + "a" * 300_000 + " #}",
}


@pytest.mark.parametrize("name", [*TEMPLATES, "GPT-OSS", "plain", "Alpaca"])
@pytest.mark.parametrize("prompt", [False, True])
def test_s5_ordinary_templates_say_what_transformers_says(name: str, prompt: bool) -> None:
    source = {**TEMPLATES, "GPT-OSS": GPT_OSS, "plain": PLAIN, "Alpaca": ALPACA}[name]
    tokenizer = chat_tokenizer(source)
    for messages in (CHAT, CHAT[1:4], CHAT[1:3]):
        for tools in (None, TOOLS):
            try:
                expected = tokenizer.apply_chat_template(
                    messages, tools=tools, tokenize=False, add_generation_prompt=prompt
                )
            except Exception as error:
                with pytest.raises(type(error)):
                    render_template(tokenizer, source, messages, tools, prompt=prompt)
                continue
            assert render_template(tokenizer, source, messages, tools, prompt=prompt) == expected


@pytest.mark.parametrize("name", BOMBS)
def test_s5_bombs_are_refused_in_time_and_memory(name: str) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises((UserError, RecursionError)) as refused:
        render_template(None, BOMBS[name], CHAT, None, prompt=True)
    if isinstance(refused.value, UserError):
        assert "chat template can't be used" in refused.value.message
    assert time.process_time() - began < MAX_SECONDS + 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


def test_s5_a_long_conversation_is_within_bounds() -> None:
    chat = [{"role": ("user", "assistant")[n % 2], "content": "word " * 2000} for n in range(300)]
    assert len(render_template(None, PLAIN, chat, None, prompt=False)) > 3_000_000


def test_s5_a_budget_counts_time_by_its_clock() -> None:
    now = [0.0]
    budget = Budget(0, clock=lambda: now[0])
    budget.take(1)
    now[0] = MAX_SECONDS + 1
    with pytest.raises(OverBudget, match="too long"):
        budget.take(1)
