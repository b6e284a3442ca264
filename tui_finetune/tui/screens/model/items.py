"""What the Model screen's list holds: models on this machine, what the hub found, and what a typed text may mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.names import STARTER
from tui_finetune.formatting import count
from tui_finetune.formatting import size as bytes_in_words
from tui_finetune.models.adapters import holds_model
from tui_finetune.system.browsing import list_directory, looks_like_path, split_typed
from tui_finetune.tui.widgets.filter_list import Item

if TYPE_CHECKING:
    from tui_finetune.models.catalog import ModelEntry

GROUPS = {"starter": "Included", "local": "Folders here", "cache": "Downloaded from the hub", "hub": "On the hub"}
CHOSEN_GROUP = "Chosen"
SEARCH = "\0search"
FOLDER = "\0folder:"
MAX_FOLDERS = 200


@dataclass(frozen=True)
class HubSearch:
    """How far the search on the hub is. ``problem`` is one line on why it failed."""

    query: str = ""
    running: bool = False
    found: tuple[ModelEntry, ...] = ()
    problem: str = ""


def _size(summary: str) -> str:
    """The parameters out of an entry's summary, as '1.3 M'."""
    found = next((match for part in summary.split(" · ") if (match := re.fullmatch(r"([\d.]+)([kMB])", part))), None)
    return count(int(float(found[1]) * {"k": 1e3, "M": 1e6, "B": 1e9}[found[2]])) if found else ""


def _entry_item(entry: ModelEntry, *, kept: bool = False) -> Item:
    if entry.source == "hub":
        downloads, _, parameters = entry.summary.partition(" downloads")
        parts = ["gated" if entry.gated else "", parameters.removeprefix(" · "), f"{downloads} ↓" if downloads else ""]
    else:
        stored = bytes_in_words(entry.bytes) if entry.source == "cache" and entry.bytes is not None else ""
        parts = [_size(entry.summary), stored]
    return Item(entry.name, entry.name, "  ".join(part for part in parts if part), GROUPS[entry.source], kept=kept)


def _folder_items(text: str, base: Path) -> list[Item]:
    """The folders that what is typed of a path may become; those that hold a model are chosen, others opened."""
    folder, shown, start = split_typed(text, base)
    listing = list_directory(folder, hidden=start.startswith("."), limit=MAX_FOLDERS)
    group = "Folders"
    items = []
    if not start and holds_model(folder):
        items.append(Item(shown.rstrip("/") or "/", f"{shown.rstrip('/')}", "this model", group, kept=True))
    for name in listing.folders:
        if not name.casefold().startswith(start.casefold()):
            continue
        if holds_model(folder / name):
            items.append(Item(f"{shown}{name}", f"{shown}{name}", "model", group, kept=True))
        else:
            items.append(Item(f"{FOLDER}{shown}{name}/", f"{shown}{name}/", "", group, kept=True))
    if not items:
        why = f"{shown or text}: {listing.problem.lower()}" if listing.problem else "no folder starts with that"
        items.append(Item("", why, "", group, kept=True, enabled=False))
    return items


def _can_be_a_name(text: str) -> bool:
    from tui_finetune.models.hub import NAME  # not needed for the app's first frame

    return bool(NAME.match(text))


def _hub_items(text: str, search: HubSearch, known: set[str]) -> list[Item]:
    group = GROUPS["hub"]
    from tui_finetune.models.hub import is_offline  # not needed for the app's first frame

    if is_offline():
        return [Item("", "off: HF_HUB_OFFLINE is set", "", group, kept=True, enabled=False)]
    items = []
    if "/" in text and text not in known and _can_be_a_name(text):
        items.append(Item(text, text, "use as typed", group, kept=True))
    if search.running:
        items.append(Item("", f"searching for {search.query} …", "", group, kept=True, enabled=False))
    elif text and text != search.query:
        items.append(Item(SEARCH, f"search for {text}", "ctrl+f", group, kept=True))
    elif search.problem and text == search.query:
        items.append(Item("", search.problem, "", group, kept=True, enabled=False))
    if not search.running and search.query and text == search.query:
        found = [entry for entry in search.found if entry.name not in known and entry.name != text]
        items += [_entry_item(entry, kept=True) for entry in found]
        if not search.found and not search.problem:
            items.append(Item("", f"nothing found for {search.query}", "", group, kept=True, enabled=False))
    if not items:
        items.append(Item("", "type a part of a name", "", group, kept=True, enabled=False))
    return items


def items_for(
    text: str, chosen: str, entries: Sequence[ModelEntry], search: HubSearch, base: Path, *, loaded: bool = True
) -> list[Item]:
    """The list for what is in the filter.

    Args:
        text: the filter's text.
        chosen: the model that is chosen; it is in the list whatever else is.
        entries: the models on this machine.
        search: the search on the hub.
        base: the working directory.
        loaded: whether the models on this machine are known yet.
    """
    text = text.strip()
    if looks_like_path(text):
        return _folder_items(text, base)
    items = [_entry_item(entry) for entry in entries]
    known = {item.key for item in items}
    if not loaded and STARTER not in known:
        items.insert(0, Item(STARTER, STARTER, "", GROUPS["starter"]))
        known.add(STARTER)
    if chosen not in known and chosen != text:
        items.insert(0, Item(chosen, chosen, "", CHOSEN_GROUP))
        known.add(chosen)
    return items + _hub_items(text, search, known)
