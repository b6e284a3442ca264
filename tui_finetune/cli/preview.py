"""`finetune-tui preview`: what a data set is, and what a model is trained on in it."""

from __future__ import annotations

import json
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_finetune.cli.flags import add_settings, resolved_from
from tui_finetune.cli.output import write_line
from tui_finetune.errors import UserError
from tui_finetune.system.terminal import printable

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.data.previewed import Preview
    from tui_finetune.data.segments import Example, Segment
    from tui_finetune.data.tokens.view import SeenToken

HELP = "Show what a data set is and what the model would be trained on."

EXAMPLE_CHARACTERS, END_CHARACTERS, EXAMPLE_TOKENS = 600, 150, 200
TRAINED, READ = "  + ", "    "
"""Margins of what is trained on and of what is only read."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "dataset", metavar="DATASET", nargs="?", help="a sample, a file, a folder, or a name on the hub"
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    add_settings(parser)


def run(arguments: Namespace) -> int:
    named = {"dataset_name": arguments.dataset} if arguments.dataset else {}
    resolved = resolved_from(arguments, **named)
    if {resolved.origin(key) for key in ("dataset_name", "datasets")} == {"default"}:
        raise UserError("no DATASET is named", "name a sample, a file, a folder, or a data set on the hub")
    return show_preview(resolved, as_json=arguments.json)


def show_preview(resolved: Resolved, *, as_json: bool) -> int:
    """Print a data set's preview, tokenized as the chosen model does it."""
    from tui_finetune.data.preview import preview
    from tui_finetune.models.loading import load_tokenizer, resolve_max_length
    from tui_finetune.models.located import locate
    from tui_finetune.planning.precheck import precheck
    from tui_finetune.system.libraries import import_libraries

    config = resolved.config
    precheck(config)
    import_libraries("torch", "transformers", "datasets")
    model = locate(config.model_name_or_path, config.model_revision, weights=False, newest=False)
    max_length = resolve_max_length(config, model)
    seen = preview(config, load_tokenizer(model), max_length=max_length)
    if as_json:
        write_line(json.dumps(seen.to_json(), ensure_ascii=True, indent=1))
        return 0
    for line in preview_lines(seen, config.model_name_or_path):
        write_line(line)
    return 0


def preview_lines(seen: Preview, model: str) -> list[str]:
    """A preview as lines of text.

    Args:
        seen: the preview.
        model: the name of the model whose tokenizer counted.
    """
    lines = [*_facts(seen, model), *(f"problem      {p.place}: {p.message} ({p.remedy})" for p in seen.problems)]
    marked = any(not segment.trained for example in seen.examples for segment in example)
    if marked:
        lines += ["", f"lines marked {TRAINED.strip()} are trained on, the others are only read"]
    for number, example in enumerate(seen.examples):
        kind = f", a {'good' if seen.good[number] else 'bad'} reply" if seen.good else ""
        lines += ["", f"example {number + 1}{', chosen' if seen.rejected else kind}", *_example_lines(example, marked)]
        if seen.rejected:
            lines += [f"example {number + 1}, rejected", *_example_lines(seen.rejected[number], marked)]
    if seen.example_tokens and seen.example_tokens[0]:
        lines += ["", *_token_lines(seen.example_tokens[0])]
    return lines


def _example_lines(example: Example, marked: bool) -> list[str]:
    lines = []
    for segment in example:
        margin = TRAINED if marked and segment.trained else READ
        lines += [(margin + line).rstrip() for line in printable(_shortened(segment, marked)).splitlines()]
    return lines


def _facts(seen: Preview, model: str) -> list[str]:
    lines = [f"format       {seen.format}: {seen.reason}"]
    if seen.unused:
        lines.append(f"not used     {', '.join(seen.unused)}")
    lines.append(
        f"rows         {seen.rows:,}" + (f", {seen.duplicates:,} of them duplicates" if seen.duplicates else "")
    )
    if seen.lengths is not None and seen.tokens is not None:
        lengths = seen.lengths
        over = f"; {lengths.over_max_length:,} are longer than {seen.max_length}" if lengths.over_max_length else ""
        lines += [
            f"tokens       {seen.tokens:,}, {seen.trained_tokens:,} of them trained on (as {model} counts)",
            f"lengths      mean {lengths.mean:.0f}, median {lengths.p50}, 95% up to {lengths.p95}, longest {lengths.max}{over}",
        ]
    for part in seen.parts:
        tokens = "" if part.tokens is None else f", {part.tokens:,} tokens, {part.trained_tokens:,} of them trained on"
        trained = f"{part.share:.1%} of an epoch: {part.trained:,} of {part.documents:,} documents{tokens}"
        evaluated = f"{part.evaluated:,} to evaluate on" if part.evaluated else ""
        words = [trained] * bool(part.trained) + [evaluated] * bool(evaluated)
        lines.append(f"data set     {part.label} ({part.format}): {'; '.join(words)}")
    if seen.steps_per_epoch is not None:
        lines.append(f"steps        {'about ' if seen.sampled else ''}{seen.steps_per_epoch:,} per epoch")
    if seen.packed_row:
        sizes = ", ".join(f"{len(document):,}" for document in seen.packed_row)
        full = f"{sum(map(len, seen.packed_row)):,} of {seen.max_length:,} tokens"
        lines += [
            f"packing      saves {seen.padding or 0:.0%} padding, compared with one row of {seen.max_length:,} tokens per text",
            f"a row        {full}: texts of {sizes}",
        ]
    return lines


def _token_lines(tokens: Sequence[SeenToken]) -> list[str]:
    """The first example as the model gets it: tokens one after another, those trained on in brackets."""
    trained = sum(token.trained for token in tokens)
    head = f"example 1 as the model gets it: {len(tokens):,} tokens; the {trained:,} in brackets are trained on"
    shown = ((token, printable(token.text.replace("\n", "⏎"), lines=False)) for token in tokens[:EXAMPLE_TOKENS])
    marked = "".join(f"[{text}]" if token.trained else f"{text}|" for token, text in shown)
    wrapped = textwrap.fill(marked, 100, drop_whitespace=False, break_on_hyphens=False)
    return [head, *(READ + line for line in wrapped.splitlines())]


def _shortened(segment: Segment, marked: bool) -> str:
    """What is shown of a segment: of what is only read the end too, since what is trained on follows it."""
    text, end = segment.text, "" if segment.trained or not marked else segment.text[-END_CHARACTERS:]
    if len(text) <= EXAMPLE_CHARACTERS:
        return text
    left = len(text) - EXAMPLE_CHARACTERS
    return f"{text[: EXAMPLE_CHARACTERS - len(end)]} … ({left:,} more characters) …" + (f"\n… {end}" if end else "")
