"""A known environment for all tests, whatever the one they are started in has set and installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping

PREFIXES = (
    "FINETUNE_TUI", "HF_", "HUGGING", "MLFLOW_", "SSH_", "TENSORBOARD_", "TEXTUAL", "TRACKIO_", "TRANSFORMERS_", "WANDB_",
    "XDG_",
)  # fmt: skip
NAMES = frozenset({"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TMUX", "OUTPUT_DIR", "FINAL_MODEL_DIR"})
TRACKERS = ("tensorboard", "tensorboardX", "wandb", "trackio", "mlflow", "comet_ml", "swanlab", "clearml", "codecarbon")


def is_foreign(name: str) -> bool:
    """Whether an environment variable could change what a test sees."""
    if name.startswith("TEXTUAL_SNAPSHOT_"):  # set by the plugin that takes the pictures
        return False
    return name.startswith(PREFIXES) or name in NAMES or name.lower().endswith("_proxy")


def without_foreign(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a process of the program: what the machine needs, and nothing that changes what it does."""
    return {name: value for name, value in environ.items() if not is_foreign(name)}


def clear(environ: MutableMapping[str, str] = os.environ) -> None:
    """Take out of an environment what could change what a test sees."""
    for name in [name for name in environ if is_foreign(name)]:
        del environ[name]


def hide_trackers() -> None:
    """Make this process, and those that it forks, believe that no experiment tracker is installed."""
    for name in TRACKERS:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system itself takes for 'not there'
