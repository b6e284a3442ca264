"""What the Dataset screen's list holds: samples, what was used lately, files, and what a typed text may mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tui_finetune.data.file_kinds import kind_of
from tui_finetune.data.samples import Sample
from tui_finetune.formatting import size as bytes_in_words
from tui_finetune.models.hub import NAME
from tui_finetune.system.browsing import Listing, list_directory, looks_like_path, shown_path, split_typed
from tui_finetune.tui.widgets.filter_list import Item

SAMPLES = "Samples"
LATELY = "Used lately"
HUB = "On the hub"
CHOSEN_GROUP = "Chosen"
FOLDER = "\0folder:"
"""Before the path of a folder that is opened rather than chosen."""

MAX_RECENT = 6
MAX_LISTED = 300


@dataclass(frozen=True)
class Shelf:
    """All that there is to choose from.

    Attributes:
        samples: the samples that come along.
        recent: data sets used lately, the last one first.
        listing: the directory that is open.
    """

    samples: Sequence[Sample] = ()
    recent: Sequence[str] = ()
    listing: Listing = field(default_factory=lambda: Listing(Path(".")))


def is_data(name: str) -> bool:
    """Whether a file of this name can be data."""
    return kind_of(Path(name)) is not None


def look_into(folder: Path) -> Listing:
    """The folders and data files in a directory, within bounds."""
    return list_directory(folder, is_data, limit=MAX_LISTED)


def _file_items(listing: Listing, base: Path) -> list[Item]:
    folder = listing.folder
    shown = shown_path(folder, base)
    group = "Files here" if folder == base else f"Files in {shown}"
    items = []
    if folder.parent != folder:
        items.append(Item(f"{FOLDER}{folder.parent}", "../", "", group))
    if listing.files:
        several = len(listing.files) != 1
        items.append(
            Item(
                shown,
                f"{'./' if folder == base else folder.name + '/'}  all of them" if several else "./",
                f"{len(listing.files)} file{'s' if several else ''}",
                group,
            )
        )
    items += [Item(f"{FOLDER}{folder / name}", f"{name}/", "", group) for name in listing.folders]
    items += [Item(shown_path(folder / name, base), name, bytes_in_words(size), group) for name, size in listing.files]
    if listing.problem:
        items.append(Item("", listing.problem.lower(), "", group, kept=True, enabled=False))
    elif listing.more:
        items.append(Item("", "… and more: type to find them", "", group, kept=True, enabled=False))
    elif not listing.files:
        items.append(Item("", "no data files", "", group, enabled=False))
    return items


def _typed_path_items(text: str, base: Path) -> list[Item]:
    """What is typed of a path, completed in each way that there is."""
    folder, shown, start = split_typed(text, base)
    listing = list_directory(folder, is_data, hidden=start.startswith("."), limit=MAX_LISTED)
    group = f"Files in {shown or '.'}"
    items = []
    if not start and listing.files:
        items.append(
            Item(shown.rstrip("/") or "/", f"{shown}  all of them", f"{len(listing.files)} files", group, kept=True)
        )
    low = start.casefold()
    for name in listing.folders:
        if name.casefold().startswith(low):
            items.append(Item(f"{FOLDER}{shown}{name}/", f"{shown}{name}/", "", group, kept=True))
    for name, size in listing.files:
        if name.casefold().startswith(low):
            items.append(Item(f"{shown}{name}", f"{shown}{name}", bytes_in_words(size), group, kept=True))
    if any(sign in start for sign in "*?["):
        items.append(Item(text, text, "files like this", group, kept=True))
    if not items:
        why = f"{shown or text}: {listing.problem.lower()}" if listing.problem else "no data starts with that"
        items.append(Item("", why, "", group, kept=True, enabled=False))
    return items


def items_for(text: str, chosen: str, shelf: Shelf, base: Path) -> list[Item]:
    """The list for what is in the filter.

    Args:
        text: the filter's text.
        chosen: the data set that is chosen; it is in the list whatever else is.
        shelf: what there is.
        base: the working directory.
    """
    text = text.strip()
    if looks_like_path(text):
        return _typed_path_items(text, base)
    samples = {sample.name for sample in shelf.samples}
    items = [Item(sample.name, sample.name, f"{sample.rows:,} rows", SAMPLES) for sample in shelf.samples]
    for name in [name for name in shelf.recent if name not in samples][:MAX_RECENT]:
        path = Path(name)
        if path.is_absolute():
            shown = shown_path(path, base)
            items.append(Item(shown, shown, "" if path.exists() else "gone", LATELY, enabled=path.exists()))
        else:
            items.append(Item(name, name, "hub", LATELY))
    items += _file_items(shelf.listing, base)
    known = {item.key for item in items}
    if chosen not in known:
        items.insert(0, Item(chosen, chosen, "", CHOSEN_GROUP))
        known.add(chosen)
    if text and text not in known and NAME.match(text) and kind_of(Path(text)) is None:
        items.append(Item(text, text, "use as typed", HUB, kept=True))
    elif not text:
        items.append(Item("", "/ and a name, as org/name", "", HUB, enabled=False))
    return items


def same_data(name: str, base: Path, items: Sequence[Item]) -> str:
    """The key under which a data set stands in the list: a path may be written in several ways."""
    if any(item.key == name for item in items):
        return name
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        return name
    if path.exists():
        shown = shown_path(Path(base / path), base)
        if any(item.key == shown for item in items):
            return shown
    return name
