"""A list in groups with a filter above it: what a model or a data set is chosen from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from tui_finetune.system.terminal import printable

CHOSEN = "●"
MAX_SHOWN = 500
"""Lines that are shown at once; what is beyond is found by filtering."""


@dataclass(frozen=True)
class Item:
    """One line of the list.

    Attributes:
        key: what it stands for; unique within its group.
        label: what is read at the left.
        note: a few words or a number at the right end.
        group: the heading it stands under; items of one group come together.
        kept: it is shown whatever the filter says.
        enabled: it can be looked at and picked; otherwise it only informs.
    """

    key: str
    label: str
    note: str = ""
    group: str = ""
    kept: bool = False
    enabled: bool = True

    def matches(self, words: Sequence[str]) -> bool:
        text = self.label.casefold()
        return self.kept or all(word in text for word in words)


def fitted(text: str, width: int) -> str:
    """The text in exactly ``width`` columns; of one that is too long the middle gives way, since paths differ at their
    ends."""
    text = printable(text, lines=False)
    if cell_len(text) <= width or width < 8:
        return set_cell_size(text, max(0, width))
    head = width // 3
    tail = width - head - 1
    end = text[-tail:]
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(set_cell_size(text, head) + "…" + end, width)


class PagedList(OptionList):
    """An option list that bears page keys also while it has no room: before it is laid out, and on tiny terminals."""

    def action_page_up(self) -> None:
        if self.scrollable_content_region:
            super().action_page_up()

    def action_page_down(self) -> None:
        if self.scrollable_content_region:
            super().action_page_down()


class ChoiceList(PagedList):
    """The lines. From the first one, up leads to the filter."""

    BINDINGS = [
        Binding("enter", "select", "Choose", id="list.choose", tooltip="Choose what is under the cursor"),
    ]

    class LeftAtTop(Message):
        """Up was pressed on the first line."""

    def action_cursor_up(self) -> None:
        first = next((number for number, option in enumerate(self.options) if not option.disabled), None)
        if self.highlighted is None or self.highlighted == first:
            self.post_message(self.LeftAtTop())
        else:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        last = max((number for number, option in enumerate(self.options) if not option.disabled), default=None)
        if self.highlighted != last:  # no wrapping: the end of a long list is felt
            super().action_cursor_down()


class FilterList(Vertical):
    """A filter and a list in groups; typing filters, down goes into the list, up from its top comes back.

    Args:
        placeholder: what the empty filter says.
    """

    DEFAULT_CSS = """
    FilterList { height: 1fr; }
    FilterList Input { height: 1; border: none; padding: 0 1; margin-bottom: 1; background: $surface; }
    FilterList Input:focus { border: none; background: $panel; }
    FilterList ChoiceList {
        height: 1fr; border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1;
    }
    FilterList ChoiceList:focus { border: none; background-tint: transparent 0%; }
    FilterList ChoiceList > .option-list--option-disabled { color: $text-muted; }
    .-narrow FilterList Input { margin-bottom: 0; }
    """

    BINDINGS = [
        Binding("escape", "leave_filter", "Clear filter", show=False, id="list.clear", tooltip="Clear the filter")
    ]

    class _Told(Message):
        """Something that a list tells."""

        def __init__(self, filter_list: FilterList) -> None:
            super().__init__()
            self.filter_list = filter_list

        @property
        def control(self) -> FilterList:
            return self.filter_list

    class Looked(_Told):
        """Another item is under the cursor; None where the list is empty."""

        def __init__(self, filter_list: FilterList, item: Item | None) -> None:
            super().__init__(filter_list)
            self.item = item

    class Picked(_Told):
        """An item was taken with enter or a click."""

        def __init__(self, filter_list: FilterList, item: Item) -> None:
            super().__init__(filter_list)
            self.item = item

    class Typed(_Told):
        """The filter's text has changed."""

        def __init__(self, filter_list: FilterList, text: str) -> None:
            super().__init__(filter_list)
            self.text = text

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._placeholder = placeholder
        self._items: list[Item] = []
        self._rows: list[Item | None] = []
        self._chosen: str | None = None
        self._beside: frozenset[str] = frozenset()
        self._looked: Item | None = None
        self._width = 0

    def compose(self) -> ComposeResult:
        yield Input(placeholder=self._placeholder, select_on_focus=False)
        yield ChoiceList(markup=False)

    # What is shown

    @property
    def text(self) -> str:
        """The filter's text."""
        return self.query_one(Input).value

    @property
    def looked(self) -> Item | None:
        """The item under the cursor."""
        return self._looked

    def show(self, items: Sequence[Item], *, look_at: str | None = None) -> None:
        """Put other items in. The cursor stays on its item if it is still there.

        Args:
            items: in order, those of one group together.
            look_at: the key of the item that the cursor goes to instead.
        """
        self._items = list(items)
        self._fill(look_at)

    def mark(self, key: str | None, beside: Collection[str] = ()) -> None:
        """Mark the item that is chosen, and those that are part of it."""
        if (key, frozenset(beside)) != (self._chosen, self._beside):
            self._chosen, self._beside = key, frozenset(beside)
            self._fill()

    def set_text(self, text: str) -> None:
        """Put a text into the filter, as if it had been typed."""
        field = self.query_one(Input)
        field.value = text
        field.cursor_position = len(text)

    def matching(self) -> list[Item]:
        """The items that the filter lets through."""
        words = self.text.casefold().split()
        return [item for item in self._items if item.matches(words)]

    def _fill(self, look_at: str | None = None) -> None:
        choices = self.query_one(ChoiceList)
        self._width = choices.scrollable_content_region.width or 30
        shown = self.matching()[:MAX_SHOWN]
        rows: list[Item | None] = []
        options: list[Option] = []
        group = ""
        for item in shown:
            if item.group != group:
                if rows:
                    rows.append(None)
                    options.append(Option(" ", disabled=True))
                group = item.group
                rows.append(None)
                options.append(
                    Option(Content.styled(f"  {fitted(group, self._width - 3).rstrip()}", "bold"), disabled=True)
                )
            rows.append(item)
            options.append(Option(self._line(item), disabled=not item.enabled))
        self._rows = rows
        choices.set_options(options)
        self.call_after_refresh(self._fit)  # more lines than have room bring a scrollbar, which takes a column
        target = self._target(look_at)
        choices.highlighted = target
        if target is None:
            self._look(None)
        if target is not None and target <= 2:
            choices.scroll_to(y=0, animate=False)  # the first heading belongs to the first item

    def _target(self, look_at: str | None) -> int | None:
        enabled = [(number, item) for number, item in enumerate(self._rows) if item is not None and item.enabled]
        before = self._looked
        for wanted in (
            lambda item: item.key == look_at,
            lambda item: (
                look_at is None and before is not None and (item.group, item.key) == (before.group, before.key)
            ),
            lambda item: look_at is None and before is not None and item.key == before.key,
            lambda item: not self.text and item.key == self._chosen,
            lambda item: True,
        ):
            for number, item in enabled:
                if wanted(item):
                    return number
        return None

    def _line(self, item: Item) -> Content:
        width = self._width
        chosen = item.enabled and (item.key == self._chosen or item.key in self._beside)
        mark = f"{CHOSEN} " if chosen else "  "
        note = item.note if cell_len(item.note) + 12 <= width else ""
        room = width - 2 - (cell_len(note) + 2 if note else 0) - 1
        return Content.assemble((mark, "$accent"), fitted(item.label, room), ("  " + note if note else "", "dim"), " ")

    # What happens

    def _look(self, item: Item | None) -> None:
        if item != self._looked:
            self._looked = item
            self.post_message(self.Looked(self, item))

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        choices = self.query(ChoiceList)  # none where it is being taken away
        if choices and choices.first().scrollable_content_region.width != self._width:
            self._fill()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        highlighted = event.option_list.highlighted  # the list may have been filled anew since
        if highlighted is not None and highlighted < len(self._rows):
            self._look(self._rows[highlighted])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._pick(event.option_index)

    def on_choice_list_left_at_top(self, event: ChoiceList.LeftAtTop) -> None:
        event.stop()
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._looked = None
        self.post_message(self.Typed(self, event.value))
        self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        highlighted = self.query_one(ChoiceList).highlighted
        if highlighted is not None:
            self.focus_list()  # what is done next is done with what was picked
            self._pick(highlighted)

    def on_key(self, event: events.Key) -> None:
        if event.key == "down" and self.query_one(Input).has_focus:
            event.stop()
            self.query_one(ChoiceList).focus()

    def _pick(self, number: int) -> None:
        item = self._rows[number] if number < len(self._rows) else None
        if item is not None and item.enabled:
            self.post_message(self.Picked(self, item))

    def focus_filter(self) -> None:
        """Put the cursor into the filter, at once: the next key may be there already."""
        self.screen.set_focus(self.query_one(Input))

    def focus_list(self) -> None:
        self.query_one(ChoiceList).focus()

    def action_leave_filter(self) -> None:
        """Clear the filter and go back to the list."""
        if self.text:
            self.query_one(Input).value = ""
        self.focus_list()
