"""`finetune-tui preview`: what a data set is and what will be learnt from it."""

from __future__ import annotations

import json

from tui_finetune.console.output import write_line
from tui_finetune.data.inspection import Preview, preview
from tui_finetune.resolution import Resolved
from tui_finetune.system.terminal import printable

EXAMPLE_CHARACTERS = 600


def show_preview(resolved: Resolved, *, as_json: bool) -> int:
    """Print a data set's preview, tokenised as the chosen model does it."""
    from tui_finetune.models.loading import load_tokenizer, model_folder, resolve_max_length
    from tui_finetune.training.precheck import precheck

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
    if seen.lengths is not None and seen.tokens is not None:
        lengths = seen.lengths
        over = f"; {lengths.over_max_length:,} are longer than {seen.max_length}" if lengths.over_max_length else ""
        lines += [
            f"tokens       {seen.tokens:,}, {seen.trained_tokens:,} of them trained on (as {model} counts)",
            f"lengths      mean {lengths.mean:.0f}, median {lengths.p50}, 95 % up to {lengths.p95}, longest {lengths.max}{over}",
        ]
    for problem in seen.problems:
        where = f"{problem.file}, row {problem.row}" if problem.row is not None else problem.file
        lines.append(f"problem      {where}: {problem.message} ({problem.remedy})")
    for number, example in enumerate(seen.examples, 1):
        lines += ["", f"example {number}"]
        text = "".join(segment.text for segment in example)
        cut = text[:EXAMPLE_CHARACTERS] + (" …" if len(text) > EXAMPLE_CHARACTERS else "")
        lines += [f"  {line}" for line in printable(cut).splitlines()]
    return lines
