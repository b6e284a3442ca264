"""The draft of the next run: what is chosen, what it amounts to, and what a run of it would be."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tui_finetune.config.names import DEFAULT_SAMPLE, STARTER
from tui_finetune.errors import UserError
from tui_finetune.tui.host import Host

if TYPE_CHECKING:
    from tui_finetune.config.form import Form
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.config.schema import RunConfig
    from tui_finetune.planning.plan import Plan
    from tui_finetune.runs.events import CheckEvent

Examine = Callable[["Resolved", "Callable[[Plan], None]"], object]


def _examine(resolved: Resolved, on_part: Callable[[Plan], None]) -> None:
    from tui_finetune.planning.plan import examine

    examine(resolved, on_part)


Rehearse = Callable[["Resolved", "Callable[[Callable[[], None]], None]"], "CheckEvent"]


def _rehearse(resolved: Resolved, begun: Callable[[Callable[[], None]], None]) -> CheckEvent:
    from tui_finetune.training.rehearsal import rehearse_apart

    return rehearse_apart(resolved, begun)


class Draft:
    """What is chosen for the next run. It is resolved once for each change, when somebody first asks.

    Args:
        host: does the work of finding out what a run would be.
        choices: settings to begin with, by key or alias.
        preset_name: the preset to begin with.
        examine: works a plan out, telling it part by part.
        rehearse: checks a run before it is trained; is told what ends it.

    Attributes:
        choices: what was chosen on the screens, by key, also values that are not allowed.
        preset_name: the preset that it starts from.
        plan: what is known of a run of it; `plan_pending` while more is being found out.
        plan_waits: whether the plan is worked out only when somebody wants it, which takes seconds of imports: who watches a run
            has no use for it.
        checked: what the check before training measured, once it was asked for; `checking` while it is going on.
        on_change, on_plan: called when what is chosen, or what is known of the plan, has changed.
    """

    def __init__(
        self,
        host: Host,
        choices: Mapping[str, object] | None = None,
        preset_name: str | None = None,
        examine: Examine = _examine,
        rehearse: Rehearse = _rehearse,
    ) -> None:
        self.choices: dict[str, object] = {}
        if choices:
            from tui_finetune.config.aliases import canonical

            self.choices = dict(canonical(choices))
        self.preset_name = preset_name or "default"
        self.plan: Plan | None = None
        self.plan_pending = self.plan_waits = False
        self.on_change: Callable[[], None] = lambda: None
        self.on_plan: Callable[[], None] = lambda: None
        self._host = host
        self._examine = examine
        self._rehearse = rehearse
        self.checked: CheckEvent | None = None
        self._end_check: Callable[[], None] | None = None
        self._outcome: Form | UserError | None = None

    # What is chosen

    def choose(self, **values: object) -> None:
        """Set settings, by key. A value that is not allowed stays chosen, and `problem` says what is wrong with it."""
        self.choices.update(values)
        self.changed()

    def unchoose(self, *keys: str) -> None:
        """Go back to the values that preset, model or default give."""
        self.forget(*keys)
        self.changed()

    def forget(self, *keys: str) -> None:
        """Take choices back that the next ones make pointless; nothing is told before these are made."""
        for key in keys:
            self.choices.pop(key, None)

    def take_over(self, config: RunConfig) -> None:
        """Choose what makes up a configuration: its model, its data, and all that it has otherwise than they would have it.

        Where its run lies is left out: another can't lie there.
        """
        from tui_finetune.config.form import fill_form
        from tui_finetune.models.catalog import model_settings

        values = config.model_dump()
        chosen = {key: values.pop(key) for key in ("model_name_or_path", "dataset_name")}
        usual = fill_form(chosen, "default", model_settings).resolved.config
        for key in ("output_dir", "final_model_dir"):
            values.pop(key)
        self.preset_name = "default"
        self.choices = chosen | {key: value for key, value in values.items() if value != getattr(usual, key)}
        self.changed()

    def choose_preset(self, name: str) -> None:
        """Start from a preset. What was chosen one by one in the form is let go, the model and the data stay."""
        from tui_finetune.config.presets import KEPT

        self.preset_name = name
        self.choices = {key: value for key, value in self.choices.items() if key in KEPT}
        self.changed()

    def changed(self) -> None:
        """Resolve what is chosen now, tell it, and find out what a run of it would be."""
        if self.is_settled:
            self.plan_waits = False  # something else was chosen
        self._outcome = None
        self.checked = None
        self.end_check()
        self._resolve()
        self.on_change()
        self._work_out_plan()

    # What it amounts to

    @property
    def is_settled(self) -> bool:
        """Whether what is chosen has been resolved; asking for `resolved` or `problem` does it, which takes imports."""
        return self._outcome is not None

    @property
    def form(self) -> Form | None:
        """What each field of the form shows; None where something is wrong that is no field's value."""
        outcome = self._resolve()
        return None if isinstance(outcome, UserError) else outcome

    @property
    def resolved(self) -> Resolved | None:
        """The configuration; None where something is wrong with it, which is in `problem`."""
        form = self.form
        return form.resolved if form is not None and not form.problems else None

    @property
    def problem(self) -> UserError | None:
        """What is wrong with what is chosen."""
        outcome = self._resolve()
        return outcome if isinstance(outcome, UserError) else next(iter(outcome.problems.values()), None)

    @property
    def hindrance(self) -> UserError | None:
        """What keeps a run of it from being started, as far as is known."""
        return self.problem or (self.plan.problem if self.plan else None)

    @property
    def model(self) -> str:
        """The chosen model, as it is named in the settings; known also before the draft is settled."""
        return str(self.choices.get("model_name_or_path", STARTER))

    @property
    def dataset(self) -> str:
        """The chosen data set, likewise."""
        if named := self.choices.get("datasets"):
            from tui_finetune.config.data_parts import mix_name

            with contextlib.suppress(UserError):  # which is told where it is resolved
                return mix_name(named)
        return str(self.choices.get("dataset_name", DEFAULT_SAMPLE))

    def settle(self) -> None:
        """Resolve it for the first time, with the imports that this takes in a thread, and tell it."""

        def work() -> None:
            import tui_finetune.config.form
            import tui_finetune.models.catalog  # noqa: F401

            self._host.back(self.changed)

        self._host.work(work, group="settle", description="reading the settings")

    def _resolve(self) -> Form | UserError:
        if self._outcome is None:
            from tui_finetune.config.form import fill_form
            from tui_finetune.models.catalog import model_settings

            try:
                self._outcome = fill_form(self.choices, self.preset_name, model_settings)
            except UserError as error:
                self._outcome = error
        return self._outcome

    # The plan

    def want_plan(self) -> None:
        """Work the plan out, where that has waited."""
        if self.plan_waits:
            self.plan_waits = False
            if self.is_settled:
                self._work_out_plan()

    def _work_out_plan(self) -> None:
        resolved = self.resolved
        self.plan_pending = resolved is not None and not self.plan_waits
        if resolved is None or self.plan_waits:
            self.plan = None
        else:
            config = resolved.config

            def work() -> None:
                self._examine(resolved, lambda plan: self._host.back(lambda: self._know(config, plan)))

            self._host.work(work, group="plan", description="working out the plan", exclusive=True)
        self.on_plan()

    def _know(self, config: RunConfig, plan: Plan) -> None:
        if self.resolved is not None and config is self.resolved.config:  # else something else has been chosen since
            self.show_plan(plan)

    def show_plan(self, plan: Plan | None) -> None:
        """Take in what has been found out."""
        self.plan, self.plan_pending = plan, plan is not None and not plan.complete
        if plan is not None:
            self.plan = plan.corrected(self.checked)
        self.on_plan()

    # The check before training

    @property
    def checking(self) -> bool:
        """Whether a run of it is being checked."""
        return self._end_check is not None

    def check(self) -> None:
        """Check a run of it: what is found corrects the plan, or stands in it as the problem."""
        resolved = self.resolved
        if resolved is None or self.checking:
            return
        over = threading.Event()
        self._end_check = over.set

        def begun(end: Callable[[], None]) -> None:
            self._host.back(lambda: self._may_end(over, end))

        def work() -> None:
            try:
                outcome: CheckEvent | UserError = self._rehearse(resolved, begun)
            except UserError as error:
                outcome = error
            self._host.back(lambda: None if over.is_set() else self._know_check(outcome))

        self._host.work(work, group="check", description="checking before training")
        self.on_plan()

    def _may_end(self, over: threading.Event, end: Callable[[], None]) -> None:
        def end_both() -> None:
            over.set()
            end()

        if over.is_set():  # something else has been chosen while it began
            end()
        else:
            self._end_check = end_both

    def end_check(self) -> None:
        """End a check that is going on."""
        if self._end_check is not None:
            end, self._end_check = self._end_check, None
            end()

    def _know_check(self, outcome: CheckEvent | UserError) -> None:
        self._end_check = None
        if isinstance(outcome, UserError):
            if self.plan is not None:
                self.plan = replace(self.plan, problem=outcome)
            self.on_plan()
            self._host.refuse(outcome, "Checked")
            return
        self.checked = outcome
        plan = replace(self.plan, problem=None) if self.plan is not None else None
        self.show_plan(plan)
