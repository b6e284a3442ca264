"""The Dataset screen: what there is to learn from, and what is in it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.timer import Timer
from textual.worker import Worker, WorkerState, get_current_worker

from tui_finetune.config.data_parts import DataPart, parse_parts, write_parts
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.formatting import size as bytes_in_words
from tui_finetune.planning.dataset import GLADLY_BYTES, Findings, TokenizerKept, bytes_of, look, row_as_it_stands
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.dataset.about import DataAbout
from tui_finetune.tui.screens.dataset.describe import progress_in_words
from tui_finetune.tui.screens.dataset.items import FOLDER, Shelf, items_for, look_into, same_data
from tui_finetune.tui.screens.dataset.recent import recent_data, remember_data
from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.filter_list import CHOSEN, FilterList, Item

SETTING = "dataset_name"
OF_THE_DATA = {key for key in RunConfig.model_fields if key.startswith("dataset_")} | {
    "datasets", "mix_strategy", "eval_dataset",
}  # fmt: skip
"""Settings that are about one data set, and mean nothing for another."""

OF_THE_LOOK = OF_THE_DATA | {
    "model_name_or_path", "task", "max_length", "packing", "train_on_eos", "validation_split", "excess_length_strategy",
    "completion_only_loss", "assistant_only_loss", "per_device_train_batch_size", "gradient_accumulation_steps", "seed",
    "max_samples",
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
        "On the right: the format that was recognized and why, how many rows and tokens there are, how long the texts "
        "are (beyond max_length they are split, cut or left out, as the settings say), the first rows as they are "
        "read, and what is wrong with the data.\n"
        "t shows the row as the model gets it, token by token: underlined tokens are trained on, the rest is only read. t "
        "again shows a packed row, which several documents share without seeing each other, so that nothing is padding.\n"
        "The formats: text (one column, all of it trained on), prompt-completion (a prompt and what follows it), alpaca "
        "(instruction, input, output), messages and sharegpt (conversations). In all but text, only what the model is to "
        "write is trained on. With task: dpo or orpo a row has a better and a worse reply, which stand side by side, "
        "and with task: kto one that is good or bad; what is marked with ▌ is compared. c chooses another format, and the columns; p jumps to a row with a problem.\n"
        "a adds what is under the cursor to what is chosen: several data sets are trained on together, each in its own "
        "format. datasets and mix_strategy in Settings say by which weights."
    )
    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/", priority=True, id="dataset.filter",
                tooltip="Type a part of a name, or a path"),
        Binding("n,right", "turn(1)", "Next row", key_display="n", show=False, id="dataset.next", tooltip="Show the next of the first rows"),
        Binding("b,left", "turn(-1)", "Row before", key_display="b", show=False, id="dataset.before",
                tooltip="Show the row before"),
        Binding("c", "column", "Columns", id="dataset.column", tooltip="Choose the format of the rows and their columns"),
        Binding("t", "next_view", "Tokens", show=False, id="dataset.view",
                tooltip="The row as it is read, as tokens, and packed with others, in turn"),
        Binding("p", "problem", "Problem", show=False, id="dataset.problem", tooltip="Show the row of the next problem"),
        Binding("a", "mix", "Add", id="dataset.mix",
                tooltip="Train on it together with what is chosen; again takes it out"),
        Binding("u", "up", "Folder up", show=False, id="dataset.up", tooltip="List the directory above"),
    ]  # fmt: skip

    def __init__(self, shared: AppState) -> None:
        super().__init__(shared)
        self._shelf = Shelf(listing=look_into(Path.cwd()))
        self._known: dict[str, Findings] = {}
        self._kept = TokenizerKept()
        self._pause: Timer | None = None

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="columns"):
            yield FilterList("filter, path or hub name", id="data")
            yield DataAbout(id="about")

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
    def _parts(self) -> list[DataPart]:
        """The data sets of a mix, in order; empty where one alone is chosen."""
        given = self.shared.draft.choices.get("datasets")
        return list(parse_parts(given)) if given else []

    @property
    def _data(self) -> FilterList:
        return self.query_one("#data", FilterList)

    @property
    def _about(self) -> DataAbout:
        return self.query_one("#about", DataAbout)

    def _fill(self, look_at: str | None = None) -> None:
        base = Path.cwd()
        items = items_for(self._data.text, self.chosen, self._shelf, base)
        marked = same_data(self.chosen, base, items)
        if marked != self.chosen:  # it stands in the list under another name of its path
            items = [item for item in items if item.key != self.chosen]
        self._data.show(items, look_at=marked if look_at == self.chosen else look_at)
        self._data.mark(marked, [part.name for part in self._parts])

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

    def _choose(self, item: Item, **how: object) -> None:
        """Choose this data, with what is said about how to read it; what was said about other data is let go."""
        if not self._is_chosen(item):
            self.shared.draft.forget(*OF_THE_DATA)
        remember_data(item.key)
        self._shelf = Shelf(self._shelf.samples, recent_data(), self._shelf.listing)
        self.shared.draft.choose(**{SETTING: item.key}, **how)

    def action_mix(self) -> None:
        """Train on what is under the cursor together with what is chosen, or no longer."""
        item = self._data.looked
        if item is None or item.key.startswith(FOLDER):
            self.notify("Folders are opened; a data set can be added.", timeout=3, markup=False)
            return
        draft = self.shared.draft
        mixed = self._parts
        parts = mixed or [DataPart(self.chosen)]
        rest = [part for part in parts if part.name != item.key]
        parts = rest if len(rest) < len(parts) else [*parts, DataPart(item.key)]
        if not parts or (not mixed and len(parts) == 1):
            return
        remember_data(item.key)
        draft.forget("datasets", SETTING)
        draft.choose(**({SETTING: parts[0].name} if len(parts) == 1 else {"datasets": write_parts(parts)}))

    def on_filter_list_looked(self, event: FilterList.Looked) -> None:
        self._about.begin_at_top()
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
            self._about.show_words("Nothing here matches", "escape clears the filter")
            return
        if item.key.startswith(FOLDER):
            self._stop_looking()
            self._about.show_words(item.label, "enter opens the folder")
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
                self._about.show_words(item.key, "enter downloads it from the hub and chooses it")
                return
            if size > GLADLY_BYTES:
                self._stop_looking()
                self._about.show_words(item.key, f"{bytes_in_words(size)}: enter chooses it and reads it")
                return
        self._about.show_words(item.key, self._origin(item), progress="reading it …")
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
            work, thread=True, exclusive=True, group="look", exit_on_error=False, description=f"reading {item.key}"
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A bug while looking: the app says what it was; here it must not look as if it were still going on."""
        if event.worker.group == "look" and event.state == WorkerState.ERROR:
            self._about.show_trouble(UserError("it could not be read", "the details are in the log"))
            self._about.show_progress("")

    def _found(self, item: Item, key: str, findings: Findings) -> None:
        if findings.problem is None and findings.lengths_problem is None:
            self._known[key] = findings
        if self._data.looked == item:
            self._show(item, findings)

    # What is shown

    def _origin(self, item: Item) -> str:
        if self._is_chosen(item):
            return f"{CHOSEN} chosen"
        if any(part.name == item.key for part in self._parts):
            return f"{CHOSEN} chosen · with others; a takes it out"
        return "enter chooses it, a adds it"

    def _show_progress(self, item: Item, words: str) -> None:
        if self._data.looked == item and self._about.findings is None:
            self._about.show_progress(words)

    def _show(self, item: Item, findings: Findings) -> None:
        sample = next((sample for sample in self._shelf.samples if sample.name == item.key), None)
        self._about.show(item.key, self._origin(item), findings, sample.summary if sample else "")

    def on_resize(self) -> None:
        self._about.fit()

    def action_next_view(self) -> None:
        """Show the row in the next of its ways."""
        self._about.next_view()

    def action_turn(self, by: int) -> None:
        """Show another of the first rows."""
        self._about.turn(by)

    def action_problem(self) -> None:
        """Show the row of the next problem as it stands in its file."""
        problem = self._about.next_problem()
        if problem is None or problem.row is None:
            self.notify("No row has a problem.", timeout=3, markup=False)
            return
        number = problem.row

        def work() -> None:
            self.app.call_from_thread(self._about.show_problem, problem, row_as_it_stands(problem.file, number))

        self.run_worker(
            work,
            thread=True,
            exclusive=True,
            group="problem",
            exit_on_error=False,
            description=f"reading {problem.file}",
        )

    # The column

    def action_column(self) -> None:
        """Choose the form of the rows, and then the columns that it needs."""
        item = self._data.looked
        if item is None or self._about.findings is None or not self._about.findings.columns:
            self.notify("Its columns are not known yet.", timeout=3, markup=False)
            return
        from tui_finetune.tui.screens.dataset.columns import ask_columns

        config = self._config(item)
        ask_columns(
            self.app,
            self._about.findings.columns,
            self._about.findings.preview,
            config,
            lambda chosen: self._choose(item, **chosen),
        )
