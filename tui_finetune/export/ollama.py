"""Export for Ollama: a GGUF file, and the Modelfile that tells how it is talked to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.export.gguf.target import Gguf
from tui_finetune.export.subject import Subject
from tui_finetune.export.target import PLACE, Forecast, Made, Target
from tui_finetune.models.loading import load_tokenizer
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MODEL_FILE = "model.gguf"
MOST_CONTEXT = 8192
"""Ollama sets aside memory for the whole context when it loads a model."""


@dataclass(frozen=True)
class Family:
    """How a family of chat templates writes the turns of a conversation; `EOS` stands for the end-of-text token.

    Attributes:
        name: what it is called.
        system, user, assistant: what is before and after the text of such a turn.
        inside: whether the system's text stands within the first turn of the user.
    """

    name: str
    system: tuple[str, str]
    user: tuple[str, str]
    assistant: tuple[str, str]
    inside: bool = False


FAMILIES = (
    Family(
        "ChatML",
        ("<|im_start|>system\n", "<|im_end|>\n"),
        ("<|im_start|>user\n", "<|im_end|>\n"),
        ("<|im_start|>assistant\n", "<|im_end|>\n"),
    ),
    Family(
        "Llama 3",
        ("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        ("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
    ),
    Family(
        "Gemma",
        ("", "\n\n"),
        ("<start_of_turn>user\n", "<end_of_turn>\n"),
        ("<start_of_turn>model\n", "<end_of_turn>\n"),
        inside=True,
    ),
    Family("Mistral", ("", "\n\n"), ("[INST] ", " [/INST]"), ("", "EOS"), inside=True),
    Family("Mistral 3", ("", "\n\n"), ("[INST] ", "[/INST]"), ("", "EOS"), inside=True),
    Family("Phi", ("<|system|>\n", "<|end|>\n"), ("<|user|>\n", "<|end|>\n"), ("<|assistant|>\n", "<|end|>\n")),
    Family("Zephyr", ("<|system|>\n", "EOS\n"), ("<|user|>\n", "EOS\n"), ("<|assistant|>\n", "EOS\n")),
    Family("OLMo 2", ("<|system|>\n", "\n"), ("<|user|>\n", "\n"), ("<|assistant|>\n", "EOS\n")),
    Family(
        "Granite",
        ("<|start_of_role|>system<|end_of_role|>", "EOS\n"),
        ("<|start_of_role|>user<|end_of_role|>", "EOS\n"),
        ("<|start_of_role|>assistant<|end_of_role|>", "EOS\n"),
    ),
    Family("the starter", ("", " "), ("<|user|>", ""), ("<|assistant|>", "EOS"), inside=True),
    Family("plain", ("", "\n\n"), ("### User:\n", "\n\n"), ("### Assistant:\n", "EOS\n\n")),
    Family("Alpaca", ("", "\n\n"), ("### Instruction:\n", "\n\n"), ("### Response:\n", "EOS\n\n")),
)

_SYSTEM, _ASKED, _ANSWER, _AGAIN = "Be brief.", "How far is it?", "Seven miles.", "And back?"
"""What families are tried with."""


@dataclass(frozen=True)
class Chat:
    """How a model is talked to.

    Attributes:
        family: of its chat template, with the end-of-text token filled in.
        system: what the template says by itself where there is no system's turn.
    """

    family: Family
    system: str = ""

    @property
    def template(self) -> str:
        """As Ollama has it, in Go's language of templates."""
        known = self.family
        system = f"{{{{ if .System }}}}{known.system[0]}{{{{ .System }}}}{known.system[1]}{{{{ end }}}}"
        before, within = ("", system) if known.inside else (system, "")
        user = f"{known.user[0]}{within}{{{{ .Prompt }}}}{known.user[1]}"
        return f"{before}{{{{ if .Prompt }}}}{user}{{{{ end }}}}{known.assistant[0]}{{{{ .Response }}}}{known.assistant[1]}"

    @property
    def stop(self) -> str:
        """What a reply ends with."""
        return self.family.assistant[1].strip()

    def written(self, system: str, turns: Sequence[str]) -> str:
        """A conversation, from the user's turn on, as Ollama writes it; a reply is to follow."""
        known = self.family
        given = f"{known.system[0]}{system}{known.system[1]}" if system else ""
        text = "" if known.inside else given
        for number, said in enumerate(turns):
            if number % 2:
                text += f"{known.assistant[0]}{said}{known.assistant[1]}"
            else:
                text += f"{known.user[0]}{given if known.inside and not number else ''}{said}{known.user[1]}"
        return text + known.assistant[0]


