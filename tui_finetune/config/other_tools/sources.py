"""The data sets that another tool's configuration names, as settings of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from tui_finetune.config.other_tools.conversion import Reading


@dataclass(frozen=True)
class Source:
    """One data set.

    Attributes:
        name: a name on the hub, a file or a folder.
        format: how a row becomes text, a value of dataset_format; None where it is to be recognized.
        max_samples: how many rows are used; None for all.
        weight: its share in the mix; None for its rows.
    """

    name: str
    config: str | None = None
    split: str | None = None
    format: str | None = None
    text_field: str | None = None
    messages_field: str | None = None
    prompt_field: str | None = None
    input_field: str | None = None
    completion_field: str | None = None
    chosen_field: str | None = None
    rejected_field: str | None = None
    label_field: str | None = None
    max_samples: int | None = None
    weight: float | None = None
    completion_only_loss: bool | None = None
    assistant_only_loss: bool | None = None

    def given(self) -> dict[str, object]:
        """What is given of it, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


SETTING = {
    "name": "dataset_name",
    "config": "dataset_config",
    "split": "dataset_train_split",
    "format": "dataset_format",
    "text_field": "dataset_text_field",
    "messages_field": "dataset_messages_field",
    "prompt_field": "dataset_prompt_field",
    "input_field": "dataset_input_field",
    "completion_field": "dataset_completion_field",
    "chosen_field": "dataset_chosen_field",
    "rejected_field": "dataset_rejected_field",
    "label_field": "dataset_label_field",
    "max_samples": "max_samples",
    "completion_only_loss": "completion_only_loss",
    "assistant_only_loss": "assistant_only_loss",
}
"""The setting that says what is said of a data set."""


def use(reading: Reading, key: str, sources: Sequence[Source], reason: str = "") -> None:
    """Train on these.

    Args:
        reading: the configuration that is read.
        key: its key that names them.
        sources: at least one.
        reason: a remark.
    """
    if len(sources) == 1:
        given = sources[0].given()
        given.pop("weight", None)
        reading.set(key, reason, **{SETTING[name]: value for name, value in given.items()})
    else:
        reading.set(key, reason, datasets=[source.given() for source in sources])


def evaluate_on(reading: Reading, key: str, sources: Sequence[Source]) -> None:
    """Evaluate on these, in the place of a share of the training data."""
    reading.set(key, eval_dataset=[source.given() for source in sources], eval_strategy="epoch")


def text_of(entry: Mapping[str, object], *names: str) -> str | None:
    """The first of these that an entry has, as text."""
    for name in names:
        value = entry.get(name)
        if value is not None and str(value).strip():
            return str(value).strip()
    return None
