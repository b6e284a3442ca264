"""A Modelfile writes conversations as the model's chat template does, or is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests import chat_templates
from tests.tiny_bytes import tiny_tokenizer
from tests.training.conftest import Train
from tui_finetune.data.chat_template.choose import ALPACA, PLAIN
from tui_finetune.errors import UserError
from tui_finetune.export.gguf.target import Gguf
from tui_finetune.export.ollama import Ollama, chat_of, modelfile
from tui_finetune.export.subject import subject_of
from tui_finetune.export.target import Made, export_to
from tui_finetune.starter.paths import MODEL

DEFAULT_SYSTEM = (
    """\
{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }}{% endif -%}
"""
    + chat_templates.CHATML
)


def told(template: str, system: str, prompt: str) -> str:
    """What Ollama makes of a template for the first turn, up to where the reply begins."""
    begin = template.split("{{ .Response }}")[0]
    conditional = re.compile(r"\{\{ if \.System \}\}(.*?)\{\{ end \}\}", re.DOTALL)
    begin = conditional.sub(lambda match: match[1] if system else "", begin)
    begin = begin.replace("{{ if .Prompt }}", "").replace("{{ end }}", "")
    return begin.replace("{{ .System }}", system).replace("{{ .Prompt }}", prompt)


@pytest.mark.parametrize(
    ("source", "family", "stop"),
    [
        (chat_templates.CHATML, "ChatML", "<|im_end|>"),
        (DEFAULT_SYSTEM, "ChatML", "<|im_end|>"),
        (chat_templates.LLAMA_3, "Llama 3", "<|eot_id|>"),
        (PLAIN, "plain", "</s>"),
        (ALPACA, "Alpaca", "</s>"),
        ((MODEL / "chat_template.jinja").read_text(), "the starter", "</s>"),
    ],
)
def test_a_known_template_is_written_as_it_is(source: str, family: str, stop: str) -> None:
    tokenizer: Any = tiny_tokenizer()
    tokenizer.chat_template = source
    chat = chat_of(tokenizer)
    assert (chat.family.name, chat.stop) == (family, stop)
    text = modelfile(chat, 512)
    template = text.split('"""')[1]
    for system in ("", "Be exact."):
        turns = [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": "Why?"}]
        own = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True).removeprefix("<s>")
        assert told(template, system or chat.system, "Why?") == own
    assert f'PARAMETER stop "{stop}"' in text
    assert "PARAMETER num_ctx 512" in text


def test_what_is_of_no_known_family_is_refused() -> None:
    tokenizer: Any = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ '(' + m.role + ') ' + m.content + '\\n' }}{% endfor %}"
    with pytest.raises(UserError, match="of no family"):
        chat_of(tokenizer)


def test_a_run_trained_on_text_continues_it(train: Train, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = train(max_steps=1)

    def convert(self: object, subject: object, draft: Path, report: object) -> Made:
        (draft / "run-f16.gguf").write_bytes(b"GGUF")
        return Made()

    monkeypatch.setattr(Gguf, "make", convert)  # tested in test_gguf
    made = export_to(Ollama(), subject_of(trained.run), place / "ollama", lambda *_: None)
    assert sorted(path.name for path in (place / "ollama").iterdir()) == ["Modelfile", "model.gguf"]
    text = (place / "ollama" / "Modelfile").read_text()
    assert text.startswith("FROM ./model.gguf\n")
    assert 'TEMPLATE """{{ .Prompt }}"""' in text
    assert made.commands[0] == f"cd {place / 'ollama'} && ollama create run -f Modelfile"
