"""`finetune-tui chat MODEL... --prompts FILE --out FILE`: a set of prompts answered by one or several models."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.cli.output import write_line, write_text
from tui_finetune.errors import UserError
from tui_finetune.system.files import write_atomically

if TYPE_CHECKING:
    from tui_finetune.chat.prompt_set import Answered, Asked, Results
    from tui_finetune.chat.targets import ChatTarget


EVALUATION = "evaluation"
"""Named in place of a file: the rows that the run is evaluated on."""


def evaluation_rows(targets: list[ChatTarget]) -> list[Asked]:
    """The rows that the last of the models that is of a run is evaluated on.

    Raises:
        UserError: none is of a run, or its data is gone.
    """
    from tui_finetune.chat.targets import run_of
    from tui_finetune.planning.evaluation_rows import evaluation_set

    run = next((run for target in reversed(targets) if (run := run_of(target)) is not None), None)
    if run is None:
        raise UserError("none of the models is of a run, so no evaluation rows are known", "name a file of prompts")
    return evaluation_set(run)


def answer_set(
    names: list[str], prompts: Path, out: Path, given: Mapping[str, float], system: str, batch_size: int
) -> int:
    """Answer a set of prompts, and write the answers as JSON lines and as Markdown; nothing is overwritten.

    Args:
        names: the models; the newest run if none is named.
        prompts: the file with the set, or 'evaluation' for the rows that the run is evaluated on.
        out: where the answers go.
        given: sampling settings; temperature 0 where none is given.
        system: what the models are told first.
        batch_size: prompts at once.
    """
    from tui_finetune.chat.prompt_set import Results, answer_all, read_set
    from tui_finetune.chat.sampling import Sampling
    from tui_finetune.chat.session import ChatSession
    from tui_finetune.chat.targets import resolve_chat_target

    pages = out.with_suffix(".md")
    lines = out.with_suffix(".jsonl")
    for path in (lines, pages):
        if path.exists():
            raise UserError(f"{path} is there already", "name another --out; nothing is overwritten")
    if batch_size < 1:
        raise UserError(f"batch_size: {batch_size} is not allowed", "use a whole number from 1")
    sampling = Sampling(**{"temperature": 0.0, **given})  # type: ignore[arg-type]  # checked as it is made
    targets = [resolve_chat_target(name) for name in names] or [resolve_chat_target(None)]
    if live := next((target for target in targets if target.is_live), None):
        raise UserError(f"{live.label} answers one prompt at a time", "name a checkpoint of it, or wait for its end")
    asked = evaluation_rows(targets) if str(prompts) == EVALUATION else read_set(prompts)
    results = Results(asked, [target.label for target in targets])
    session = ChatSession()
    style = None
    for target in reversed(targets):  # all in the way that the last was taught, which is the tuned one
        engine = session.open(target)
        style = style or target.style(has_chat_template=engine.has_chat_template)
        from tui_finetune.chat.engine import Engine

        assert isinstance(engine, Engine)

        def report(done: int, label: str = target.label) -> None:
            if sys.stderr.isatty():
                write_text(f"\r{label}: {done} of {len(asked)}", sys.stderr)

        answers = answer_all(
            engine, asked, sampling, turns=style == "turns", system=system, batch_size=batch_size, report=report
        )
        if sys.stderr.isatty():
            write_line("", sys.stderr)
        results.answers.insert(0, answers)
        session.release()
    try:
        write_atomically(lines, as_lines(results))
        write_atomically(pages, as_markdown(results))
    except OSError as error:
        raise UserError(f"{out}: {error.strerror}", "choose another --out") from None
    write_line(summary(results))
    write_line(f"{lines} and {pages}")
    return 0


def as_lines(results: Results) -> str:
    """The answers as JSON lines: a prompt each, with what every model made of it."""
    rows = []
    for place, one in enumerate(results.asked):
        found = {
            name: {"text": answers[place].text, "tokens": answers[place].tokens, "loss": answers[place].loss}
            | ({} if answers[place].good is None else {"good": answers[place].good})
            for name, answers in zip(results.models, results.answers, strict=True)
        }
        rows.append({"prompt": one.words, "expected": one.expected, "check": one.check, "answers": found})
    return "".join(json.dumps(row) + "\n" for row in rows)


def _figures(answer: Answered) -> str:
    loss = f"loss {answer.loss:.3f}" if answer.loss is not None else ""
    return ", ".join(part for part in (loss, {True: "good", False: "not good", None: ""}[answer.good]) if part)


def as_markdown(results: Results) -> str:
    """The answers to read."""
    parts = ["# Answers", summary(results)]
    for place, one in enumerate(results.asked):
        parts.append(f"## {place + 1}\n\n{_quoted(one.words)}")
        for name, answers in zip(results.models, results.answers, strict=True):
            figures = _figures(answers[place])
            parts.append(f"**{name}**{f' ({figures})' if figures else ''}\n\n{_quoted(answers[place].text)}")
        if one.expected:
            parts.append(f"**expected**\n\n{_quoted(one.expected)}")
    return "\n\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    """A text as a block that Markdown shows literally."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def summary(results: Results) -> str:
    """What became of it, a line for each model, and which answers became better and worse from the first to the last."""
    lines = []
    for name, answers in zip(results.models, results.answers, strict=True):
        losses = [answer.loss for answer in answers if answer.loss is not None]
        checked = [answer.good for answer in answers if answer.good is not None]
        parts = [f"{len(answers)} answers"]
        if losses:
            parts.append(f"mean loss {sum(losses) / len(losses):.3f}")
        if checked:
            parts.append(f"{sum(checked)} of {len(checked)} good")
        lines.append(f"{name}: {', '.join(parts)}")
    if len(results.answers) > 1:
        pairs = [(a.loss, b.loss) for a, b in zip(results.answers[0], results.answers[-1], strict=True)]
        known = [(first, last) for first, last in pairs if first is not None and last is not None]
        if known:
            better, worse = sum(b < a for a, b in known), sum(b > a for a, b in known)
            lines.append(f"{better} better, {worse} worse by loss, from the first model to the last")
    return "\n".join(lines)
