"""What was found out about a data set, in words and numbers for the Dataset screen. Knows no screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from tui_finetune.data.file_kinds import place_in
from tui_finetune.data.segments import Example
from tui_finetune.errors import UserError
from tui_finetune.formatting import count
from tui_finetune.formatting import size as bytes_in_words
from tui_finetune.system.terminal import printable

if TYPE_CHECKING:
    from tui_finetune.data.previewed import Preview
    from tui_finetune.data.tokens.view import SeenToken

MAX_SHOWN = 20_000
"""Characters of a row that are shown; the rest is counted."""
MAX_TOKENS = 4096
MAX_PROBLEMS = 8


def rows_in_words(preview: Preview) -> str:
    words = f"{preview.rows:,}"
    if preview.documents and preview.documents != preview.rows and preview.sampled is None:
        words += f", {preview.documents:,} with text"
    duplicates = preview.duplicates
    return words + (f", {duplicates:,} duplicate{'s' if duplicates != 1 else ''}" if duplicates else ", no duplicates")


def facts_of(preview: Preview, lengths_problem: UserError | None = None) -> list[tuple[str, str]]:
    """Labels and values, the important first."""
    facts = [("Rows", rows_in_words(preview))]
    if preview.parts:
        facts.append(("Sources", sources_of(preview)))
    lengths = preview.lengths
    about = "about " if preview.sampled is not None else ""
    if preview.tokens is not None:
        trained = "" if preview.trained_tokens in (None, preview.tokens) else f", {preview.trained_tokens:,} trained on"
        facts.append(("Tokens", f"{about}{count(preview.tokens)}{trained}"))
    if lengths is not None:
        facts.append(
            ("In a row", f"mean {lengths.mean:,.0f}, p50 {lengths.p50:,},\np95 {lengths.p95:,}, max {lengths.max:,}")
        )
        over = lengths.over_max_length
        facts.append(
            (
                "Too long",
                f"{about}{over:,} beyond {preview.max_length:,}" if over else f"none beyond {preview.max_length:,}",
            )
        )
    elif lengths_problem is not None:
        facts.append(("Tokens", f"not known: {lengths_problem.message}"))
    if preview.steps_per_epoch is not None:
        saved = f", {preview.padding:.0%} padding saved" if preview.padding is not None and preview.packed_row else ""
        facts.append(("An epoch", f"{about}{preview.steps_per_epoch:,} steps{saved}"))
    return facts


def sources_of(preview: Preview) -> str:
    """Each of several data sets on a line: its share, and what becomes of its rows; '' where there is only one."""
    width = max((len(part.label) for part in preview.parts), default=0)
    several = sum(part.trained > 0 for part in preview.parts) > 1
    lines = []
    for part in preview.parts:
        rows = part.trained or part.evaluated
        words = f"{rows:,} row{'s' if rows != 1 else ''}" + ("" if part.trained else " to evaluate on")
        if part.trained and part.tokens is not None:
            words += f", {count(part.tokens)} tokens"
        share = f"{part.share:4.0%}  " if several and part.trained else ""
        lines.append(f"{part.label:{width}}  {share}{words}")
    return "\n".join(lines)


def problems_of(preview: Preview) -> list[tuple[str, str]]:
    """Each problem with its place, and what becomes of it."""
    problems = [
        (_place(problem.file, problem.row, preview), f"{problem.message}; {problem.remedy}")
        for problem in preview.problems[:MAX_PROBLEMS]
    ]
    if len(preview.problems) > MAX_PROBLEMS:
        problems.append(("", f"and {len(preview.problems) - MAX_PROBLEMS} more: `finetune-tui preview` lists all"))
    return problems


def _place(file: str, row: int | None, preview: Preview) -> str:
    name = file.rpartition("/")[2] or file
    shown = name if len(preview.files) > 1 or row is None else ""
    return " ".join(part for part in (shown, place_in(file, row) if row is not None else "") if part)


def example_text(example: Example) -> Text:
    """A document as a person reads it; what is not trained on is dim and marked at its beginning."""
    text = Text()
    shown = 0
    mixed = any(not segment.trained for segment in example)
    for segment in example:
        part = segment.text[: MAX_SHOWN - shown]
        shown += len(part)
        if mixed:
            text.append("▌" if segment.trained else "░", "dim")
        text.append(printable(part), "" if segment.trained else "dim")
        if shown >= MAX_SHOWN:
            break
    left = sum(len(segment.text) for segment in example) - shown
    if left > 0:
        text.append(f"\n… and {left:,} more characters", "dim")
    return text


@dataclass(frozen=True)
class TokenStyles:
    """How tokens are drawn: every second one on another background, so that they can be told apart."""

    trained: str
    read: str
    special: str
    second: str


def tokens_text(tokens: Sequence[SeenToken], styles: TokenStyles) -> Text:
    """A row token by token: what is trained on is underlined, special tokens go by their names."""
    text = Text()
    for number, token in enumerate(tokens[:MAX_TOKENS]):
        style = styles.trained if token.trained else styles.read
        if token.special:
            style = f"{style} {styles.special}"
        background = f" on {styles.second}" if number % 2 else ""
        # A line break is drawn, and made, so that the row can be read.
        lines = token.text.replace("\r", "").split("\n")
        for line, words in enumerate(lines):
            last = line == len(lines) - 1
            text.append(printable(words, lines=False) + ("" if last else "⏎"), style + background)
            if not last:
                text.append("\n")
    if len(tokens) > MAX_TOKENS:
        text.append(f"\n… and {len(tokens) - MAX_TOKENS:,} more tokens", "dim")
    return text


def packed_text(documents: Sequence[Sequence[SeenToken]], styles: TokenStyles) -> Text:
    """A packed row: each document under a line that says where it begins."""
    text, begin = Text(), 0
    for number, document in enumerate(documents, 1):
        end = begin + len(document)
        text.append(
            f"{'' if number == 1 else chr(10)}── document {number}: tokens {begin + 1:,} to {end:,} ──\n", "dim"
        )
        text.append_text(tokens_text(document, styles))
        begin = end
    return text


def tokens_in_words(tokens: Sequence[SeenToken]) -> str:
    """'143 tokens, 142 trained on (underlined)'."""
    trained = sum(token.trained for token in tokens)
    return f"{len(tokens):,} tokens, {trained:,} trained on (underlined)"


def packed_in_words(preview: Preview) -> str:
    """'3 documents fill 509 of 512 tokens'."""
    tokens = sum(map(len, preview.packed_row))
    documents = len(preview.packed_row)
    return f"{documents} document{'s' if documents != 1 else ''} fill {tokens:,} of {preview.max_length:,} tokens"


def progress_in_words(done: int, total: int | None, unit: str) -> str:
    """One line on how far something is: 'reading 12.0 MB of 40.0 MB', '1,000 of 4,000 rows', or only the unit."""
    if unit in {"bytes", "B"}:
        return f"reading {bytes_in_words(done)}" + (f" of {bytes_in_words(total)}" if total else "")
    if not done and not total:
        return f"{unit} …"
    return f"{done:,}" + (f" of {total:,}" if total else "") + f" {unit}"


def column_choices(columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The columns, those with text first, each with what it holds."""
    ordered = sorted(columns, key=lambda column: not column[1].startswith("text"))
    return [(name, f"holds {holds}") for name, holds in ordered]


def mapping_in_words(mapping: Mapping[str, str], unused: Sequence[str] = ()) -> str:
    """Which column plays which part: 'story', or 'question as prompt, answer as completion; not used: id'."""
    parts = mapping.items()
    words = ", ".join(column if column == part or part == "text" else f"{column} as {part}" for part, column in parts)
    return words + (f"; not used: {', '.join(unused)}" if unused else "")
