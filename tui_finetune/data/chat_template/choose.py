"""Chat templates: the model's own, or a plain one for models that have none, which is saved with the tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui_finetune.data.formats.turns import Message, Tools
from tui_finetune.models.templates import render_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLAIN = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] | trim + '\\n\\n' }}
{%- elif message['role'] == 'assistant' -%}
{{ '### Assistant:\\n' + message['content'] | trim }}{{ eos_token }}{{ '\\n\\n' }}
{%- elif message['role'] == 'tool' -%}
{{ '### Tool:\\n' + message['content'] | trim + '\\n\\n' }}
{%- else -%}
{{ '### User:\\n' + message['content'] | trim + '\\n\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '### Assistant:\\n' }}
{%- endif -%}
"""
"""Who speaks stands in a line of its own, and every reply ends with the end-of-text token."""

ALPACA = """\
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{ message['content'] | trim + '\\n\\n' }}
{%- elif message['role'] == 'assistant' -%}
{{ '### Response:\\n' + message['content'] | trim }}{{ eos_token }}{{ '\\n\\n' }}
{%- else -%}
{%- if loop.first -%}
{%- if message['input'] -%}
{{ 'Below is an instruction that describes a task, paired with an input that provides further context. ' }}
{%- else -%}
{{ 'Below is an instruction that describes a task. ' }}
{%- endif -%}
{{ 'Write a response that appropriately completes the request.\\n\\n' }}
{%- endif -%}
{{ '### Instruction:\\n' + message['content'] | trim + '\\n\\n' }}
{%- if message['input'] -%}
{{ '### Input:\\n' + message['input'] | trim + '\\n\\n' }}
{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '### Response:\\n' }}
{%- endif -%}
"""
"""The prompts that the Stanford Alpaca models were trained with, word for word, as a template of turns."""


@dataclass(frozen=True)
class ChatTemplate:
    """How conversations are put into words.

    Attributes:
        source: the template, in Jinja.
        words: what it is, in words.
        own: whether the model brings it; if not, it is to be saved with the tokenizer.
        takes_input: whether a user's message may have an `input` of its own.
    """

    source: str
    words: str
    own: bool
    takes_input: bool = False


def choose_template(
    tokenizer: PreTrainedTokenizerBase | None, format_name: str, *, tools: bool = False
) -> ChatTemplate:
    """The model's own chat template; for a model without one, Alpaca's for alpaca data and the plain one for the rest.

    Args:
        tokenizer: None if there is none yet.
        format_name: the data's format.
        tools: whether there are tools: some models have a template of their own for these.
    """
    if tokenizer is not None and getattr(tokenizer, "chat_template", None):
        own = tokenizer.get_chat_template(None, tools=[{}] if tools else None)
        return ChatTemplate(own, "formatted with the model's chat template", own=True)
    if format_name == "alpaca":
        source, words, takes_input = ALPACA, "formatted with Alpaca's prompts", True
    else:
        source, words, takes_input = PLAIN, "formatted with a plain template (### User:, ### Assistant:)", False
    # A template stands for the whole text: what the tokenizer itself puts before a text is in it.
    bos = getattr(tokenizer, "bos_token_id", None)
    if tokenizer is not None and bos is not None and tokenizer("a")["input_ids"][:1] == [bos]:
        source = "{{ bos_token }}" + source
    return ChatTemplate(source, f"{words}, as the model has no chat template", own=False, takes_input=takes_input)


def render(
    tokenizer: PreTrainedTokenizerBase | None,
    template: str,
    messages: Sequence[Message],
    tools: Tools | None,
    *,
    prompt: bool,
) -> str:
    """A conversation in words.

    Args:
        tokenizer: for its special tokens; may be None.
        template: in Jinja.
        messages: what is said.
        tools: definitions of tools; may be None.
        prompt: whether it ends where the assistant begins.

    Raises:
        UserError: the template takes too much time or memory.
        Exception: whatever the template raises.
    """
    if "thinking" in template and "reasoning_content" not in template:
        # gpt-oss calls thoughts so.
        thoughts = {"reasoning_content": "thinking"}
        messages = [{thoughts.get(key, key): value for key, value in message.items()} for message in messages]
    return render_template(tokenizer, template, messages, tools, prompt=prompt)
