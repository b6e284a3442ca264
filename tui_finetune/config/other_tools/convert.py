"""The door: which tool a configuration is of, and what it is as settings of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tui_finetune.config.files import read_yaml
from tui_finetune.config.other_tools import axolotl, h2o, litgpt, llama_factory, torchtune, trl, unsloth
from tui_finetune.config.other_tools.conversion import Conversion
from tui_finetune.errors import UserError


def converted(values: Mapping[str, object], folder: Path | None = None) -> Conversion | None:
    """A configuration of another tool as settings of ours; None where it is one of ours.

    Args:
        values: the file's mapping.
        folder: where it lies; files that it names are looked for from here, in the folders above it, and in the working
            directory.
    """
    if torchtune.looks_like(values):
        return torchtune.convert(values)
    if axolotl.looks_like(values):
        return axolotl.convert(values)
    if llama_factory.looks_like(values):
        return llama_factory.convert(values, lambda name: _read(name, folder))
    if litgpt.looks_like(values):
        return litgpt.convert(values)
    if h2o.looks_like(values):
        return h2o.convert(values)
    if unsloth.looks_like(values):
        return unsloth.convert(values)
    if trl.looks_like(values):
        return trl.convert(values)
    return None


def _read(name: str, folder: Path | None) -> Mapping[str, object] | None:
    """A YAML or JSON file that a configuration names; None where there is none that can be read."""
    above = [folder, *list(folder.resolve().parents)[:4]] if folder is not None else []
    for place in (Path.cwd(), *above):
        path = place / name
        if path.is_file():
            try:
                return read_yaml(path)
            except UserError:
                return None
    return None
