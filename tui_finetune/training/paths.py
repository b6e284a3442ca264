"""Paths in a configuration that mean the same from every directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tui_finetune.config.data_parts import parse_parts, write_parts
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
    if config.datasets is None:
        changes["dataset_name"] = _rooted_data(config.dataset_name)
    for key in ("datasets", "eval_dataset"):
        if (named := getattr(config, key)) is not None:
            parts = [replace(part, name=_rooted_data(part.name)) for part in parse_parts(named, key)]
            changes[key] = write_parts(parts)
    if config.final_model_dir is not None:
        changes["final_model_dir"] = _absolute(config.final_model_dir)
    return config.model_copy(update=changes)


def _rooted_data(name: str) -> str:
    return _absolute(name) if sample_path(name) is None and _is_path(name) else name


def _absolute(name: str) -> str:
    return str(user_path(name).absolute())


def _is_path(name: str) -> bool:
    """Whether the name is that of something on this machine, or a pattern that files here match."""
    try:
        path = user_path(name)
        return path.exists() or (any(sign in name for sign in "*?[") and any(Path().glob(name)))
    except (UserError, OSError, ValueError, NotImplementedError):
        return False
