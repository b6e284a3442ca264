"""Each of the data sets that a configuration names as a configuration of it alone."""

from __future__ import annotations

from tui_finetune.config.data_parts import DataPart, parse_parts
from tui_finetune.config.resolve import check_value
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError


def configs_of(config: RunConfig) -> list[tuple[DataPart, RunConfig]]:
    """Each data set that is trained on, with a configuration of it alone.

    Raises:
        UserError: something that is said of one is not allowed.
    """
    if config.datasets is None:
        return [(DataPart(config.dataset_name), config)]
    return [(part, _config_of(config, part, number)) for number, part in enumerate(parse_parts(config.datasets), 1)]


def eval_configs_of(config: RunConfig) -> list[tuple[DataPart, RunConfig]]:
    """Each data set that is only evaluated on, with a configuration of it alone; none where no such is named."""
    if config.eval_dataset is None:
        return []
    whole = config.model_copy(update={"dataset_train_split": "train", "dataset_config": None})
    parts = parse_parts(config.eval_dataset, "eval_dataset")
    return [(part, _config_of(whole, part, number, "eval_dataset")) for number, part in enumerate(parts, 1)]


def _config_of(config: RunConfig, part: DataPart, number: int, key: str = "datasets") -> RunConfig:
    checked = {}
    for name, value in part.given.items():
        try:
            checked[name] = check_value(name, value)
        except UserError as error:
            raise UserError(f"{key}, entry {number}: {error.message}", error.remedy, key) from None
    return config.model_copy(
        update={"datasets": None, "eval_dataset": None, "dataset_name": part.name, **checked},
    )
