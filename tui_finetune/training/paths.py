"""Paths in a configuration that mean the same from every directory."""

from __future__ import annotations

from pathlib import Path

from tui_finetune.config.schema import STARTER, RunConfig
from tui_finetune.data.samples import sample_path
from tui_finetune.errors import UserError
from tui_finetune.system.paths import user_path


def rooted(config: RunConfig) -> RunConfig:
    """The configuration with its relative paths made absolute, so that a run can be gone on with from anywhere.

    Names of samples, of the starter and on the hub stay what they are.
    """
    changes: dict[str, object] = {}
    if config.model_name_or_path != STARTER and _is_path(config.model_name_or_path):
        changes["model_name_or_path"] = _absolute(config.model_name_or_path)
    if sample_path(config.dataset_name) is None and _is_path(config.dataset_name):
        changes["dataset_name"] = _absolute(config.dataset_name)
    if config.final_model_dir is not None:
        changes["final_model_dir"] = _absolute(config.final_model_dir)
    return config.model_copy(update=changes)


def _absolute(name: str) -> str:
    return str(user_path(name).absolute())


def _is_path(name: str) -> bool:
    """Whether the name is that of something on this machine, or a pattern that files here match."""
    try:
        path = user_path(name)
        return path.exists() or (any(sign in name for sign in "*?[") and any(Path().glob(name)))
    except (UserError, OSError, ValueError, NotImplementedError):
        return False
