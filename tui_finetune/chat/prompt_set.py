"""Sets of prompts: read from a file, answered by several models in batches, judged, and written down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.chat.prompts import Prompt, encode, prepare
from tui_finetune.chat.sampling import Sampling
from tui_finetune.errors import UserError
from tui_finetune.system.files import open_regular

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Engine

MAX_BYTES = 256 * 1024 * 1024
LONGEST_CHECK = 20_000
"""Characters of an answer that a regular expression is looked for in."""


@dataclass(frozen=True)
class Asked:
    """A prompt of a set.

    Attributes:
        words: the prompt, or the last thing that a user said.
        messages: what was said before it, if anything.
        expected: the answer that is hoped for, '' where none is known.
        check: how an answer is judged: 'exact', 'json', 'regex:...', or '' for not at all.
    """

    words: str
    messages: tuple[dict[str, str], ...] = ()
    expected: str = ""
    check: str = ""


@dataclass
class Answered:
    """What a model made of a prompt.

    Attributes:
        text: its answer.
        tokens: how many it wrote.
        loss: its mean loss in nats a token on the expected answer; None where there is none.
        good: what the check says; None where there is none.
    """

    text: str
    tokens: int
    loss: float | None = None
    good: bool | None = None


@dataclass
class Results:
    """The answers of several models to a set.

    Attributes:
        asked: the prompts.
        models: the names of the models.
        answers: for each model, an answer to each prompt.
    """

    asked: list[Asked]
    models: list[str]
    answers: list[list[Answered]] = field(default_factory=list)


def read_set(path: Path) -> list[Asked]:
    """The prompts in a file: a line each in .txt; in .jsonl an object each, with `prompt` or `messages`, and where it is
    known `expected` (or `completion`, `response`, `answer`) and `check`.

    Raises:
        UserError: it can't be read, or a line is none.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig") if len(data) <= MAX_BYTES else ""
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "name a .txt or .jsonl file of prompts") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if path.suffix == ".jsonl":
        asked = [_of_line(path, number, line) for number, line in lines]
    else:
        asked = [Asked(line.strip()) for _, line in lines]
    if not asked:
        raise UserError(f"{path} has no prompts", "write one a line")
    return asked


def _of_line(path: Path, number: int, line: str) -> Asked:
    place = f"{path}, line {number}"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise UserError(f"{place} is no JSON", "write one object a line") from None
    given = row if isinstance(row, dict) else {}
    expected = next((given[k] for k in ("expected", "completion", "response", "answer") if k in given), "")
    expected = expected if isinstance(expected, str) else json.dumps(expected)
    check = given.get("check") if isinstance(given.get("check"), str) else ""
    check = _known_check(place, str(check or ("exact" if given.get("exact") else "")))
    prompt, messages = given.get("prompt"), given.get("messages")
    if isinstance(prompt, str) and prompt:
        return Asked(prompt, (), expected, check)
    if isinstance(messages, list) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in messages
    ):
        turns = [{"role": m["role"], "content": m["content"]} for m in messages]
        if turns and turns[-1]["role"] == "assistant":
            expected = expected or turns[-1]["content"]
            turns.pop()
        if turns and turns[-1]["role"] == "user":
            return Asked(turns[-1]["content"], tuple(turns[:-1]), expected, check)
    raise UserError(f"{place} has no prompt", 'as in {"prompt": "What is a tide?", "expected": "..."}')


def _known_check(place: str, check: str) -> str:
    if check.startswith("regex:"):
        try:
            re.compile(check.removeprefix("regex:"))
        except re.error as error:
            raise UserError(f"{place}: the regular expression is wrong: {error}", "correct it") from None
    elif check not in {"", "exact", "json"}:
        raise UserError(f"{place}: '{check}' is no check", "use exact, json, or regex:PATTERN")
    return check


def judge(asked: Asked, text: str) -> bool | None:
    """Whether an answer stands the check; None where there is none."""
    if asked.check == "exact":
        return text.strip() == asked.expected.strip()
    if asked.check == "json":
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return False
        return True
    if asked.check.startswith("regex:"):
        return re.search(asked.check.removeprefix("regex:"), text[:LONGEST_CHECK]) is not None
    return None


def prompt_of(asked: Asked, *, turns: bool, system: str = "") -> Prompt:
    """What a model is given for a prompt of a set."""
    if not turns:
        return asked.words
    said: list[dict[str, str]] = [*asked.messages, {"role": "user", "content": asked.words}]
    if system and said[0]["role"] != "system":
        said.insert(0, {"role": "system", "content": system})
    return said


def answer_all(
    engine: Engine,
    asked: Sequence[Asked],
    sampling: Sampling,
    *,
    turns: bool,
    system: str = "",
    batch_size: int = 16,
    report: Callable[[int], None] = lambda done: None,
) -> list[Answered]:
    """The answers of a model to all prompts, several at once, those of like length together.

    Greedy answers are those that it gives to each by itself.

    Args:
        engine: the model.
        asked: the prompts.
        sampling: how tokens are chosen; each prompt has draws of its own.
        turns: whether it is talked to in turns.
        system: what it is told first.
        batch_size: prompts at once.
        report: told how many are done; may raise Cancelled.

    Raises:
        UserError: the chat template refuses a prompt.
    """
    from tui_finetune.chat.batches import answer_batch, loss_of
    from tui_finetune.models.loading import context_length
    from tui_finetune.models.methods.peft_models import plain

    context = context_length(plain(engine.model).config)
    prompts = [prompt_of(one, turns=turns, system=system) for one in asked]
    ready = [
        prepare(engine.tokenizer, prompt, context=context, max_new_tokens=sampling.max_new_tokens) for prompt in prompts
    ]
    order = sorted(range(len(asked)), key=lambda place: len(ready[place].ids))
    answers: dict[int, Answered] = {}
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        texts = answer_batch(engine, [ready[place] for place in places], sampling, turns=turns)
        for place, (text, tokens) in zip(places, texts, strict=True):
            one = asked[place]
            loss = None
            if one.expected:
                expected = engine.tokenizer(one.expected, add_special_tokens=False)["input_ids"]
                loss = loss_of(engine, encode(engine.tokenizer, prompts[place]), list(expected), context)
            answers[place] = Answered(text, tokens, loss, judge(one, text))
        report(len(answers))
    return [answers[place] for place in range(len(asked))]
