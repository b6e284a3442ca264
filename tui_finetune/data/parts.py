"""Opening all that a run learns from and is evaluated on: one data set, or several."""

from __future__ import annotations

from tui_finetune.config.data_parts import short_names
from tui_finetune.config.mixture import configs_of, eval_configs_of
from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.data.mixture import Part, Role
from tui_finetune.data.open import open_dataset, open_eval_split
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report


def open_parts(config: RunConfig, report: Report | None = None) -> list[Part]:
    """Open the data sets that a configuration names: those that are trained on, then those that are only evaluated on.

    Raises:
        UserError: one isn't there, is empty, or something in it can't be read.
    """
    if config.task in PREFERENCES:
        _refuse_several(config)
        return alone(open_dataset(config, report), config)
    training, evaluation = configs_of(config), eval_configs_of(config)
    labels = short_names([part for part, _ in training]) if config.datasets is not None else [""]
    found, aside = [], []
    for (part, own), label in zip(training, labels, strict=True):
        source = open_dataset(own, report)
        brought = None if evaluation else open_eval_split(own, source, report)
        if brought is not None:
            aside.append(Part(label, own, brought, role="evaluation"))
        role: Role = "both" if brought is None and not evaluation else "training"
        found.append(Part(label, own, source, part.weight, role))
    names = short_names([part for part, _ in evaluation]) if len(evaluation) > 1 else [""] * len(evaluation)
    aside += [
        Part(label, own, open_dataset(own, report), role="evaluation")
        for (_, own), label in zip(evaluation, names, strict=True)
    ]
    return [*found, *aside]


def _refuse_several(config: RunConfig) -> None:
    """Raises UserError where preferences are to be learned from more than one data set."""
    for key in ("datasets", "eval_dataset"):
        if getattr(config, key) is not None:
            raise UserError(
                f"{key} is not supported with task: {config.task} yet",
                "put the rows into one file, and name it in dataset_name",
                setting=key,
            )


def alone(source: Source, config: RunConfig) -> list[Part]:
    """One open data set, of which rows are kept aside for evaluation."""
    return [Part("", config, source)]
