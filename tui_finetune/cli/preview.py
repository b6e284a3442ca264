"""`finetune-tui preview`: what a data set is and what will be learned from it."""

from __future__ import annotations

import json
import textwrap

from tui_finetune.cli.output import write_line
from tui_finetune.config.resolve import Resolved
from tui_finetune.data.preview import Preview, preview
from tui_finetune.data.segments import Segment
from tui_finetune.data.tokens.view import SeenToken
from tui_finetune.system.terminal import printable

EXAMPLE_CHARACTERS, END_CHARACTERS, EXAMPLE_TOKENS = 600, 150, 200
TRAINED, READ = "  + ", "    "
"""Margins of what is trained on and of what is only read."""


def show_preview(resolved: Resolved, *, as_json: bool) -> int:
    """Print a data set's preview, tokenized as the chosen model does it."""
    from tui_finetune.models.loading import load_tokenizer, model_folder, resolve_max_length
    from tui_finetune.planning.precheck import precheck

    config = resolved.config
    precheck(config)
    from transformers import AutoConfig

    folder = model_folder(config.model_name_or_path, weights=False)
    max_length = resolve_max_length(config, AutoConfig.from_pretrained(str(folder)))
    seen = preview(config, load_tokenizer(config.model_name_or_path), max_length=max_length)
    if as_json:
        write_line(json.dumps(seen.to_json(), ensure_ascii=True, indent=1))
        return 0
    for line in _lines(seen, config.model_name_or_path):
        write_line(line)
    return 0


def _lines(seen: Preview, model: str) -> list[str]:
    lines = [
        f"format       {seen.format}: {seen.reason}",
        f"rows         {seen.rows:,}" + (f", {seen.duplicates:,} of them duplicates" if seen.duplicates else ""),
    ]
    if seen.unused:
        lines.insert(1, f"not used     {', '.join(seen.unused)}")
    if seen.lengths is not None and seen.tokens is not None:
        lengths = seen.lengths
        over = f"; {lengths.over_max_length:,} are longer than {seen.max_length}" if lengths.over_max_length else ""
        lines += [
            f"tokens       {seen.tokens:,}, {seen.trained_tokens:,} of them trained on (as {model} counts)",
            f"lengths      mean {lengths.mean:.0f}, median {lengths.p50}, 95 % up to {lengths.p95}, longest {lengths.max}{over}",
        ]
    if seen.steps_per_epoch is not None:
        lines.append(f"steps        {'about ' if seen.sampled else ''}{seen.steps_per_epoch:,} an epoch")
    if seen.packed_row:
        sizes = ", ".join(f"{len(document):,}" for document in seen.packed_row)
        full = f"{sum(map(len, seen.packed_row)):,} of {seen.max_length:,} tokens"
        lines += [
            f"packing      saves {seen.padding or 0:.0%} padding, against a row of {seen.max_length:,} tokens for each text",
            f"a row        {full}: texts of {sizes}",
        ]
    for problem in seen.problems:
        lines.append(f"problem      {problem.place}: {problem.message} ({problem.remedy})")
    marked = any(not segment.trained for example in seen.examples for segment in example)
    if marked:
        lines += ["", f"lines with {TRAINED.strip()} before them are trained on, the others are only read"]
    for number, example in enumerate(seen.examples, 1):
        lines += ["", f"example {number}"]
        for segment in example:
            margin = TRAINED if marked and segment.trained else READ
            lines += [(margin + line).rstrip() for line in printable(_shortened(segment, marked)).splitlines()]
    if seen.example_tokens and seen.example_tokens[0]:
        first = seen.example_tokens[0]
        learned = sum(token.trained for token in first)
        lines += [
            "",
            f"example 1 as the model gets it: {len(first):,} tokens, of which {learned:,} in brackets are learned",
        ]
        lines += [READ + line for line in _in_tokens(first[:EXAMPLE_TOKENS]).splitlines()]
    return lines


def _in_tokens(tokens: list[SeenToken]) -> str:
    """Tokens one after another, those that are learned in brackets, line breaks visible."""
    shown = [printable(token.text.replace("\n", "⏎"), lines=False) for token in tokens]
    marked = [f"[{text}]" if token.trained else f"{text}|" for text, token in zip(shown, tokens, strict=True)]
    return textwrap.fill("".join(marked), 100, drop_whitespace=False, break_on_hyphens=False)


def _shortened(segment: Segment, marked: bool) -> str:
    """What is shown of a segment: of what is only read the end too, for what is learned follows it."""
    text, end = segment.text, "" if segment.trained or not marked else segment.text[-END_CHARACTERS:]
    if len(text) <= EXAMPLE_CHARACTERS:
        return text
    left = len(text) - EXAMPLE_CHARACTERS
    return f"{text[: EXAMPLE_CHARACTERS - len(end)]} … ({left:,} more characters) …" + (f"\n… {end}" if end else "")
