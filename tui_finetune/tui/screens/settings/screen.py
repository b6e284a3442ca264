"""The Settings screen: presets and every setting of a run, each explaining itself while it has the focus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.widget import Widget
from textual.widgets import Input, Static

from tui_finetune.config.files import to_yaml
from tui_finetune.config.form import Form, grouped_settings, matches
from tui_finetune.config.presets import PRESETS
from tui_finetune.config.schema import settings
from tui_finetune.errors import UserError
from tui_finetune.system.files import write_atomically
from tui_finetune.tui.question import Choice, Question
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.settings.choice_row import ChoiceRow
from tui_finetune.tui.screens.settings.panel import UNUSED, SettingPanel, amounts, memory_lines
from tui_finetune.tui.screens.settings.presets import use_preset
from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.setting_field import SettingField

WITH_BAR, WITH_BAR_HEIGHT = 80, 24
"""Columns and lines of the screen from which the memory is drawn as a bar."""


class FieldList(VerticalScroll, can_focus=False):
    """The lines of the form; up and down go from one to the next, also out of an input."""

    BINDINGS = [
        Binding("up", "move(-1)", "Line up", show=False),
        Binding("down", "move(1)", "Line down", show=False),
        Binding("pageup", "move(-10)", "Ten up", show=False),
        Binding("pagedown", "move(10)", "Ten down", show=False),
        Binding("home", "move(-1000)", "First line", show=False),
        Binding("end", "move(1000)", "Last line", show=False),
    ]

    def lines(self) -> list[Widget]:
        """The lines that can have the focus, those that the search leaves."""
        return [child for child in self.query("SettingField, ChoiceRow").results(Widget) if child.display]

    def action_move(self, by: int) -> None:
        lines = self.lines()
        here = next((i for i, line in enumerate(lines) if line.has_focus or line.has_focus_within), None)
        if lines:
            there = 0 if here is None else min(max(here + by, 0), len(lines) - 1)
            lines[there].focus()
            if there == 0:
                self.scroll_home(animate=False)


class SettingsScreen(TabScreen):
    """Every setting in one list, made from the declarations in config.py."""

    mode = "settings"
    help_text = (
        "All the numbers and switches of a run. Go up and down: the line with the focus is explained beside it, with "
        "what is allowed and where its value comes from; [ and ] scroll the explanation. Below it stands what the run takes, and what your change does to that; c tries one batch and measures it. Enter changes it: numbers and names are typed, choices step "
        "to the next. A value that is not allowed stays, marked with what is wrong, until you correct or reset it.\n"
        "A preset is a set of values that go together; start from one and change what you like. Values that a model "
        "recommends for itself override the defaults, and a preset overrides both.\n"
        "Nobody has to set all this: the defaults are good for most. The numbers that matter first are learning_rate, "
        "num_train_epochs and, where memory is short, per_device_train_batch_size."
    )
    CSS_PATH = "settings.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("slash", "search", "Find", key_display="/", priority=True, id="settings.find",
                tooltip="Find a setting by its name, another tool's name for it, or what it is about"),
        Binding("v", "yaml", "YAML", show=False, id="settings.yaml",
                tooltip="See the whole configuration as the YAML file that a run is made from"),
        Binding("c", "check", "Check", id="settings.check",
                tooltip="Try one batch, a piece of a checkpoint and the disk: what is measured corrects the estimate"),
        Binding("ctrl+s", "save", "Save as", show=False, id="settings.save",
                tooltip="Save the configuration as a file for `finetune-tui train FILE`"),
        Binding("left_square_bracket", "scroll_panel(-4)", "Explanation up", show=False, key_display="[",
                id="settings.panel_up", tooltip="Scroll the explanation up"),
        Binding("right_square_bracket", "scroll_panel(4)", "Explanation down", show=False, key_display="]",
                id="settings.panel_down", tooltip="Scroll the explanation down"),
        Binding("escape", "end_search", "End search", show=False),
    ]  # fmt: skip

    def __init__(self, shared: AppState) -> None:
        super().__init__(shared)
        self._form: Form | None = None
        self._plan_problem: UserError | None = None
        self._before_search: Widget | None = None
        self._line_before: Widget | None = None
        self._memory_before: int | None = None

    def compose_body(self) -> ComposeResult:
        with Vertical(id="form"):
            yield Input(placeholder="Find a setting", id="search", compact=True)
            with FieldList(id="fields"):
                yield Static("Start from", classes="group", id="group-preset", markup=False)
                for preset in PRESETS.values():
                    yield ChoiceRow(preset.name, preset.summary, self.use_preset)
                for group, items in grouped_settings().items():
                    yield Static(group, classes="group", markup=False)
                    yield from (SettingField(item) for item in items)
                yield Static("No setting matches. esc shows all of them again.", id="nothing", markup=False)
        yield SettingPanel(id="panel")

    def on_mount(self) -> None:
        self.query_one("#search").display = False
        self.query_one("#nothing").display = False
        self.query_one(f"#preset-{self.shared.draft.preset_name}", ChoiceRow).focus()

    # Showing what is chosen

    def choices_changed(self) -> None:
        self._fill()
        if (wanted := self.shared.wanted_setting.take()) is not None:
            self.focus_setting(wanted)

    def plan_changed(self) -> None:
        super().plan_changed()
        plan = self.shared.draft.plan
        if (plan.problem if plan else None) is not self._plan_problem:
            self._fill()
        self._show_amounts()

    def _problem(self, form: Form, key: str) -> UserError | None:
        """What is wrong with a field: with its value by itself, or found while the plan was worked out."""
        if key in form.problems:
            return form.problems[key]
        found = self._plan_problem
        return found if found is not None and found.setting == key else None

    def _fill(self) -> None:
        draft = self.shared.draft
        form = draft.form
        if form is None:
            return  # It is no field's fault; the plan line says whose.
        self._form = form
        self._plan_problem = draft.plan.problem if draft.plan else None
        for field in self.query(SettingField):
            key = field.item.key
            origin = form.origin(key) if self._has_effect(field) else UNUSED
            field.show(form.shown(key), origin, self._problem(form, key), form.inherited_value(key))
        for row in self.query(ChoiceRow):
            row.show(row.label == draft.preset_name)
        self._filter(self.query_one("#search", Input).value)
        self._explain()

    def _has_effect(self, field: SettingField) -> bool:
        """Whether a setting means anything to the method and the task that are chosen."""
        if self._form is None:
            return True
        config = self._form.resolved.config
        return field.item.concerns(config.method, config.task)

    def _belongs_here(self, field: SettingField) -> bool:
        """Settings of another method are left out, unless one was chosen or something is wrong with it."""
        form = self._form
        return self._has_effect(field) or (form is not None and (field.item.key in form.chosen or bool(field.problem)))

    def _focused_line(self) -> Widget | None:
        focused = self.focused
        if isinstance(focused, Input) and isinstance(focused.parent, SettingField):
            return focused.parent
        return focused if isinstance(focused, (SettingField, ChoiceRow)) else None

    def _explain(self) -> None:
        line = self._focused_line()
        panel = self.query_one(SettingPanel)
        if isinstance(line, SettingField) and self._form is not None:
            key = line.item.key
            origin = self._form.origin(key) if self._has_effect(line) else UNUSED
            panel.explain(line.item, origin, self._form.inherited_value(key))
        elif isinstance(line, ChoiceRow):
            known = settings()
            values = PRESETS[line.label].values
            panel.explain_preset(PRESETS[line.label], [(key, known[key].show(value)) for key, value in values.items()])

    def _show_amounts(self) -> None:
        draft = self.shared.draft
        panel = self.query_one(SettingPanel)
        if draft.resolved is None:
            panel.show_amounts(lambda _: ["correct what is marked ✗ first"])
            return
        plan, before, checking = draft.plan, self._memory_before, draft.checking
        said = amounts(plan.settled if plan else draft.resolved.config, plan)

        def lines(width: int) -> list[str | Content]:
            roomy = self.size.width >= WITH_BAR and self.size.height >= WITH_BAR_HEIGHT
            memory = memory_lines(plan, width, before, bar=roomy) if plan is not None else []
            return [*said, *memory, *(["trying one batch …"] if checking else [])]

        panel.show_amounts(lines)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if self._focused_line() is not self._line_before:
            # What a change to this line does to the memory is told against what it was.
            self._line_before = self._focused_line()
            plan = self.shared.draft.plan
            self._memory_before = plan.estimate.needed if plan is not None and plan.estimate is not None else None
        self._explain()

    def action_check(self) -> None:
        """Try a run of it: one batch, a piece of a checkpoint, the disk."""
        draft = self.shared.draft
        if draft.problem is not None:
            self.shared.host.refuse(draft.problem, "Not yet")
        else:
            draft.check()

    # Changing it

    @on(SettingField.Chosen)
    def _chosen(self, event: SettingField.Chosen) -> None:
        key, value = event.field.item.key, event.value
        if value is None or (self._form is not None and self._form.is_inherited(key, value)):
            self.shared.draft.unchoose(key)
        else:
            self.shared.draft.choose(**{key: value})

    def use_preset(self, name: str) -> None:
        """Start from a preset; asks where that lets go of what was chosen one by one."""
        use_preset(self.shared, name)

    def focus_setting(self, key: str) -> None:
        """Put the focus on a setting's line."""
        self.action_end_search()
        try:
            self.query_one(f"#setting-{key}", SettingField).focus()
        except NoMatches:
            return

    # Search

    def action_search(self) -> None:
        self._before_search = self._focused_line() or self._before_search
        field = self.query_one("#search", Input)
        field.display = True
        self.set_focus(field)

    def action_end_search(self) -> None:
        """Show all settings again; the focus stays on the line it is on."""
        field = self.query_one("#search", Input)
        if not field.display:
            return
        line = self._focused_line() or self._before_search
        field.value = ""
        field.display = False
        self._filter("")
        (line or self.query_one(FieldList).lines()[0]).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "end_search":
            return self.is_mounted and bool(self.query_one("#search").display)
        if action in {"yaml", "scroll_panel", "check"}:
            return not isinstance(self.focused, Input)  # there, these keys are typed
        return super().check_action(action, parameters)

    @on(Input.Changed, "#search")
    def _searched(self, event: Input.Changed) -> None:
        self._filter(event.value)

    @on(Input.Submitted, "#search")
    def _found(self, event: Input.Submitted) -> None:
        lines = self.query_one(FieldList).lines()
        if lines:
            lines[0].focus()

    def on_key(self, event: events.Key) -> None:
        search = self.query_one("#search", Input)
        if event.key == "down" and search.has_focus:
            event.stop()
            self.query_one(FieldList).action_move(0)

    def _filter(self, query: str) -> None:
        heading: Static | None = None
        found = 0
        for child in self.query_one(FieldList).children:
            if isinstance(child, Static):
                heading = child
                heading.display = False
                continue
            if isinstance(child, SettingField):
                # What is searched for is found, whatever the method is.
                child.display = matches(child.item, query) if query else self._belongs_here(child)
            elif isinstance(child, ChoiceRow):
                child.display = not query or query.lower() in f"preset {child.label}"
            if child.display:
                found += 1
                if heading is not None:
                    heading.display = True
        self.query_one("#nothing").display = not found
        if (line := self._focused_line()) is not None and not line.display:
            self.query_one("#setting-method", SettingField).focus()

    def action_scroll_panel(self, by: int) -> None:
        self.query_one(SettingPanel).scroll_text(by)

    # YAML

    def _whole(self, then: Callable[[str], object]) -> None:
        """Go on with the configuration as YAML, or say what is wrong with it."""
        draft = self.shared.draft
        if draft.resolved is not None:
            then(to_yaml(draft.resolved.config))
        elif draft.problem is not None:
            self.shared.host.refuse(draft.problem, "Not yet")

    def action_yaml(self) -> None:
        from tui_finetune.tui.screens.settings.yaml_view import YamlView

        resolved = self.shared.draft.resolved

        def closed(save: bool | None) -> None:
            if save:
                self.action_save()

        if resolved is not None:
            self._whole(lambda text: self.app.push_screen(YamlView(resolved, text), closed))
        else:
            self._whole(lambda text: None)

    def action_save(self) -> None:
        from tui_finetune.tui.dialogs.ask import Ask

        def ask(text: str) -> None:
            self.app.push_screen(
                Ask(
                    "Save the configuration as",
                    "`finetune-tui train FILE` makes the same run from it.",
                    "config.yaml",
                    check=_writable,
                ),
                lambda path: self._save(Path(path).expanduser(), text) if path else None,
            )

        self._whole(ask)

    def _save(self, path: Path, text: str) -> None:
        def write() -> None:
            try:
                write_atomically(path, text)
            except OSError as error:
                self.notify(f"{path}: {error.strerror}", title="Not saved", severity="error", markup=False)
            else:
                self.notify(f"Saved as {path}", markup=False)

        if path.exists():
            question = Question(
                f"{path} is there already.",
                "Replacing it loses what is in it.",
                (Choice("keep", "k", "Keep it"), Choice("replace", "r", "Replace it")),
            )
            self.shared.host.ask(question, lambda answer: write() if answer == "replace" else None)
        else:
            write()


def _writable(answer: str) -> str:
    """What keeps a file of that name from being written; '' where nothing does."""
    path = Path(answer).expanduser()
    if path.is_dir():
        return "That is a folder: add the name of a file."
    if not path.absolute().parent.is_dir():
        return f"There is no folder {path.parent}."
    return ""
