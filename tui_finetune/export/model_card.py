"""The model card of a fine-tuned model: README.md with what it was made from, how, and how well it learned."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from tui_finetune.config.schema import DEFAULT_SAMPLE, STARTER, RunConfig, settings
from tui_finetune.runs.state import RunState
from tui_finetune.system.files import write_atomically
from tui_finetune.system.terminal import printable

MAX_EVALUATIONS = 50
"""Rows in the table of losses; of more, a few evenly spaced are shown, and always the best and the last."""

_HUB_NAME = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?\Z")
_LIBRARIES = ("transformers", "torch", "datasets", "tokenizers")
# Where something is on the machine it was made on is nobody else's business.
_UNSHOWN = {"output_dir", "final_model_dir", "report_to"}


def escape(text: str) -> str:
    """The text so that Markdown shows it literally, on one line, also in a table."""
    plain = printable(text, lines=False)
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$&@])", r"\\\1", plain)


def _public(name: str) -> str:
    """A model's or data set's name as it may be shown: of a path only the last part."""
    return name if name in {STARTER, DEFAULT_SAMPLE} or _is_hub_name(name) else Path(name.rstrip("/")).name or "local"


def _is_hub_name(name: str) -> bool:
    return name.count("/") == 1 and _HUB_NAME.match(name) is not None and not Path(name).expanduser().exists()


def _front_matter(config: RunConfig, run_name: str, license: str | None, tags: tuple[str, ...]) -> str:
    content: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    if _is_hub_name(config.model_name_or_path):
        content["base_model"] = config.model_name_or_path
    if _is_hub_name(config.dataset_name):
        content["datasets"] = [config.dataset_name]
    if license:
        content["license"] = license
    content["tags"] = ["finetune-tui", "text-generation", *tags]
    content["model_name"] = run_name
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=False)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _losses(state: RunState) -> list[str]:
    """Evaluation losses, each beside the training loss logged last before it."""
    rows: list[tuple[str, ...]] = []
    count = len(state.eval_losses)
    every = max(1, -(-count // MAX_EVALUATIONS))
    for number, (step, loss) in enumerate(state.eval_losses):
        best = step == state.best_step
        if number % every and not best and number != count - 1:
            continue
        before = [value for at, value in state.losses if at <= step]
        rows.append((str(step), _number(before[-1] if before else None), _number(loss) + (" (best)" if best else "")))
    if rows:
        return _table(("step", "training loss", "evaluation loss"), rows)
    if (last := state.losses.newest) is not None:
        return [f"The last training loss was {last:.4f}; it was not evaluated."]
    return ["No loss was logged."]


def _versions() -> str:
    parts = []
    for name in ("finetune-tui", *_LIBRARIES):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(parts)


def model_card(
    run_name: str,
    config: RunConfig,
    state: RunState,
    *,
    facts: Mapping[str, Any] | None = None,
    license: str | None = None,
    plot: str | None = "training_plot.png",
    tags: tuple[str, ...] = (),
) -> str:
    """The text of a model card.

    Args:
        run_name: what the run is called.
        config: its settings.
        state: what its events add up to.
        facts: more about the run for the reader, in order, as {'Training rows': 480, 'Device': 'CPU'}.
        license: of the model it was made from, which its weights stay under.
        plot: the file name of the plot beside the card, None for no plot.
        tags: for the front matter.
    """
    name = escape(run_name)
    model, dataset = _public(config.model_name_or_path), _public(config.dataset_name)
    stopped = " It was stopped before its planned end." if state.status == "stopped" or state.reason == "stop" else ""
    lines = [
        "---",
        _front_matter(config, printable(run_name, lines=False), license, tags).rstrip(),
        "---",
        "",
        f"# {name}",
        "",
        f"A causal language model: {escape(model)}, fine-tuned on {escape(dataset)} for {state.step:,} steps.{stopped}",
        "",
        "## How to use it",
        "",
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'folder = "."  # where this file is',
        "tokenizer = AutoTokenizer.from_pretrained(folder)",
        "model = AutoModelForCausalLM.from_pretrained(folder)",
        'inputs = tokenizer("Once upon a time", return_tensors="pt")',
        "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=100, do_sample=True)[0]))",
        "```",
        "",
        "## How well it learned",
        "",
        *_losses(state),
        "",
    ]
    if plot:
        lines += [f"![Training and evaluation loss over the steps]({plot})", ""]
    lines += ["## How it was trained", ""]
    rows = [
        (escape(str(key)), escape(f"{value:,}" if isinstance(value, int) else str(value)))
        for key, value in (facts or {}).items()
    ]
    if rows:
        lines += [*_table(("", ""), rows), ""]
    shown = {"model_name_or_path": model, "dataset_name": dataset}
    lines += _table(
        ("setting", "value"),
        [
            (f"`{key}`", escape(shown.get(key, item.show(getattr(config, key)))))
            for key, item in settings().items()
            if key not in _UNSHOWN
        ],
    )
    lines += ["", f"Made with {escape(_versions())}.", ""]
    return "\n".join(lines)


def write_model_card(path: Path, run_name: str, config: RunConfig, state: RunState, **more: Any) -> None:
    """Write a model card, whole or not at all; ``more`` as for `model_card`."""
    write_atomically(path, model_card(run_name, config, state, **more))
