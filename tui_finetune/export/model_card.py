"""The model card of a fine-tuned model: what it was made from, how, how well it learned, and how to use it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from tui_finetune.config.data_parts import parse_parts, write_parts
from tui_finetune.config.mixture import configs_of
from tui_finetune.config.schema import DEFAULT_SAMPLE, STARTER, RunConfig, settings
from tui_finetune.config.steps import rows_per_update
from tui_finetune.formatting import duration
from tui_finetune.runs.result import RunResult
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


def _front_matter(config: RunConfig, run_name: str, made: Made, tags: tuple[str, ...]) -> str:
    library, license = "peft" if made.adapter else "transformers", made.license
    content: dict[str, object] = {"library_name": library, "pipeline_tag": "text-generation"}
    tags = ("lora", *tags) if made.adapter else tags
    base = made.base or config.model_name_or_path
    if _is_hub_name(base):
        content["base_model"] = base
    if hub := [own.dataset_name for _, own in configs_of(config) if _is_hub_name(own.dataset_name)]:
        content["datasets"] = hub
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
    if state.loss_before is not None:
        rows.append(("0", "", f"{_number(state.loss_before)} (before training)"))
    count = len(state.eval_losses)
    every = max(1, -(-count // MAX_EVALUATIONS))
    for number, (step, loss) in enumerate(state.eval_losses):
        best = step == state.best_step
        if number % every and not best and number != count - 1:
            continue
        before = [value for at, value in state.losses if at <= step]
        rows.append((str(step), _number(before[-1] if before else None), _number(loss) + (" (best)" if best else "")))
    if count:
        return _table(("step", "training loss", "evaluation loss"), rows)
    if (last := state.losses.newest) is not None:
        return [f"The last training loss was {last:.4f}; it was not evaluated."]
    return ["No loss was logged."]


def _verdict(result: RunResult | None) -> list[str]:
    """What training came to, and what is wrong with it; nothing where that isn't known."""
    verdict = result.verdict if result is not None else None
    if verdict is None:
        return []
    words = [verdict.plain] if verdict.plain else []
    words += [finding.message for finding in verdict.findings if finding.level in {"error", "warning"}]
    if verdict.went_wrong:
        words.insert(0, "**This run went wrong.**")
        words[1:] = [escape(word) for word in words[1:]]
        return [" ".join(words), ""]
    return [" ".join(map(escape, words)), ""] if words else []


def _versions() -> str:
    parts = []
    for name in ("finetune-tui", *_LIBRARIES):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(parts)


@dataclass(frozen=True)
class Made:
    """What a card tells beside settings and losses.

    Attributes:
        result: how the run ended; None where that isn't known.
        license: of the model it was made from, which its weights stay under.
        chat: whether it was trained on conversations, which its chat template formats; else it continues text.
        stop: the token that it ends its replies or texts with, '' where it has none.
        dtype: the number format of the weights, as 'bfloat16'.
        prompt: what it may be tried with.
        documents, tokens: how many of each it was trained and evaluated on; 0 where that isn't known.
        method: what of it was trained, in a few words.
        adapter: whether it is an adapter, which is loaded with the model it belongs to.
        base: that model, as plain peft finds it: a name on the hub, or a folder; then only its last part is shown.
    """

    result: RunResult | None = None
    license: str | None = None
    chat: bool = False
    stop: str = ""
    dtype: str = ""
    prompt: str = "Once upon a time"
    documents: int = 0
    tokens: int = 0
    method: str = "full fine-tuning: all weights"
    adapter: bool = False
    base: str = ""


_CHAT = """\
messages = [{"role": "user", "content": "Hello!"}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)"""

_LIMITS = (
    "It knows what its base model knows and what is in its data, mistakes included, and may repeat either. Nothing was "
    "checked but the losses above: try it on your own examples before you rely on it."
)


def model_card(
    run_name: str,
    config: RunConfig,
    state: RunState,
    made: Made | None = None,
    *,
    plot: str | None = "training_plot.png",
    tags: tuple[str, ...] = (),
) -> str:
    """The text of a model card.

    Args:
        run_name: what the run is called.
        config: its settings.
        state: what its events add up to.
        made: what else is known.
        plot: the file name of the plot beside the card, None for no plot.
        tags: for the front matter.
    """
    made = made or Made()
    lines = [
        "---",
        _front_matter(config, printable(run_name, lines=False), made, tags).rstrip(),
        "---",
        "",
        f"# {escape(run_name)}",
        "",
        _what_it_is(config, state, made),
        "",
        "## How to use it",
        "",
        *_usage(made),
        "",
        "## How well it learned",
        "",
        *_verdict(made.result),
        *_losses(state),
        "",
    ]
    if words := _which_weights(made.result):
        lines += [words, ""]
    if plot:
        lines += [f"![Training and evaluation loss over the steps]({plot})", ""]
    lines += ["## How it was trained", "", *_training(config, made), "", "## Limits", "", _LIMITS, ""]
    lines += [f"Made with {escape(_versions())}.", ""]
    return "\n".join(lines)