def chat_of(tokenizer: PreTrainedTokenizerBase) -> Chat:
    """How a model is talked to, found by trying: the family that writes conversations exactly as its chat template does.

    Raises:
        UserError: it is of no family that is known here.
    """
    bos, eos = tokenizer.bos_token or "", tokenizer.eos_token or ""

    def own(messages: list[dict[str, str]]) -> str:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        # The file says itself whether a text begins with that token.
        return str(text).removeprefix(bos) if bos else str(text)

    turns = [_ASKED, _ANSWER, _AGAIN]
    messages = [
        {"role": role, "content": text} for role, text in zip(("user", "assistant", "user"), turns, strict=True)
    ]
    try:
        plain = own(messages)
    except Exception:  # the template is a program of the model's
        plain = ""
    for family in FAMILIES:
        chat = _fitting(_with_end(family, eos), plain, turns)
        if chat is None:
            continue
        try:
            told = own([{"role": "system", "content": _SYSTEM}, *messages])
        except Exception:  # it takes no system's turn
            return chat
        if told == chat.written(_SYSTEM, turns):
            return chat
    raise UserError(
        "the model's chat template is of no family that a Modelfile can be written for",
        "--to gguf makes the file alone; `llama-server --jinja` uses the template in it",
    )


def _with_end(family: Family, eos: str) -> Family:
    def filled(parts: tuple[str, str]) -> tuple[str, str]:
        return parts[0].replace("EOS", eos), parts[1].replace("EOS", eos)

    return Family(family.name, filled(family.system), filled(family.user), filled(family.assistant), family.inside)


def _fitting(family: Family, text: str, turns: Sequence[str]) -> Chat | None:
    """A family, if it writes these turns like that; with the system's turn that the template may write by itself."""
    chat = Chat(family)
    bare = chat.written("", turns)
    if text == bare:
        return chat
    before, after = family.system
    if text.endswith(bare) and not family.inside:
        given = text[: len(text) - len(bare)]
        if given.startswith(before) and given.endswith(after):
            return Chat(family, given[len(before) : len(given) - len(after)])
    return None


def modelfile(chat: Chat | None, context: int | None) -> str:
    """A Modelfile.

    Args:
        chat: how the model is talked to; None for one that continues texts.
        context: tokens that it can see at once.
    """
    lines = [f"FROM ./{MODEL_FILE}", ""]
    if chat is None:
        lines += ['TEMPLATE """{{ .Prompt }}"""']
    else:
        lines += [f'TEMPLATE """{chat.template}"""']
        lines += ["", f'SYSTEM """{chat.system}"""'] if chat.system else []
        lines += ["", f"PARAMETER stop {json.dumps(chat.stop)}"]
    if context:
        lines += [f"PARAMETER num_ctx {min(context, MOST_CONTEXT)}"]
    return "\n".join(lines) + "\n"


class Ollama(Target):
    """A folder with a Modelfile and a GGUF file; `kind` is the file's number format."""

    name = "ollama"
    title = "a GGUF file and the Modelfile for `ollama create`"
    OPTIONS = ("kind",)

    def __init__(self, kind: str = "f16") -> None:
        super().__init__()
        self._file = Gguf(kind)

    def check(self, subject: Subject) -> None:
        self._file.check(subject)

    def forecast(self, subject: Subject) -> Forecast:
        return self._file.forecast(subject)

    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        tokenizer = load_tokenizer(subject.located)
        talks = bool(tokenizer.chat_template) and subject.data_format != "text"
        chat = chat_of(tokenizer) if talks else None  # before the minutes that the file takes
        made = self._file.make(subject, draft, report)
        next(draft.glob("*.gguf")).rename(draft / MODEL_FILE)
        text = modelfile(chat, subject.facts.context_length)
        (draft / "Modelfile").write_text(text, encoding="utf-8")
        how = (
            f"It is talked to in turns, as {chat.family.name} does."
            if chat
            else "It continues the text that it is given."
        )
        name = re.sub(r"[^a-z0-9._-]+", "-", subject.name.lower()).strip("-.") or "model"
        commands = (f"cd {PLACE} && ollama create {name} -f Modelfile", f"ollama run {name}")
        return Made(notes=(how, *made.notes), commands=commands)
