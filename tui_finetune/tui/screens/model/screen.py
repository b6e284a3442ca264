"""The Model screen: what there is to fine-tune, and what is known about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Static

from tui_finetune.tui.screens.base import TabScreen

if TYPE_CHECKING:
    from tui_finetune.tui.screens.model.body import ModelBody


class ModelScreen(TabScreen):
    """Models on this machine and on the hub; enter chooses one."""

    mode = "model"
    comes_bare = True
    CSS_PATH = "model.tcss"
    AUTO_FOCUS = "#models ChoiceList"
    help_text = (
        "The model that training starts from. The starter is included and needs no network. Below it are "
        "folders that hold a model, the final models of your runs, and what was downloaded from the Hugging Face hub.\n"
        "Type / to filter. A name such as Qwen/Qwen3-0.6B can be chosen as typed, a path such as ~/models/ lists the "
        "folders there. The hub is searched for what is typed, and at once with ctrl+f; the search also takes <1b or >500m "
        "(parameters), license:mit, and open (not gated). d downloads what is under the cursor, d again stops it: what has "
        "arrived is kept, and the next download continues there.\n"
        "On the right is what is known about the model under the cursor and whether all of it can be trained on this "
        "machine. Enter chooses it, ● marks the one that is chosen."
    )
    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/", priority=True, id="model.filter",
                tooltip="Type a part of a name, or a path"),
        Binding("ctrl+f", "search_hub", "Search hub", show=False, id="model.search",
                tooltip="Search the hub for what is typed, at once"),
        Binding("f", "fetch_facts", "Fetch facts", show=False, id="model.fetch",
                tooltip="Download the small files that say what a hub model is"),
        Binding("d", "download", "Download", id="model.download",
                tooltip="Download the hub model under the cursor, with its weights"),
        Binding("d", "stop_download", "Stop downloading", id="model.stop-download",
                tooltip="End the download; what has arrived stays, and d goes on there"),
    ]  # fmt: skip

    def compose_body(self) -> ComposeResult:
        from tui_finetune.tui.screens.model.body import ModelBody  # not needed for the app's first frame

        yield Static(
            Content.assemble(
                "Teach a language model your text: ", ("ctrl+r", "bold $accent"), " trains what the line above says."
            ),
            id="purpose",
        )
        yield ModelBody(self.shared, id="columns")

    @property
    def _body(self) -> ModelBody:
        from tui_finetune.tui.screens.model.body import ModelBody

        return self.query_one(ModelBody)

    def body_mounted(self) -> None:
        self._body.begin()

    def on_screen_resume(self) -> None:
        if not self._is_bare:
            self._body.look_for_models()  # a run may have left a new one since

    def choices_changed(self) -> None:
        if not self._is_bare:
            self._body.choices_changed()

    def plan_changed(self) -> None:
        super().plan_changed()
        if not self._is_bare:
            self._body.plan_changed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"download", "stop_download"} and not self._is_bare and self.is_mounted:
            return self._body.can_download() if action == "download" else self._body.is_downloading
        return super().check_action(action, parameters)

    def action_download(self) -> None:
        """Download the model under the cursor."""
        self._body.download()

    def action_stop_download(self) -> None:
        """End the download that is under way."""
        self._body.stop_download()

    def action_filter(self) -> None:
        """Go to the filter."""
        self._body.focus_filter()

    def action_search_hub(self) -> None:
        """Search the hub for what is in the filter."""
        self._body.search_hub()

    def action_fetch_facts(self) -> None:
        """Download the description of the hub model under the cursor."""
        self._body.fetch_facts()
