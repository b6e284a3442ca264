"""What a run would be, before it is started: its size, steps, time and memory, and what is missing for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.formatting import amount, size
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from tui_finetune.data.preview import Preview
    from tui_finetune.models.facts import ModelFacts
    from tui_finetune.planning.estimate import Estimate


@dataclass(frozen=True)
class Plan:
    """What is known of a run with a configuration; more and more as it is worked out.

    Attributes:
        config: the configuration.
        facts: its model's; None while not known, as for a model on the hub that was never downloaded.
        preview: its data's; None while not known. Data on the hub is not downloaded for a plan.
        steps: updates of the weights, counted as Trainer counts them.
        estimate: memory, time, disk.
        problem: the first thing that keeps it from being started.
        complete: nothing more will be known.
    """

    config: RunConfig
    facts: ModelFacts | None = None
    preview: Preview | None = None
    steps: int | None = None
    estimate: Estimate | None = None
    problem: UserError | None = None
    complete: bool = False

    def parts(self) -> list[str]:
        """The plan in a few words each, most important first."""
        parts = [f"{short_name(self.config.model_name_or_path)} → {short_name(self.config.dataset_name)}"]
        if self.steps is not None:
            parts.append(f"{self.steps:,} step{'s' if self.steps != 1 else ''}")
        if self.estimate is not None:
            if self.estimate.seconds is not None and self.steps is not None:
                parts.append(f"about {rough_duration(self.estimate.seconds)}")
            total, available = self.estimate.memory["total"], self.estimate.available
            parts.append(
                f"{size(total)} memory" if self.estimate.fits else f"✗ needs {size(total)}, {size(available)} are free"
            )
        if self.facts is not None and self.facts.parameters:
            parts.append(f"all {amount(self.facts.parameters)} weights")
        return parts


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
    config: RunConfig,
    on_part: Callable[[Plan], None] | None = None,
    report: Report | None = None,
    *,
    read_hub_data: bool = False,
) -> Plan:
    """Work out the plan. Problems the user can cause end up in it, none is raised.

    Args:
        config: the configuration.
        on_part: called with what is known so far, each time it is more.
        report: progress of reading the data; may raise Cancelled.
        read_hub_data: download data from the hub to count its steps.
    """
    tell = on_part or (lambda plan: None)
    plan = Plan(config)
    try:
        for plan in _stages(config, report, read_hub_data=read_hub_data):
            tell(plan)
    except UserError as error:
        plan = replace(plan, problem=error)
    plan = replace(plan, complete=True)
    tell(plan)
    return plan


def _stages(config: RunConfig, report: Report | None, *, read_hub_data: bool) -> Iterator[Plan]:
    """The plan, growing: first what files say, then what needs the heavy libraries."""
    from tui_finetune.models.devices import cpu_facts
    from tui_finetune.models.located import locate
    from tui_finetune.planning.precheck import precheck

    precheck(config)
    # What is in the cache is good enough for a plan: the run itself asks whether there is a newer version.
    model = locate(config.model_name_or_path, config.model_revision, weights=False, newest=False)
    facts = model.facts()
    plan = Plan(config, facts)
    if facts is not None and facts.parameters is not None:
        plan = replace(plan, estimate=_estimate(config, facts, None, None, cpu_facts()))
    yield plan

    from tui_finetune.system.libraries import import_libraries

    import_libraries("torch", "transformers", "datasets")
    from tui_finetune.config.steps import count_steps
    from tui_finetune.data.preview import estimate_rows, preview
    from tui_finetune.data.readers.files import find_files
    from tui_finetune.data.samples import sample_path
    from tui_finetune.models.devices import device_facts
    from tui_finetune.models.loading import check_trainable, load_tokenizer, resolve_max_length

    check_trainable(model)
    max_length = resolve_max_length(config, model)
    device = device_facts()
    local = sample_path(config.dataset_name) is not None or find_files(config.dataset_name) is not None
    if not local and not read_hub_data:
        if facts is not None and facts.parameters is not None:
            yield replace(plan, estimate=_estimate(config, facts, None, None, device))
        return
    tokenizer = load_tokenizer(model)
    seen = preview(config, tokenizer, report, max_length=max_length)
    steps = count_steps(estimate_rows(seen, config), config)
    plan = replace(plan, preview=seen, steps=steps)
    if facts is not None and facts.parameters is not None:
        plan = replace(plan, estimate=_estimate(config, facts, seen, steps, device))
    yield plan


@functools.cache
def _speed() -> float:
    """What the device computes a second, measured once: it takes a third of a second of all cores."""
    from tui_finetune.models.devices import measure_speed

    return measure_speed()


def _estimate(
    config: RunConfig, facts: ModelFacts, preview: Preview | None, steps: int | None, device: object
) -> Estimate:
    from tui_finetune.planning.estimate import estimate

    result = estimate(
        config,
        facts,
        device=device,  # type: ignore[arg-type]
        tokens=preview.tokens if preview else None,
        rows=preview.documents if preview else None,
        speed=_speed() if preview else None,
    )
    if steps is None or not result.steps:
        return result
    # Counted from the documents' lengths, the steps are exact; the time goes with them.
    seconds = result.seconds * steps / result.steps if result.seconds is not None else None
    return replace(result, steps=steps, seconds=seconds)