def _what_it_is(config: RunConfig, state: RunState, made: Made) -> str:
    model, dataset = _public(config.model_name_or_path), _public(config.dataset_name)
    revision = config.model_revision
    base = escape(model) + (f" (revision {escape(str(revision)[:12])})" if revision else "")
    kind = f" ({escape(made.result.data_format)})" if made.result and made.result.data_format else ""
    what = "An adapter for a causal language model" if made.adapter else "A causal language model"
    words = f"{what}: {base}, fine-tuned on {escape(dataset)}{kind} for {state.step:,} steps."
    if made.result and made.result.early_stopped and made.result.total_steps:
        words += f" It ended before its {made.result.total_steps:,} steps, as evaluation got no better."
    elif state.status == "stopped" or state.reason == "stop" or (made.result and made.result.status == "stopped"):
        total = made.result.total_steps if made.result else None
        words += " It was stopped before its planned end." + (f" {total:,} steps were planned." if total else "")
    return words


def _usage(made: Made) -> list[str]:
    ask = _CHAT.splitlines() if made.chat else [f'inputs = tokenizer({json.dumps(made.prompt)}, return_tensors="pt")']
    if made.adapter:
        imports = ["from peft import AutoPeftModelForCausalLM", "from transformers import AutoTokenizer"]
        load = "AutoPeftModelForCausalLM.from_pretrained(folder)  # the model it belongs to is loaded with it"
    else:
        imports = ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
        load = "AutoModelForCausalLM.from_pretrained(folder)"
    lines = [
        "```python",
        *imports,
        "",
        'folder = "."  # where this file is',
        "tokenizer = AutoTokenizer.from_pretrained(folder)",
        f"model = {load}",
        *ask,
        "output = model.generate(**inputs, max_new_tokens=200, do_sample=True, temperature=0.8)",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))',
        "```",
        "",
    ]
    if made.chat:
        how, ends = "It was trained on conversations, which its chat template formats.", "Its replies end with"
    else:
        how, ends = "It continues the text that it is given.", "Its texts end with"
    return [*lines, how + (f" {ends} {_code(made.stop)}, where generation stops." if made.stop else "")]


def _code(text: str) -> str:
    """A text as code, literally."""
    return escape(text) if "`" in text else f"`{printable(text, lines=False)}`"


def _which_weights(result: RunResult | None) -> str:
    if result is None or result.final_step is None:
        return ""
    best = result.best_step == result.final_step
    return f"The weights are those of step {result.final_step:,}" + (", the best by evaluation loss." if best else ".")


def _training(config: RunConfig, made: Made) -> list[str]:
    known = settings()
    batch = rows_per_update(config)
    rows = [
        ("method", made.method),
        ("data", f"{made.documents:,} documents, {made.tokens:,} tokens" if made.documents else ""),
        ("rows per update", f"{batch:,}"),
        ("learning rate", known["learning_rate"].show(config.learning_rate)),
        ("weights saved as", made.dtype),
        ("training time", duration(made.result.seconds) if made.result and made.result.seconds else ""),
    ]
    shown = {"model_name_or_path": _public(config.model_name_or_path), "dataset_name": _public(config.dataset_name)}
    for key in ("datasets", "eval_dataset"):
        if (named := getattr(config, key)) is not None:
            shown[key] = write_parts([replace(part, name=_public(part.name)) for part in parse_parts(named, key)])

    def written(key: str) -> tuple[str, str]:
        return f"`{key}`", escape(shown.get(key, known[key].show(getattr(config, key))))

    keys = [key for key, item in known.items() if key not in _UNSHOWN and item.concerns(config.method, config.task)]
    other = [written(key) for key in keys if getattr(config, key) != known[key].default]
    return [
        *_table(("", ""), [(name, escape(value)) for name, value in rows if value]),
        "",
        "Settings that differ from the defaults:",
        "",
        *_table(("setting", "value"), other),
        "",
        "<details><summary>All settings</summary>",
        "",
        *_table(("setting", "value"), [written(key) for key in keys]),
        "",
        "</details>",
    ]


def write_model_card(path: Path, run_name: str, config: RunConfig, state: RunState, made: Made) -> None:
    """Write a model card, whole or not at all; arguments as for `model_card`."""
    write_atomically(path, model_card(run_name, config, state, made))
