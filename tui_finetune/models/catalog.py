"""What models there are: the starter, folders, the hub's cache and the hub. Quick, and without torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tui_finetune.config.aliases import canonical
from tui_finetune.config.files import read_yaml
from tui_finetune.config.resolve import MODEL_SETTINGS_FILE
from tui_finetune.config.schema import STARTER, settings
from tui_finetune.errors import UserError
from tui_finetune.models.adapters import holds_model, is_adapter, read_adapter
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.hub import REQUEST_SECONDS, cached_folder, cached_models, hub_error
from tui_finetune.models.hub_query import HubQuery, license_of, parameters_of
from tui_finetune.models.located import SETTING, LocatedModel, find_local, locate, named_folder
from tui_finetune.models.recent import recent_folders
from tui_finetune.starter.paths import MODEL
from tui_finetune.system.paths import short_path

MANY = 100
"""Models that the hub is asked for where only some of them are of the size that is wanted."""

ModelSource = Literal["starter", "local", "cache", "hub"]


@dataclass(frozen=True)
class ModelEntry:
    """One model that can be chosen.

    ``name`` is what model_name_or_path takes; ``path`` is its folder where it is on this machine; ``bytes`` the size of its
    weights there. ``gated`` and ``license`` are known of what a search on the hub has found.
    """

    source: ModelSource
    name: str
    path: Path | None
    summary: str
    bytes: int | None = None
    gated: bool = False
    license: str = ""


def _short(number: int | None) -> str:
    if number is None:
        return ""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)


def _summary(facts: ModelFacts) -> str:
    parts = [facts.model_type or "", _short(facts.parameters)]
    if facts.context_length:
        parts.append(f"{facts.context_length} tokens")
    if not facts.is_causal_lm:
        parts.append("not a causal language model")
    return " · ".join(part for part in parts if part)


def _entry(source: ModelSource, name: str, folder: Path, remark: str = "") -> ModelEntry:
    try:
        if is_adapter(folder):
            return _adapter_entry(source, name, folder, remark)
        facts = LocatedModel(name, folder).facts()
    except UserError as error:  # said in full when it is chosen
        return ModelEntry(source, name, folder, f"can't be used: {error.message.split(': ', 1)[-1]}")
    return ModelEntry(source, name, folder, " · ".join(part for part in (remark, _summary(facts)) if part), facts.bytes)


def _adapter_entry(source: ModelSource, name: str, folder: Path, remark: str) -> ModelEntry:
    try:
        what = f"adapter for {read_adapter(folder).base.name}"
    except UserError:
        what = "adapter that can't be read"
    return ModelEntry(source, name, folder, " · ".join(part for part in (remark, what) if part))


def _folders_with(inside: str, parent: Path) -> Iterator[Path]:
    """The folders in a directory that hold a model, or hold one in a folder of that name, by name."""
    try:
        paths = sorted(Path(entry.path) for entry in os.scandir(parent) if entry.is_dir())
    except OSError:
        return
    yield from (path for path in paths if holds_model(path / inside))


def _local(base: Path) -> Iterator[ModelEntry]:
    """Folders of models beside the user, the final models of the runs, folders that were chosen before, and ~/models."""
    # The ./ in the names tells a folder of two words from a name on the hub.
    for parent in (base, base / "models"):
        for path in _folders_with(".", parent):
            yield _entry("local", f"./{path.relative_to(base)}", path)
    for path in _folders_with("final", base / "runs"):
        yield _entry("local", f"./{path.relative_to(base) / 'final'}", path / "final", f"run {path.name}")
    for path in dict.fromkeys([*recent_folders(), *_folders_with(".", Path.home() / "models")]):
        if not path.is_relative_to(base.absolute()):
            yield _entry("local", short_path(path), path)


def list_models(base: Path) -> list[ModelEntry]:
    """All models on this machine: the starter, folders in ``base``, its models/ and its runs, and the hub's cache."""
    starter = MODEL
    entries: list[ModelEntry] = []
    if (starter / "config.json").is_file():
        entries.append(_entry("starter", STARTER, starter, "included, needs no network"))
    entries += _local(base)
    entries += [_entry("cache", name, folder) for name, folder in cached_models()]
    return entries


def search_hub(query: str, limit: int = 20) -> list[ModelEntry]:
    """Models on the hub that write text, the most downloaded first.

    Args:
        query: words in their names, and filters (`hub_query`).
        limit: how many at most.

    Raises:
        UserError: the hub can't be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    api, asked = HfApi(), HubQuery.read(query)
    # HfApi.list_models takes no time limit, so the request behind it is made here.
    try:
        response = get_session().get(
            f"{api.endpoint}/api/models",
            params=[*asked.parameters, ("limit", str(MANY if asked.most < float("inf") or asked.least else limit))],
            headers=build_hf_headers(),
            timeout=REQUEST_SECONDS,
        )
        hf_raise_for_status(response)
        found = response.json()
    except Exception as error:
        raise hub_error(error, query, kind="search", setting=SETTING) from error
    return [
        _found(item)
        for item in found
        if isinstance(item, Mapping) and isinstance(item.get("id"), str) and asked.fits(item)
    ][:limit]


def _found(item: Mapping[str, Any]) -> ModelEntry:
    downloads = f"{_short(item.get('downloads'))} downloads".strip()
    words = " · ".join(part for part in (downloads, _short(parameters_of(item))) if part)
    gated = bool(item.get("gated"))
    return ModelEntry("hub", item["id"], cached_folder(item["id"]), words, gated=gated, license=license_of(item))


def model_facts(name: str, revision: str | None = None, *, network: bool = False) -> ModelFacts | None:
    """What is known about a model.

    Args:
        name: 'starter', a folder, or a name on the hub.
        revision: a branch, tag or commit on the hub.
        network: download the small files of a hub model that is not on this machine.

    Returns:
        None where it is not on this machine and the network is not to be used.

    Raises:
        UserError: there is no such model, or the hub can't be reached.
    """
    model = find_local(name, revision)
    if model is None and network:
        model = locate(name, revision, weights=False)
    return model.facts() if model is not None else None


_SUITING = {"Text to tokens", "Length of training", "Learning", "Evaluation and saving"}
"""The groups of settings that a model may speak for: a model that was downloaded can't choose files or the network."""


def model_settings(name: str) -> dict[str, object]:
    """The settings that a model's folder says suit it, {} where it says nothing.

    Only the starter and local folders are asked: a hub model's would count from the second run on.

    Raises:
        UserError: the file can't be read, or sets what a model has no say in.
    """
    try:
        folder = named_folder(name)
    except UserError:
        return {}  # said in full when the model is loaded
    if folder is None:
        return {}
    own = _adapter_settings(folder)
    path = folder / MODEL_SETTINGS_FILE
    if not path.is_file():
        return own
    values = canonical(read_yaml(path), str(path))
    known = settings()
    for key in values:
        if known[key].group not in _SUITING:
            raise UserError(f"{path}: a model can't set '{key}'", "remove the line from the file")
    return {**values, **own}


def _adapter_settings(folder: Path) -> dict[str, object]:
    """What an adapter is, as settings of a run that continues it; {} where it is no adapter, or can't be read, which is
    said when it is loaded."""
    try:
        return read_adapter(folder).settings() if is_adapter(folder) else {}
    except UserError:
        return {}


def suggested_rate(name: str) -> float | None:
    """The learning rate that a model's folder says suits it; None where it says nothing."""
    try:
        rate = model_settings(name).get("learning_rate")
        return float(str(rate)) if rate is not None else None
    except (UserError, ValueError):
        return None
