"""The body of the Model screen: the list, and the work that finds out about models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer

from tui_finetune.errors import Cancelled, UserError
from tui_finetune.models.hub import is_offline
from tui_finetune.models.hub_query import HELP
from tui_finetune.system.browsing import looks_like_path
from tui_finetune.tui.screens.model.about import ModelAbout
from tui_finetune.tui.screens.model.describe import hindrance
from tui_finetune.tui.screens.model.download import Download
from tui_finetune.tui.screens.model.items import CHOSEN_GROUP, FOLDER, GROUPS, SEARCH, HubSearch, items_for
from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.filter_list import FilterList, Item

if TYPE_CHECKING:
    from tui_finetune.models.catalog import ModelEntry

SETTING = "model_name_or_path"

TYPING_SECONDS = 0.6
"""The hub is asked when nothing was typed for so long."""
LEAST_LETTERS = 3


class ModelBody(Horizontal):
    """The models that there are, beside what is known about the one under the cursor."""

    def __init__(self, shared: AppState, *, id: str) -> None:
        super().__init__(id=id)
        self._shared = shared
        self._entries: list[ModelEntry] = []
        self._loaded = False
        self._search = HubSearch()
        self._typed: Timer | None = None
        self._download: Download | None = None

    def compose(self) -> ComposeResult:
        yield FilterList("filter, hub name or path", id="models")
        yield ModelAbout(id="about")

    @property
    def _models(self) -> FilterList:
        return self.query_one(FilterList)

    @property
    def _about(self) -> ModelAbout:
        return self.query_one(ModelAbout)

    def begin(self) -> None:
        """Show at once what is chosen; the rest is looked for."""
        self._fill(look_at=self.chosen)
        self.call_after_refresh(self.look_for_models)

    # What there is

    @property
    def chosen(self) -> str:
        """The chosen model, by the name that it has in the list."""
        name = self._shared.draft.model
        if any(entry.name == name for entry in self._entries):
            return name
        path = Path(name).expanduser().absolute()
        return next((entry.name for entry in self._entries if entry.path and entry.path.absolute() == path), name)

    def _fill(self, look_at: str | None = None) -> None:
        models = self._models
        items = items_for(models.text, self.chosen, self._entries, self._search, Path.cwd(), loaded=self._loaded)
        models.show(items, look_at=look_at)
        models.mark(self.chosen)

    def look_for_models(self) -> None:
        """Look again for what there is on this machine."""

        def work() -> None:
            from tui_finetune.models.catalog import list_models

            self.app.call_from_thread(self._found, list_models(Path.cwd()))

        self._work(work, "models", "looking for models")

    def _work(self, work: Callable[[], None], group: str, description: str) -> None:
        self.screen.run_worker(
            work, thread=True, exclusive=True, group=group, exit_on_error=False, description=description
        )

    def _found(self, entries: list[ModelEntry]) -> None:
        self._entries, self._loaded = entries, True
        self._fill()
        if self._models.looked is not None:
            self._show_item(self._models.looked)
            self._examine_looked()

    def choices_changed(self) -> None:
        """Mark what is chosen now."""
        models = self._models
        if any(item.key == self.chosen for item in models.matching()):
            models.mark(self.chosen)
        else:
            self._fill()
        if models.looked is not None and self._is_model(models.looked):
            self._show_head(models.looked)
            self._examine_looked()  # whether it fits depends on the settings

    def plan_changed(self) -> None:
        """Show what working out the plan has told about the chosen model."""
        if not self._is_looked_at(self.chosen):
            return
        draft = self._shared.draft
        if not draft.is_settled:
            return
        plan = draft.plan
        if plan is not None and plan.facts is not None:
            self._about.show_facts(plan.facts)
        problem = draft.hindrance
        if problem is not None and problem.setting == SETTING:
            self._about.show_trouble(f"{problem.message}\n{problem.remedy}")

    # The list

    def focus_filter(self) -> None:
        """Go to the filter."""
        self._models.focus_filter()

    def on_filter_list_typed(self, event: FilterList.Typed) -> None:
        self._fill()
        if self._typed is not None:
            self._typed.stop()
        self._typed = self.set_timer(TYPING_SECONDS, self._search_as_typed)

    def _search_as_typed(self) -> None:
        """Search the hub for what stands in the filter, without moving the cursor; after a search that failed only on
        ctrl+f."""
        query = self._models.text.strip()
        if len(query) < LEAST_LETTERS or looks_like_path(query) or is_offline() or self._search.problem:
            return
        if query != self._search.query:
            self._search_for(query, jump=False)

    def on_filter_list_looked(self, event: FilterList.Looked) -> None:
        if event.item is None:
            self._about.show_words("Nothing here matches", "ctrl+f searches the hub for it; escape clears the filter")
        else:
            self._show_item(event.item)
            self._examine_looked()

    def on_filter_list_picked(self, event: FilterList.Picked) -> None:
        key = event.item.key
        if key == SEARCH:
            self.search_hub()
        elif key.startswith(FOLDER):
            self._models.set_text(key.removeprefix(FOLDER))
            self._models.focus_filter()
        else:
            if looks_like_path(key):
                from tui_finetune.models.recent import remember_folder

                remember_folder(key)
            self._shared.draft.choose(model_name_or_path=key)

    # The search on the hub

    def search_hub(self) -> None:
        """Search the hub for what is in the filter."""
        query = self._models.text.strip()
        if not query:
            self._models.focus_filter()
            self.notify("Type a part of a model's name, then ctrl+f.", timeout=4, markup=False)
            return
        if is_offline():
            self.notify("The hub is switched off: HF_HUB_OFFLINE is set.", timeout=4, markup=False)
            return
        self._search_for(query, jump=True)

    def _search_for(self, query: str, *, jump: bool) -> None:
        """Search in a thread; jump to what is found first, if wanted."""
        self._search = HubSearch(query, running=True)
        self._fill()

        def work() -> None:
            from tui_finetune.models.catalog import search_hub

            try:
                result = HubSearch(query, found=tuple(search_hub(query)))
            except UserError as error:
                result = HubSearch(query, problem=error.message)
            self.app.call_from_thread(self._searched, result, jump)

        self._work(work, "hub search", "searching the hub")

    def _searched(self, result: HubSearch, jump: bool) -> None:
        if result.query == self._search.query:
            self._search = result
            self._fill(look_at=result.found[0].name if result.found and jump else None)

    # Downloading

    def can_download(self) -> bool:
        """Whether the model under the cursor is one of the hub's that is not whole on this machine."""
        looked = self._models.looked if self.is_mounted and self._download is None else None
        if looked is None or not self._is_model(looked) or looks_like_path(looked.key) or is_offline():
            return False
        entry = next((entry for entry in (*self._entries, *self._search.found) if entry.name == looked.key), None)
        return entry is None or entry.source == "hub" or (entry.source == "cache" and entry.bytes is None)

    @property
    def is_downloading(self) -> bool:
        return self._download is not None

    def download(self) -> None:
        """Download the model under the cursor, with its weights, in a thread; what has arrived before is not sent again."""
        looked = self._models.looked
        if looked is None or not self.can_download():
            return
        self._download = download = Download(looked.key)
        self._about.show_trouble("")
        timer = self.set_interval(0.2, lambda: self._about.show_download(self._download))

        def ended(error: UserError | None, words: str = "") -> None:
            timer.stop()
            self._download = None
            self._about.show_download(None)
            self.screen.refresh_bindings()
            if error is not None and self._is_looked_at(download.name):
                self._about.show_trouble(f"{error.message}\n{error.remedy}")
            elif error is not None:
                self._shared.host.refuse(error, f"{download.name} was not downloaded")
            else:
                self.notify(words, markup=False)
                self.look_for_models()

        def work() -> None:
            from tui_finetune.models.located import locate

            try:
                locate(download.name, report=download)
            except UserError as error:
                self.app.call_from_thread(ended, error)
            except Cancelled:
                self.app.call_from_thread(ended, None, "Stopped. d goes on with what is missing.")
            else:
                self.app.call_from_thread(ended, None, f"{download.name} is downloaded.")

        self._work(work, "download", f"downloading {download.name}")
        self.screen.refresh_bindings()

    def stop_download(self) -> None:
        """End the download that is under way; what has arrived stays."""
        if self._download is not None:
            self._download.cancelled = True

    def on_unmount(self) -> None:
        self.stop_download()  # the app ends only when its threads have

    # The model under the cursor

    @staticmethod
    def _is_model(item: Item) -> bool:
        return item.key != SEARCH and not item.key.startswith(FOLDER)

    def _is_looked_at(self, name: str) -> bool:
        looked = self._models.looked
        return looked is not None and looked.key == name

    def _show_head(self, item: Item) -> None:
        entry = next((entry for entry in self._entries if entry.name == item.key), None)
        where = (GROUPS[entry.source] if entry else "" if item.group == CHOSEN_GROUP else item.group).lower()
        found = next((found for found in self._search.found if found.name == item.key), None)
        if found is not None and entry is None:
            gated = "gated: its owner gives access on request" if found.gated else ""
            where = " · ".join(part for part in (where, found.license, gated) if part)
        self._about.show_head(item.key, where, chosen=item.key == self.chosen)

    def _show_item(self, item: Item) -> None:
        if item.key == SEARCH:
            self._about.show_words(
                "Search the hub",
                "enter searches",
                f"Models that write text, the most downloaded first. Filters among the words: {HELP}.",
            )
        elif not self._is_model(item):
            self._about.show_words(item.label, "enter opens the folder")
        else:
            self._show_head(item)
            self._about.show_fit(None)

    def _examine_looked(self) -> None:
        """Find out about the model under the cursor; before the settings are known that waits for them."""
        looked = self._models.looked
        if looked is not None and self._is_model(looked) and self._shared.draft.is_settled:
            self._examine(looked.key, network=False)

    def fetch_facts(self) -> None:
        """Download the description of the hub model under the cursor."""
        looked = self._models.looked
        if looked is not None and self._is_model(looked):
            self._about.show_only("Asking the hub …")
            self._examine(looked.key, network=True)

    def _examine(self, name: str, *, network: bool) -> None:
        resolved = self._shared.draft.resolved

        def show(what: Callable[[ModelAbout], None]) -> None:
            self.app.call_from_thread(lambda: what(self._about) if self._is_looked_at(name) else None)

        def work() -> None:
            from tui_finetune.models.catalog import model_facts

            try:
                facts = model_facts(name, network=network)
            except UserError as problem:
                error = problem
                show(lambda about: about.show_error(error))
                return
            show(lambda about: about.show_facts(facts))
            if facts is None or hindrance(facts):
                return
            from tui_finetune.config.resolve import Resolved
            from tui_finetune.config.schema import RunConfig
            from tui_finetune.planning.fit import fit_of, this_device

            fit = fit_of(resolved or Resolved(RunConfig()), facts, this_device())
            show(lambda about: about.show_fit(fit))

        self._work(work, "facts", f"reading about {name}")
