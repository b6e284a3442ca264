"""Where a model is: its name is resolved once, to a folder and a revision, and passed on as an object. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tui_finetune.config.names import STARTER
from tui_finetune.errors import UserError
from tui_finetune.models.adapters import ADAPTER_CONFIG, BASE_FILE, Adapter, holds_model, is_adapter, read_adapter
from tui_finetune.models.checks import checked_config
from tui_finetune.models.download import fetch, is_whole
from tui_finetune.models.facts import ModelFacts, facts_from, has_chat_template
from tui_finetune.models.hub import NAME, cached_folder
from tui_finetune.starter.paths import MODEL
from tui_finetune.system.paths import refuse_closed, refuse_strange, user_path
from tui_finetune.system.progress import Report

SETTING = "model_name_or_path"
REVISION_SETTING = "model_revision"
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,200}\Z")


@dataclass(frozen=True)
class LocatedModel:
    """A model whose files are on this machine, some or all of them.

    Attributes:
        name: 'starter', a folder or a name on the hub, as it was asked for.
        folder: where its files are; of an adapter, those of the model that it belongs to.
        revision: the commit on the hub that they are from; None for a folder of one's own, and for the starter.
        adapter: the adapter that was asked for, where the name is that of one.
    """

    name: str
    folder: Path
    revision: str | None = None
    adapter: Adapter | None = None

    @property
    def own_folder(self) -> Path:
        """Where what was asked for is: of an adapter its own folder, which has a tokenizer of its own too."""
        return self.adapter.folder if self.adapter is not None else self.folder

    @property
    def base(self) -> LocatedModel:
        """The model itself, without the adapter."""
        return self if self.adapter is None else LocatedModel(self.adapter.base.name, self.folder, self.revision)

    def facts(self) -> ModelFacts:
        """What its files say about it; of an adapter, what those of its model say.

        Raises:
            UserError: its config.json says what no model can be.
        """
        path = self.folder / "config.json"
        facts = facts_from(self.name, checked_config(path) if path.is_file() else {}, self.folder)
        return replace(facts, chat_template=has_chat_template(self.own_folder)) if self.adapter else facts


def _is_path(name: str) -> bool:
    """Whether a name can only be meant as a path."""
    return name.startswith(("/", "./", "../", "~", ".\\")) or name in {".", ".."} or "\\" in name or name.count("/") > 1


def named_folder(name: str) -> Path | None:
    """The folder that a name stands for; None where it is the name of a model on the hub.

    Raises:
        UserError: it is neither.
    """
    if name == STARTER:
        return MODEL
    path = user_path(name, SETTING)
    refuse_strange(path, name, SETTING)
    refuse_closed(path, name, SETTING)
    if path.is_dir():
        return path
    if path.exists():
        raise UserError(f"{name} is a file, not a model's folder", "name the folder that it is in", setting=SETTING)
    if _is_path(name):
        raise UserError(f"there is no folder {name}", "check the path, or use 'starter'", setting=SETTING)
    if not NAME.match(name):
        raise UserError(
            f"'{name}' can't be the name of a model",
            "name a local folder, a model on the hub such as 'Qwen/Qwen3-0.6B', or 'starter'",
            setting=SETTING,
        )
    return None


def find_local(name: str, revision: str | None = None) -> LocatedModel | None:
    """A model that is on this machine already, also in the hub's cache; None where it is not. Asks nobody.

    Raises:
        UserError: the name is not the name of a model, or that of an adapter whose model is not here.
    """
    if (folder := named_folder(name)) is not None:
        return _on_base(name, read_adapter(folder), find_local) if is_adapter(folder) else LocatedModel(name, folder)
    folder = cached_folder(name, revision) if revision is None or _REVISION.match(revision) else None
    return LocatedModel(name, folder, folder.name) if folder is not None else None


def locate(
    name: str,
    revision: str | None = None,
    *,
    weights: bool = True,
    newest: bool = True,
    report: Report | None = None,
) -> LocatedModel:
    """Find a model, and download it where it is on the hub only. Of one in the cache the hub is asked a single request,
    and none where its revision is a commit.

    Args:
        name: 'starter', a folder, or a name on the hub.
        revision: a branch, tag or commit on the hub; the newest version of its main branch if left out.
        weights: with its weights; otherwise only the small files, and `with_weights` gets the rest.
        newest: ask the hub whether there is a newer version; otherwise what is in the cache is good enough.
        report: the bytes of a download so far; may raise Cancelled.

    Raises:
        UserError: there is no such model, it can't be downloaded, or it has no config.json.
    """
    folder = named_folder(name)
    if folder is None:
        if revision is not None and not _REVISION.match(revision):
            raise UserError(
                f"'{revision}' can't be a revision", "name a branch, tag or commit", setting=REVISION_SETTING
            )
        folder = fetch(name, revision, weights=weights, newest=newest, report=report)
        model = LocatedModel(name, folder, folder.name)
    else:
        if revision is not None:
            raise UserError(
                f"model_revision is {revision}, but {name} is not on the hub: only models there have revisions",
                "remove model_revision from the settings",
                setting=REVISION_SETTING,
            )
        if is_adapter(folder):

            def find(base: str, revision: str | None) -> LocatedModel:
                return locate(base, revision, weights=weights, newest=newest, report=report)

            found = _on_base(name, read_adapter(folder), find)
            assert found is not None
            return found
        model = LocatedModel(name, folder)
    _check_is_model(model)
    return model


def _on_base(
    name: str, adapter: Adapter, find: Callable[[str, str | None], LocatedModel | None]
) -> LocatedModel | None:
    """An adapter with the model that it belongs to; None where that is not on this machine.

    Raises:
        UserError: its folder is gone, or holds something else.
    """
    wanted = adapter.base
    try:
        base = find(wanted.name, wanted.revision)
    except UserError as error:
        raise UserError(
            f"the model that the adapter {name} belongs to can't be had: {error.message}",
            f"put {wanted.name} back where it was, or name its new place as base_model_name_or_path in "
            f"{adapter.folder / ADAPTER_CONFIG} and as name in {BASE_FILE}",
            SETTING,
        ) from error
    if base is None:
        return None
    if base.adapter is not None:
        raise UserError(
            f"the adapter {name} belongs to another adapter", "merge that one into its model first", SETTING
        )
    return LocatedModel(name, base.folder, base.revision, adapter)


def with_weights(model: LocatedModel, report: Report | None = None) -> LocatedModel:
    """The same model, the same revision of it, with its weights downloaded.

    Raises:
        UserError: they can't be had.
    """
    if model.revision is None or is_whole(model.folder, weights=True):
        return model
    return replace(model, folder=fetch(model.base.name, model.revision, report=report))


def _check_is_model(model: LocatedModel) -> None:
    """Raises UserError that says what a folder is instead of a model."""
    name, folder = model.name, model.folder
    if (folder / "config.json").is_file():
        return
    if holds_model(folder / "final"):
        raise UserError(f"{name} is a run, not a model", f"its final model is {Path(name) / 'final'}", setting=SETTING)
    if (folder / ADAPTER_CONFIG).is_file():  # only one on the hub comes here
        raise UserError(
            f"{name} holds an adapter, without the model that it belongs to",
            "download it into a folder, and name the folder",
            setting=SETTING,
        )
    if any(folder.glob("*.gguf")):
        raise UserError(
            f"{name} holds a GGUF file, which can't be trained", "use the model it was made from", setting=SETTING
        )
    raise UserError(
        f"{name} is not a model: it has no config.json", "name a folder as save_pretrained writes it", setting=SETTING
    )
