"""Chat templates of the shapes that well-known models have, written short, and a tokenizer that knows their tokens.

Each has what makes its kind hard: trimmed texts, a system's message inside the first or the last question, thoughts that
disappear from earlier turns, no generation prompt, an error for turns out of order, an end that only the last turn has.
"""

from __future__ import annotations

from typing import Any

from tests.tiny_bytes import tiny_tokenizer

CHATML = """\
{%- for m in messages -%}
{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""

LLAMA_3 = """\
{{- bos_token }}
{%- for m in messages -%}
{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif -%}
"""

LLAMA_2 = """\
{%- set ns = namespace(system='', rest=messages) -%}
{%- if messages[0].role == 'system' -%}
{%- set ns.system = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' -%}
{%- set ns.rest = messages[1:] -%}
{%- endif -%}
{%- for m in ns.rest -%}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns must alternate') }}{% endif -%}
{%- if m.role == 'user' -%}
{{ bos_token + '[INST] ' + (ns.system if loop.first else '') + m.content | trim + ' [/INST]' }}
{%- else -%}
{{ ' ' + m.content | trim + ' ' + eos_token }}
{%- endif -%}
{%- endfor -%}
"""

MISTRAL = """\
{%- set system = messages[0].content if messages[0].role == 'system' else '' -%}
{%- set rest = messages[1:] if system else messages -%}
{{- bos_token -}}
{%- for m in rest -%}
{%- if m.role == 'user' -%}
{%- set last = loop.last or (loop.index0 == rest | length - 2 and rest[-1].role == 'assistant') -%}
{{ '[INST] ' + (system + '\\n\\n' if last and system else '') + m.content + '[/INST]' }}
{%- elif m.role == 'assistant' -%}
{{ ' ' + m.content + eos_token }}
{%- else -%}
{{ raise_exception('only user and assistant') }}
{%- endif -%}
{%- endfor -%}
"""

GEMMA = """\
{{- bos_token }}
{%- set system = messages[0].content + '\\n\\n' if messages[0].role == 'system' else '' -%}
{%- for m in (messages[1:] if system else messages) -%}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif -%}
{%- set role = 'model' if m.role == 'assistant' else m.role -%}
{{ '<start_of_turn>' + role + '\\n' + (system if loop.first else '') + m.content | trim + '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif -%}
"""

QWEN_3 = """\
{%- set ns = namespace(last=0) -%}
{%- if tools -%}
{{ '<|im_start|>system\\n' + (messages[0].content + '\\n\\n' if messages[0].role == 'system' else '') + '# Tools\\n' }}
{%- for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor -%}
{{ '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' -%}
{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif -%}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor -%}
{%- for m in messages -%}
{%- if m.role == 'user' -%}
{{ '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}
{%- elif m.role == 'tool' -%}
{%- if messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif -%}
{{ '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' }}
{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif -%}
{%- elif m.role == 'assistant' -%}
{%- set thought = m.reasoning_content or '' -%}
{%- set content = m.content -%}
{%- if '</think>' in content -%}
{%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') -%}
{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{{ '<|im_start|>assistant\\n' }}
{%- if loop.index0 > ns.last and (loop.last or thought) -%}
{{ '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
{%- else -%}
{{ content }}
{%- endif -%}
{%- for call in m.tool_calls or [] -%}
{{ ('\\n' if content or not loop.first else '') + '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson + '}\\n</tool_call>' }}
{%- endfor -%}
{{ '<|im_end|>\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""

ZEPHYR = """\
{%- for m in messages -%}
{%- if m.role in ('system', 'user', 'assistant') -%}
{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}
{%- endif -%}
{%- if loop.last and add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif -%}
{%- endfor -%}
"""

PHI_3 = """\
{%- for m in messages -%}
{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif -%}
"""

DEEPSEEK = """\
{{- bos_token }}
{%- for m in messages -%}
{%- if m.role == 'system' %}{{ m.content }}{% endif -%}
{%- if m.role == 'user' %}{{ '<|User|>' + m.content }}{% endif -%}
{%- if m.role == 'assistant' %}{{ '<|Assistant|>' + m.content.split('</think>')[-1] + eos_token }}{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif -%}
"""

GPT_OSS = """\
{{- '<|start|>system<|message|>Current date: 2025-06-28<|end|>' -}}
{%- set system = messages[0].content if messages[0].role == 'system' else '' -%}
{%- set rest = messages[1:] if system else messages -%}
{%- if system or tools -%}
{{ '<|start|>developer<|message|>' + ('# Instructions\n\n' + system if system else '') }}
{%- if tools %}{{ '\n\n# Tools\n' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif -%}
{{ '<|end|>' }}
{%- endif -%}
{%- set ns = namespace(called='') -%}
{%- for m in rest -%}
{%- if m.role == 'assistant' and m.tool_calls -%}
{%- set later = rest[loop.index:] | selectattr('role', 'equalto', 'assistant') | rejectattr('tool_calls') | list -%}
{%- if m.thinking and not later -%}
{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}
{%- endif -%}
{%- set call = m.tool_calls[0].function -%}
{%- set ns.called = call.name -%}
{{ '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' }}
{{- call.arguments | tojson + '<|call|>' }}
{%- elif m.role == 'assistant' and loop.last and not add_generation_prompt -%}
{%- if m.thinking -%}
{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}
{%- endif -%}
{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|return|>' }}
{%- elif m.role == 'assistant' -%}
{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}
{%- elif m.role == 'tool' -%}
{{ '<|start|>functions.' + ns.called + ' to=assistant<|channel|>commentary<|message|>' + m.content | tojson + '<|end|>' }}
{%- else -%}
{{ '<|start|>user<|message|>' + m.content + '<|end|>' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif -%}
"""
"""An answer has a channel, and another end in later turns than where it is the last; thoughts are a message of their own."""

TEMPLATES = {
    "ChatML": CHATML, "Llama 3": LLAMA_3, "Llama 2": LLAMA_2, "Mistral": MISTRAL, "Gemma": GEMMA, "Qwen3": QWEN_3,
    "Zephyr": ZEPHYR, "Phi-3": PHI_3, "DeepSeek": DEEPSEEK,
}  # fmt: skip

ENDS = {
    "ChatML": "<|im_end|>", "Llama 3": "<|eot_id|>", "Llama 2": " </s>", "Mistral": "</s>", "Gemma": "<end_of_turn>",
    "Qwen3": "<|im_end|>", "Zephyr": "</s>", "Phi-3": "<|end|>", "DeepSeek": "</s>",
}  # fmt: skip
"""What ends the assistant's turn."""

SPECIAL = (
    "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>",
    "<end_of_turn>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|User|>", "<|Assistant|>",
    "<|start|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>",
)  # fmt: skip


def chat_tokenizer(template: str | None) -> Any:
    """A tokenizer with one token a byte, one for each of the tokens of the templates, and a chat template."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    tokenizer.chat_template = template
    return tokenizer
