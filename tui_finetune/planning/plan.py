"""What a run would be, before it is started: its size, steps, time and memory, and what is missing for it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.mixture import configs_of
from tui_finetune.config.resolve import Resolved, set_by_somebody
from tui_finetune.config.schema import SFT, RunConfig
from tui_finetune.errors import Notice, UserError
from tui_finetune.formatting import duration, size
from tui_finetune.models.methods.choose import method_of
from tui_finetune.runs.findings.rates import rate_notice
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from tui_finetune.data.previewed import Preview
    from tui_finetune.models.choices import Amount, Choices
    from tui_finetune.models.devices import DeviceFacts
    from tui_finetune.models.facts import ModelFacts
    from tui_finetune.planning.estimate import Estimate
    from tui_finetune.runs.events import CheckEvent


@dataclass(frozen=True)
class Plan:
    """What is known of a run with a configuration; more and more as it is worked out.

    Attributes:
        config: the configuration.
        facts: its model's; None while not known, as for a model on the hub that was never downloaded.
        preview: its data's; None while not known. Data on the hub is not downloaded for a plan.
        steps: updates of the weights, counted as Trainer counts them.
        estimate: memory, time, disk.
        choices: the configuration with what nobody chose chosen, why, and what should be known; None while not known.
        amount: how much data there is.
        problem: the first thing that keeps it from being started.
        warnings: what would be wrong with it.
        complete: nothing more will be known.
    """

    config: RunConfig
    facts: ModelFacts | None = None
    preview: Preview | None = None
    steps: int | None = None
    estimate: Estimate | None = None
    choices: Choices | None = None
    amount: Amount | None = None
    problem: UserError | None = None
    warnings: tuple[Notice, ...] = ()
    complete: bool = False

    @property
    def settled(self) -> RunConfig:
        """The configuration, with what nobody chose chosen where that is known."""
        return self.choices.config if self.choices is not None else self.config

    def corrected(self, checked: CheckEvent | None) -> Plan:
        """The plan with what the check before training measured, where there was one."""
        if checked is None or self.estimate is None:
            return self
        return replace(self, estimate=self.estimate.corrected(checked))

    def parts(self, left: float | None = None) -> list[str]:
        """The plan in a few words each, most important first.

        Args:
            left: seconds that are left of a run of it that is going; they take the place of the estimate.
        """
        parts = [f"{short_name(self.config.model_name_or_path)} → {short_name(self.config.dataset_name)}"]
        method = method_of(self.config)
        if self.config.task != SFT:
            parts.append(self.config.task)
        if method.trains_adapter:  # full fine-tuning is what it is taken for where nothing is said
            parts.append(method.label)
        if self.steps is not None:
            parts.append(f"{self.steps:,} step{'s' if self.steps != 1 else ''}")
        if self.estimate is not None:
            if left is not None:
                parts.append(f"{duration(left)} left")
            elif self.estimate.seconds is not None and self.steps is not None:
                parts.append(f"about {rough_duration(self.estimate.seconds)}")
            needed, usable = size(self.estimate.needed), size(self.estimate.usable)
            parts.append(f"{needed} memory" if self.estimate.fits else f"✗ needs {needed} memory, {usable} usable")
        if self.facts is not None and self.facts.parameters:
            words = method.words(self.facts)
            parts.append(words.removeprefix(f"{method.label}: ") if method.trains_adapter else words)
        return [*parts[:1], *(f"! {warning.message.rstrip('.')}" for warning in self.warnings), *parts[1:]]


def short_name(name: str) -> str:
    """A name as it is shown where room is scarce: of a path only its end."""
    if name.count("/") > 1 or name.startswith(("/", ".", "~")):
        path = Path(name)
        return path.parent.name if path.name == "final" else path.name
    return name


def rough_duration(seconds: float) -> str:
    """An estimate, no more exact than it is: 40 s, 3 min, 2 h."""
    if seconds < 60:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.0f} h"


def examine(
    resolved: Resolved | RunConfig,
    on_part: Callable[[Plan], None] | None = None,
    report: Report | None = None,
    *,
    read_hub_data: bool = False,
) -> Plan:
    """Work out the plan. Problems the user can cause end up in it, none is raised.

    Args:
        resolved: the configuration, and where its values come from; nothing is chosen for one without.
        on_part: called with what is known so far, each time it is more.
        report: progress of reading the data; may raise Cancelled.
        read_hub_data: download data from the hub to count its steps.
    """
    tell = on_part or (lambda plan: None)
    resolved = resolved if isinstance(resolved, Resolved) else set_by_somebody(resolved)
    plan = Plan(resolved.config)
    try:
        for plan in _stages(resolved, report, read_hub_data=read_hub_data):
            tell(plan)
    except UserError as error:
        plan = replace(plan, problem=error)
    plan = replace(plan, complete=True)
    tell(plan)
    return plan


def _stages(resolved: Resolved, report: Report | None, *, read_hub_data: bool) -> Iterator[Plan]:
    """The plan, growing: first what files say, then what needs the heavy libraries."""
    from tui_finetune.models.catalog import suggested_rate
    from tui_finetune.models.located import locate
    from tui_finetune.planning.fit import may_have_gpu, this_device
    from tui_finetune.planning.precheck import precheck

    config = resolved.config
    precheck(config)
    # What is in the cache is good enough for a plan: the run itself asks whether there is a newer version.
    model = locate(config.model_name_or_path, config.model_revision, weights=False, newest=False)
    said = rate_notice(config, suggested_rate(config.model_name_or_path))
    plan = Plan(config, model.facts(), warnings=(said,) if said else ())
    yield plan if may_have_gpu() else _with_estimate(plan, resolved, this_device())

    from tui_finetune.system.libraries import import_libraries

    import_libraries("torch", "transformers", "datasets")
    from tui_finetune.data.preview import estimate_rows, preview
    from tui_finetune.models.devices import learn_precision
    from tui_finetune.models.loading import check_trainable, load_tokenizer, resolve_max_length
    from tui_finetune.models.saving import check_savable

    check_trainable(model)
    check_savable(model)
    method_of(config).check(model)
    max_length = resolve_max_length(config, model)
    if plan.facts is not None:
        learn_precision(config.precision, plan.facts)
    device = this_device()
    if not read_hub_data and not all(_is_local(own.dataset_name) for _, own in configs_of(config)):
        yield _with_estimate(plan, resolved, device)
        return
    seen = preview(config, load_tokenizer(model), report, max_length=max_length)
    train_rows = estimate_rows(seen, config)
    plan = replace(plan, preview=seen, amount=_amount(seen, config, train_rows))
    yield _with_estimate(plan, resolved, device, train_rows)


def _is_local(dataset: str) -> bool:
    from tui_finetune.data.readers.files import find_files
    from tui_finetune.data.samples import sample_path

    return sample_path(dataset) is not None or find_files(dataset) is not None


@functools.cache
def _speed() -> float:
    """What the device computes a second, measured once: it takes a third of a second of all cores."""
    from tui_finetune.models.devices import measure_speed

    return measure_speed()


def _amount(seen: Preview, config: RunConfig, train_rows: int) -> Amount:
    """How much data there is."""
    from tui_finetune.models.choices import DOCUMENTS, Amount

    aside = config.validation_split
    held_out = aside if aside >= 1 else aside * seen.documents
    if seen.parts:
        held_out = sum(part.evaluated for part in seen.parts)
    # Those that are held out are packed like the others.
    share = held_out / max(seen.documents - held_out, 1)
    eval_rows = math.ceil(train_rows * share) if held_out else 0
    what = DOCUMENTS.get(seen.format, "examples")
    return Amount(seen.documents, train_rows, eval_rows, what, packed=config.packing)


def _with_estimate(plan: Plan, resolved: Resolved, device: DeviceFacts, train_rows: int | None = None) -> Plan:
    """The plan with what nobody chose chosen, and what it will take; without where the model's size is not known."""
    from tui_finetune.config.steps import count_steps
    from tui_finetune.models.choices import choose
    from tui_finetune.models.facts import row_length
    from tui_finetune.planning.estimate import estimate

    if plan.facts is None:
        return plan
    length = row_length(resolved.config.max_length, plan.facts.context_length)
    choices = choose(resolved, plan.facts, device, length, plan.amount)
    steps = count_steps(plan.amount.rows, choices.config) if plan.amount else None
    plan = replace(plan, choices=choices, steps=steps)
    if plan.facts is None or plan.facts.parameters is None:
        return plan
    seen = plan.preview
    return replace(
        plan,
        estimate=estimate(
            choices.config,
            plan.facts,
            device=device,
            tokens=seen.tokens if seen else None,
            rows=seen.documents if seen else None,
            train_rows=train_rows,
            speed=_speed() if seen else None,
        ),
    )
