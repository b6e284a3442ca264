"""The Dataset screen: what there is to learn from, and what is in it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker, WorkerState, get_current_worker

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.file_kinds import place_in
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.formatting import size as bytes_in_words
from tui_finetune.planning.dataset import GLADLY_BYTES, Findings, TokenizerKept, bytes_of, look, row_as_it_stands
from tui_finetune.system.terminal import printable
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.dataset.describe import (
    TokenStyles,
    example_text,
    facts_of,
    mapping_in_words,
    packed_in_words,
    packed_text,
    problems_of,
    progress_in_words,
    tokens_in_words,
    tokens_text,
)
from tui_finetune.tui.screens.dataset.items import FOLDER, Shelf, items_for, look_into, same_data
from tui_finetune.tui.screens.dataset.recent import recent_data, remember_data
from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.facts import Facts
from tui_finetune.tui.widgets.filter_list import CHOSEN, FilterList, Item

if TYPE_CHECKING:
    from tui_finetune.data.preview import Preview
    from tui_finetune.data.problems import Problem

SETTING = "dataset_name"
OF_THE_DATA = {key for key in RunConfig.model_fields if key.startswith("dataset_")}
"""Settings that are about one data set, and mean nothing for another."""

OF_THE_LOOK = OF_THE_DATA | {
    "model_name_or_path", "max_length", "packing", "train_on_eos", "validation_split", "excess_length_strategy",
    "completion_only_loss", "assistant_only_loss", "per_device_train_batch_size", "gradient_accumulation_steps", "seed",
}  # fmt: skip
"""Settings that change what is found out about it."""

PAUSE_SECONDS = 0.25
"""How long the cursor rests on a line before it is looked into."""


class DatasetScreen(TabScreen):
    """Samples, files and hub names; enter chooses one."""

    mode = "dataset"
    CSS_PATH = "dataset.tcss"
    AUTO_FOCUS = "#data ChoiceList"
    help_text = (
        "What the model learns to write like: a sample, a file (.txt, .md, .jsonl, .json, .csv, .parquet), a folder of "
        "files, or a data set on the Hugging Face hub.\n"
        "Type / to filter. A path such as ~/texts/ lists what is there; a name such as stas/openwebtext-10k is taken "
        "from the hub as typed. Enter opens a folder or chooses what is under the cursor, ● marks what is chosen.\n"
        "At the right: the form that was recognized and why, how many rows and tokens there are, how long the texts "
        "are (beyond max_length they are split, cut or left out, as the settings say), the first rows as they are "
        "read, and what is wrong with the data.\n"
        "t shows the row as the model gets it, token by token: what is underlined is learned, the rest is only read. t "
        "again shows a packed row, which several documents share without seeing each other, so that nothing is padding.\n"
        "The forms: text (one column, all of it learned), prompt-completion (a prompt and what follows it), alpaca "
        "(instruction, input, output), messages and sharegpt (conversations). Of all but text only what the model is to "
        "write is learned. c chooses another form, and the columns; p jumps to a row with a problem."
    )
    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/", priority=True, id="dataset.filter",
                tooltip="Type a part of a name, or a path"),
        Binding("n,right", "turn(1)", "Next row", key_display="n", show=False, id="dataset.next", tooltip="Show the next of the first rows"),
        Binding("b,left", "turn(-1)", "Row before", key_display="b", show=False, id="dataset.before",
                tooltip="Show the row before"),
        Binding("c", "column", "Columns", id="dataset.column", tooltip="Choose the form of the rows and their columns"),
        Binding("t", "next_view", "Tokens", show=False, id="dataset.view",
                tooltip="The row as it is read, as tokens, and packed with others, in turn"),
        Binding("p", "problem", "Problem", show=False, id="dataset.problem", tooltip="Show the row of the next problem"),
        Binding("u", "up", "Folder up", show=False, id="dataset.up", tooltip="List the directory above"),
    ]  # fmt: skip

    def __init__(self, shared: AppState) -> None:
        super().__init__(shared)
        self._shelf = Shelf(listing=look_into(Path.cwd()))
        self._findings: Findings | None = None
        self._known: dict[str, Findings] = {}
        self._row = self._problem = 0
        self._view = "text"
        self._kept = TokenizerKept()
        self._pause: Timer | None = None

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="columns"):
            yield FilterList("filter, path or hub name", id="data")
            with VerticalScroll(id="about", can_focus=False):
                yield Static(id="name", markup=False)
                yield Static(id="origin", markup=False)
                yield Static(id="trouble", markup=False)
                with Horizontal(id="numbers"):
                    yield Facts(id="facts")
                    yield Vertical(id="chart")
                yield Facts(id="problems")
                yield Static(id="row-head", markup=False)
                with VerticalScroll(id="row-view"):
                    yield Static(id="row", markup=False)

    def body_mounted(self) -> None:
        self._fill(look_at=self.chosen)

    def on_screen_resume(self) -> None:
        from tui_finetune.data.samples import list_samples

        self._shelf = Shelf(list_samples(), recent_data(), look_into(self._shelf.listing.folder))

    # What there is

    @property
    def chosen(self) -> str:
        """The chosen data set as it is named in the settings."""
        return self.shared.draft.dataset

    @property
    def _data(self) -> FilterList:
        return self.query_one("#data", FilterList)

    def _fill(self, look_at: str | None = None) -> None:
        base = Path.cwd()
        items = items_for(self._data.text, self.chosen, self._shelf, base)
        marked = same_data(self.chosen, base, items)
        if marked != self.chosen:  # it stands in the list under another name of its path
            items = [item for item in items if item.key != self.chosen]
        self._data.show(items, look_at=marked if look_at == self.chosen else look_at)
        self._data.mark(marked)

    def choices_changed(self) -> None:
        self._fill()
        self._look_again()

    def _open_folder(self, folder: str) -> None:
        if self._data.text:
            self._data.set_text(folder)
            self._data.focus_filter()
            return
        came_from = self._shelf.listing.folder
        listing = look_into(Path(folder).expanduser())
        self._shelf = Shelf(self._shelf.samples, self._shelf.recent, listing)
        up = f"{FOLDER}{came_from}"
        first = f"{FOLDER}{listing.folder.parent}"
        self._fill(look_at=up if listing.folder == came_from.parent else first)

    def action_up(self) -> None:
        """List the directory above."""
        self._open_folder(str(self._shelf.listing.folder.parent))

    def action_filter(self) -> None:
        """Go to the filter."""
        self._data.focus_filter()

    def on_filter_list_typed(self, event: FilterList.Typed) -> None:
        self._fill()

    def on_filter_list_picked(self, event: FilterList.Picked) -> None:
        key = event.item.key
        if key.startswith(FOLDER):
            self._open_folder(key.removeprefix(FOLDER))
            return
        self._choose(event.item)

    def _choose(self, item: Item, **how: Any) -> None:
        """Choose this data, with what is said about how to read it; what was said about other data is let go."""
        if not self._is_chosen(item):
            for key in OF_THE_DATA:
                self.shared.draft.choices.pop(key, None)
        remember_data(item.key)
        self._shelf = Shelf(self._shelf.samples, recent_data(), self._shelf.listing)
        self.shared.draft.choose(**{SETTING: item.key}, **how)

    def on_filter_list_looked(self, event: FilterList.Looked) -> None:
        self.query_one("#about").remove_class("-at-row")
        self._look_again()

    # Looking into it

    def _is_chosen(self, item: Item) -> bool:
        return item.key == self.chosen or item.key == same_data(self.chosen, Path.cwd(), [item])

    def _config(self, item: Item) -> RunConfig:
        """What is chosen, with the data that is under the cursor."""
        resolved = self.shared.draft.resolved
        config = resolved.config if resolved else RunConfig()
        if self._is_chosen(item):
            return config
        blank = RunConfig.model_fields
        return config.model_copy(update={key: blank[key].default for key in OF_THE_DATA} | {SETTING: item.key})

    def _look_again(self) -> None:
        """Show what is known about the data under the cursor, and find it out where nothing is."""
        if self._pause is not None:
            self._pause.stop()
        item = self._data.looked
        if item is None:
            self._stop_looking()
            self._show_words("Nothing here has this name", "escape clears the filter")
            return
        if item.key.startswith(FOLDER):
            self._stop_looking()
            self._show_words(item.label, "enter opens the folder")
            return
        known = self._known.get(self._key(item))
        if known is not None:
            self._stop_looking()
            self._show(item, known)
            return
        size = bytes_of(item.key)
        is_sample = any(sample.name == item.key for sample in self._shelf.samples)
        if not self._is_chosen(item) and not is_sample:
            if size is None:
                self._stop_looking()
                self._show_words(item.key, "enter downloads it from the hub and chooses it")
                return
            if size > GLADLY_BYTES:
                self._stop_looking()
                self._show_words(item.key, f"{bytes_in_words(size)}: enter chooses it and looks into it")
                return
        self._show_words(item.key, self._origin(item), progress="looking into it …")
        self._pause = self.set_timer(PAUSE_SECONDS, lambda: self._start_looking(item))

    def _key(self, item: Item) -> str:
        config = self._config(item)
        size = bytes_of(config.dataset_name)
        return repr([getattr(config, key) for key in sorted(OF_THE_LOOK)] + [size])

    def _stop_looking(self) -> None:
        self.workers.cancel_group(self, "look")

    def _start_looking(self, item: Item) -> None:
        config, key = self._config(item), self._key(item)

        def work() -> None:
            worker = get_current_worker()

            def report(done: int, total: int | None, unit: str) -> None:
                if worker.is_cancelled:
                    raise Cancelled
                self.app.call_from_thread(self._show_progress, item, progress_in_words(done, total, unit))

            with contextlib.suppress(Cancelled):
                findings = look(config, self._kept, report)
                if not worker.is_cancelled:
                    self.app.call_from_thread(self._found, item, key, findings)

        self.run_worker(
            work, thread=True, exclusive=True, group="look", exit_on_error=False, description=f"looking into {item.key}"
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A bug while looking: the app says what it was; here it must not look as if it were still going on."""
        if event.worker.group == "look" and event.state == WorkerState.ERROR:
            self._show_trouble(UserError("it could not be looked into", "the details are in the log"))
            self.query_one("#row-head", Static).update("")

    def _found(self, item: Item, key: str, findings: Findings) -> None:
        if findings.problem is None and findings.lengths_problem is None:
            self._known[key] = findings
        if self._data.looked == item:
            self._show(item, findings)

    # What is shown

    def _origin(self, item: Item) -> str:
        return f"{CHOSEN} chosen" if self._is_chosen(item) else "enter chooses it"

    def _show_progress(self, item: Item, words: str) -> None:
        if self._data.looked == item and self._findings is None:
            self.query_one("#row-head", Static).update(words)

    def _show_words(self, name: str, origin: str, progress: str = "") -> None:
        """Show a name and a line about it, and nothing else but how far looking into it is."""
        self._findings = None
        self.query_one("#name", Static).update(name)
        self._show_origin(origin)
        self._show_trouble(None)
        self.query_one("#facts", Facts).show([])
        self.query_one("#problems", Facts).display = False
        self.query_one("#row-head", Static).update(progress)
        self.query_one("#row", Static).update("")
        self._draw_lengths()

    def _show_origin(self, words: str) -> None:
        origin = Text(words)
        if words.startswith(CHOSEN):
            origin.stylize(self.app.theme_variables["accent"], 0, len(f"{CHOSEN} chosen"))
        self.query_one("#origin", Static).update(origin)

    def _show_trouble(self, error: UserError | None) -> None:
        trouble = self.query_one("#trouble", Static)
        trouble.display = error is not None
        if error is not None:
            trouble.update("\n".join(part for part in (f"✗ {error.message}", error.remedy) if part))

    def _show(self, item: Item, findings: Findings) -> None:
        self._show_words(item.key, self._origin(item))
        self._findings = findings
        self._row = self._problem = 0
        if findings.problem is not None:
            self._show_trouble(findings.problem)
            if findings.columns:
                self.query_one("#facts", Facts).show(
                    [("Columns", "\n".join(f"{name}  ({holds})" for name, holds in findings.columns[:12]))]
                )
            return
        preview = findings.preview
        if preview is None:
            return
        sample = next((sample for sample in self._shelf.samples if sample.name == item.key), None)
        if sample is not None and sample.summary and self.size.height >= 30:
            self._show_origin(f"{self._origin(item)} · {sample.summary}")
        facts = [("Format", f"{preview.format}: {preview.reason}")]
        if len(findings.columns) > 1:
            facts.append(("Columns", f"{mapping_in_words(preview.mapping, preview.unused)}  (c changes it)"))
        self.query_one("#facts", Facts).show(facts + facts_of(preview, findings.lengths_problem), label_width=9)
        problems = problems_of(preview)
        view = self.query_one("#problems", Facts)
        view.display = bool(problems)
        if problems:
            view.show([(f"! {place}".strip(), words) for place, words in problems], label_width=9)
        self._show_row()
        self._draw_lengths()

    def _show_row(self) -> None:
        preview = self._findings.preview if self._findings else None
        if preview is None or not preview.examples:
            return
        views = self._views(preview)
        view = self._view if self._view in views else "text"
        after = views[(views.index(view) + 1) % len(views)]
        head = Text.assemble((f"Row {self._row + 1}" if view != "packed" else "A packed row", "bold"))
        if view == "text":
            head.append(f"  of the first {len(preview.examples)}", "dim")
            content = example_text(preview.examples[self._row])
        elif view == "tokens":
            tokens = preview.example_tokens[self._row]
            head.append(
                f"  {tokens_in_words(tokens)}" if tokens else "  is left out: nothing of it can be learned", "dim"
            )
            content = tokens_text(tokens, self._token_styles())
        else:
            head.append(f"  {packed_in_words(preview)}", "dim")
            content = packed_text(preview.packed_row, self._token_styles())
        keys = ["n b row"] if len(preview.examples) > 1 and view != "packed" else []
        keys += [f"t {after}"] if len(views) > 1 else []
        view_head = self.query_one("#row-head", Static)
        while len(keys) > 1 and head.cell_len + 3 + len(", ".join(keys)) > (view_head.size.width or 80):
            keys.pop(0)  # on one line, if it can be
        head.append("   " + ", ".join(keys), "dim")
        view_head.update(head)
        self.query_one("#row", Static).update(content)
        self.query_one("#row-view", VerticalScroll).scroll_home(animate=False)

    def action_problem(self) -> None:
        """Show the row of the next problem as it stands in its file."""
        preview = self._findings.preview if self._findings else None
        placed = [(problem, problem.row) for problem in preview.problems if problem.row] if preview else []
        if not placed:
            self.notify("No row has a problem.", timeout=3, markup=False)
            return
        problem, number = placed[self._problem % len(placed)]
        self._problem += 1

        def work() -> None:
            self.app.call_from_thread(self._show_problem, problem, number, row_as_it_stands(problem.file, number))

        self.run_worker(
            work,
            thread=True,
            exclusive=True,
            group="problem",
            exit_on_error=False,
            description=f"reading {problem.file}",
        )

    def _show_problem(self, problem: Problem, number: int, line: str) -> None:
        head = Text.assemble(
            (f"{Path(problem.file).name}, {place_in(problem.file, number)}", "bold"),
            (f"  {problem.message}; {problem.remedy}", "dim"),
        )
        self.query_one("#row-head", Static).update(head)
        self.query_one("#row", Static).update(printable(line) or "It can't be shown here.")
        self.query_one("#row-view", VerticalScroll).scroll_home(animate=False)
        self._look_at_row()

    @staticmethod
    def _views(preview: Preview) -> list[str]:
        """The ways in which a row can be shown."""
        return ["text", *(["tokens"] if preview.example_tokens else []), *(["packed"] if preview.packed_row else [])]

    def _token_styles(self) -> TokenStyles:
        colors = self.app.theme_variables
        return TokenStyles(
            trained=f"{colors['foreground']} underline",
            read="dim",
            special=f"bold {colors['accent']}",
            second=colors["panel"],
        )

    def action_next_view(self) -> None:
        """Show the row in the next of its ways."""
        preview = self._findings.preview if self._findings else None
        if preview is not None:
            views = self._views(preview)
            view = self._view if self._view in views else "text"
            self._view = views[(views.index(view) + 1) % len(views)]
            self._show_row()
            self._look_at_row()

    def action_turn(self, by: int) -> None:
        """Show another of the first rows."""
        preview = self._findings.preview if self._findings else None
        if preview is not None and preview.examples:
            self._row = min(max(self._row + by, 0), len(preview.examples) - 1)
            self._show_row()
            self._look_at_row()

    def _look_at_row(self) -> None:
        """Scroll to the row where it is out of sight; nothing moves where all of it is in view."""
        self.query_one("#about").add_class("-at-row")
        self.call_after_refresh(lambda: self.query_one("#row-head").scroll_visible(animate=False, top=True))

    def on_resize(self) -> None:
        # Where it is narrow or low not all of it fits: tab goes there, and the arrows scroll.
        self.query_one("#about").can_focus = self.size.width < 80 or self.size.height < 30
        self.call_after_refresh(self._draw_lengths)

    def _draw_lengths(self) -> None:
        """The histogram, where there is room for it; plotext is imported when it is first drawn."""
        holder = self.query_one("#chart", Vertical)
        preview = self._findings.preview if self._findings else None
        wanted = preview is not None and len(preview.token_lengths) > 1 and self.size.width >= 110
        holder.display = wanted
        if not wanted or preview is None:
            return
        from tui_finetune.tui.screens.dataset.histogram import LengthHistogram

        if not holder.children:
            holder.mount(Static("Tokens in a row", id="chart-head", markup=False), LengthHistogram())
            self.call_after_refresh(self._draw_lengths)
            return
        self.query_one(LengthHistogram).show(preview.token_lengths, preview.max_length)

    # The column

    def action_column(self) -> None:
        """Choose the form of the rows, and then the columns that it needs."""
        item = self._data.looked
        if item is None or self._findings is None or not self._findings.columns:
            self.notify("Its columns are not known yet.", timeout=3, markup=False)
            return
        from tui_finetune.tui.screens.dataset.columns import ask_columns

        config = self._config(item)
        ask_columns(
            self.app,
            self._findings.columns,
            self._findings.preview,
            config,
            lambda chosen: self._choose(item, **chosen),
        )
