"""The Model screen: what there is to fine-tune, and what is known about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from tui_finetune.errors import UserError
from tui_finetune.names import STARTER
from tui_finetune.screens.base import TabScreen
from tui_finetune.screens.model_items import FOLDER, GROUPS, SEARCH, HubSearch, hub_is_off, items_for
from tui_finetune.screens.model_words import hindrance, meaning_of_size, rows_of_facts
from tui_finetune.widgets.facts import Facts
from tui_finetune.widgets.filter_list import CHOSEN, FilterList, Item

if TYPE_CHECKING:
    from tui_finetune.models.catalog import ModelEntry
    from tui_finetune.models.facts import ModelFacts
    from tui_finetune.screens.model_fit import Fit

SETTING = "model_name_or_path"


class ModelScreen(TabScreen):
    """Models on this machine and on the hub; enter chooses one."""

    mode = "model"
    comes_bare = True
    CSS_PATH = "model.tcss"
    AUTO_FOCUS = "#models ChoiceList"
    help_text = (
        "The model that training begins from. The starter comes with the program and needs no network. Below it are "
        "folders that hold a model, the final models of your runs, and what was downloaded from the Hugging Face hub.\n"
        "Type / to filter. A name such as Qwen/Qwen3-0.6B can be chosen as typed, a path such as ~/models/ lists the "
        "folders there, and ctrl+f searches the hub for what is typed.\n"
        "At the right is what is known about the model under the cursor and whether all of it can be trained on this "
        "machine. Enter chooses it, ● marks the one that is chosen."
    )
    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/", id="model.filter", tooltip="Type a part of a name, or a path"),
        Binding("ctrl+f", "search_hub", "Search hub", id="model.search", tooltip="Search the hub for what is typed"),
        Binding("f", "fetch_facts", "Fetch facts", show=False, id="model.fetch",
                tooltip="Download the small files that say what a hub model is"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[ModelEntry] = []
        self._loaded = False
        self._search = HubSearch()

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="columns"):
            yield FilterList("filter, hub name or path", id="models")
            with VerticalScroll(id="about"):
                yield Static(id="name", markup=False)
                yield Static(id="origin", markup=False)
                yield Static(id="meaning", markup=False)
                yield Static(id="trouble", markup=False)
                yield Facts(id="facts")
                yield Facts(id="fit")

    def body_mounted(self) -> None:
        self._fill(look_at=self.chosen)

    def on_screen_resume(self) -> None:
        if self._loaded:  # a run may have left a new model since
            self._look_for_models()

    # What there is

    @property
    def chosen(self) -> str:
        """The chosen model, by the name that it has in the list."""
        app = self.finetune_app
        resolved = app.resolved
        name = str(resolved.config.model_name_or_path if resolved else app.choices.get(SETTING, STARTER))
        if any(entry.name == name for entry in self._entries):
            return name
        path = Path(name).expanduser().absolute()
        return next((entry.name for entry in self._entries if entry.path and entry.path.absolute() == path), name)

    def _fill(self, look_at: str | None = None) -> None:
        models = self.query_one("#models", FilterList)
        items = items_for(models.text, self.chosen, self._entries, self._search, Path.cwd(), loaded=self._loaded)
        models.show(items, look_at=look_at)
        models.mark(self.chosen)

    def _look_for_models(self) -> None:
        def work() -> None:
            from tui_finetune.models.catalog import list_models

            entries = list_models(Path.cwd())
            self.app.call_from_thread(self._found, entries)

        self.run_worker(work, thread=True, exclusive=True, group="models", exit_on_error=False,
                        description="looking for models")  # fmt: skip

    def _found(self, entries: list[ModelEntry]) -> None:
        self._entries, self._loaded = entries, True
        self._fill()
        looked = self.query_one("#models", FilterList).looked
        if looked is not None:
            self._look_at(looked)

    def choices_changed(self) -> None:
        if not self._loaded:
            self._look_for_models()
        models = self.query_one("#models", FilterList)
        if any(item.key == self.chosen for item in models.matching()):
            models.mark(self.chosen)
        else:
            self._fill()
        if models.looked is not None:
            self._show_head(models.looked)

    def plan_changed(self) -> None:
        super().plan_changed()
        if self._is_bare:
            return
        looked = self.query_one("#models", FilterList).looked
        if looked is None or looked.key != self.chosen:
            return
        plan = self.finetune_app.plan
        if plan is not None and plan.facts is not None:
            self._show_facts(looked.key, plan.facts)
        problem = self.finetune_app.problem or (plan.problem if plan else None)
        if problem is not None and problem.setting == SETTING:
            self._show_trouble(f"{problem.message}\n{problem.remedy}")

    # The search on the hub

    def action_filter(self) -> None:
        """Go to the filter."""
        self.query_one("#models", FilterList).focus_filter()

    def action_search_hub(self) -> None:
        """Search the hub for what is in the filter."""
        query = self.query_one("#models", FilterList).text.strip()
        if not query:
            self.action_filter()
            self.notify("Type a part of a model's name, then ctrl+f.", timeout=4, markup=False)
            return
        if hub_is_off():
            self.notify("The hub is switched off: HF_HUB_OFFLINE is set.", timeout=4, markup=False)
            return
        self._search = HubSearch(query, running=True)
        self._fill()

        def work() -> None:
            from tui_finetune.models.catalog import search_hub

            try:
                result = HubSearch(query, found=tuple(search_hub(query)))
            except UserError as error:
                result = HubSearch(query, problem=error.message)
            self.app.call_from_thread(self._searched, result)

        self.run_worker(work, thread=True, exclusive=True, group="hub search", exit_on_error=False,
                        description="searching the hub")  # fmt: skip

    def _searched(self, result: HubSearch) -> None:
        if result.query == self._search.query:
            self._search = result
            self._fill(look_at=result.found[0].name if result.found else None)

    # The list

    def on_filter_list_typed(self, event: FilterList.Typed) -> None:
        self._fill()

    def on_filter_list_looked(self, event: FilterList.Looked) -> None:
        if event.item is None:
            self._show_nothing()
        else:
            self._look_at(event.item)

    def on_filter_list_picked(self, event: FilterList.Picked) -> None:
        key = event.item.key
        if key == SEARCH:
            self.action_search_hub()
        elif key.startswith(FOLDER):
            models = self.query_one("#models", FilterList)
            models.set_text(key.removeprefix(FOLDER))
            models.focus_filter()
        else:
            self.finetune_app.choose(model_name_or_path=key)

    # What is known about the one under the cursor

    def _show_nothing(self) -> None:
        self.query_one("#name", Static).update("Nothing here has this name")
        self.query_one("#origin", Static).update("ctrl+f searches the hub for it; escape clears the filter")
        self._clear()

    def _clear(self, meaning: str = "") -> None:
        self.query_one("#meaning", Static).update(meaning)
        self.query_one("#meaning").display = True
        self._show_trouble("")
        self.query_one("#facts", Facts).show([])
        self.query_one("#fit", Facts).show([])

    def _show_head(self, item: Item) -> None:
        origin = Text()
        if item.key == self.chosen:
            origin.append(f"{CHOSEN} chosen", self.app.theme_variables["accent"])
        else:
            origin.append("enter chooses it")
        entry = next((entry for entry in self._entries if entry.name == item.key), None)
        where = GROUPS[entry.source].lower() if entry else item.group.lower()
        if where != "chosen":
            origin.append(f" · {where}")
        self.query_one("#name", Static).update(item.key)
        self.query_one("#origin", Static).update(origin)

    def _look_at(self, item: Item) -> None:
        if item.key == SEARCH or item.key.startswith(FOLDER):
            searching = item.key == SEARCH
            self.query_one("#name", Static).update("Search the hub" if searching else item.label)
            self.query_one("#origin", Static).update("enter searches" if searching else "enter opens the folder")
            self._clear("Models that write text, the most downloaded first." if searching else "")
            return
        self._show_head(item)
        self.query_one("#fit", Facts).show([])
        self._examine(item, network=False)

    def action_fetch_facts(self) -> None:
        """Download the description of the hub model under the cursor."""
        looked = self.query_one("#models", FilterList).looked
        if looked is not None and looked.key != SEARCH and not looked.key.startswith(FOLDER):
            self._clear("Asking the hub …")
            self._examine(looked, network=True)

    def _examine(self, item: Item, *, network: bool) -> None:
        name = item.key
        resolved = self.finetune_app.resolved
        config = resolved.config if resolved else None

        def work() -> None:
            from tui_finetune.models.catalog import model_facts

            try:
                facts = model_facts(name, network=network)
            except UserError as error:
                self.app.call_from_thread(self._show_error, name, error)
                return
            self.app.call_from_thread(self._show_facts, name, facts)
            if facts is not None and not hindrance(facts):
                from tui_finetune.config import RunConfig
                from tui_finetune.screens.model_fit import fit_of, this_device

                self.app.call_from_thread(self._show_fit, name, fit_of(config or RunConfig(), facts, this_device()))

        self.run_worker(work, thread=True, exclusive=True, group="facts", exit_on_error=False,
                        description=f"reading about {name}")  # fmt: skip

    def _is_looked_at(self, name: str) -> bool:
        looked = self.query_one("#models", FilterList).looked
        return looked is not None and looked.key == name

    def _show_error(self, name: str, error: UserError) -> None:
        if self._is_looked_at(name):
            self._clear()
            self._show_trouble(f"{error.message}\n{error.remedy}")

    def _show_trouble(self, words: str) -> None:
        trouble = self.query_one("#trouble", Static)
        trouble.update(f"✗ {words}" if words else "")
        trouble.display = bool(words)

    def _show_facts(self, name: str, facts: ModelFacts | None) -> None:
        if not self._is_looked_at(name):
            return
        if facts is None:
            self._clear(
                "Not on this machine. f fetches the small files that say what it is; chosen, it is downloaded when "
                "training starts."
            )
            return
        why_not = hindrance(facts)
        self.query_one("#meaning", Static).update("" if why_not else meaning_of_size(facts))
        self.query_one("#meaning").display = not why_not
        self._show_trouble(why_not)
        self.query_one("#facts", Facts).show(rows_of_facts(facts))

    def _show_fit(self, name: str, fit: Fit | None) -> None:
        if not self._is_looked_at(name):
            return
        words = Text("not known")
        if fit is not None:
            words = Text(f"{'✓' if fit.fits else '✗'} {fit.words}")
            words.stylize(self.app.theme_variables["success" if fit.fits else "error"], 0, 1)
        self.query_one("#fit", Facts).show([("Training it", words)])
