"""How a run ended: one typed object, from which the last event, the exit lines, the screen and the model card are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tui_finetune.errors import UserError
from tui_finetune.runs.values import Fields, flag, name, number, text, whole
from tui_finetune.runs.verdict import Verdict

End = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True)
class Remedy:
    """One way on after a failure.

    Attributes:
        words: what it does and costs.
        changes: the settings with which the run can be resumed; empty where it takes a new run.
    """

    words: str
    changes: Mapping[str, object] = field(default_factory=dict)

    def to_fields(self) -> dict[str, object]:
        return {"words": self.words, "changes": dict(self.changes)}

    @classmethod
    def from_fields(cls, fields: Fields) -> Remedy:
        changes = fields.get("changes")
        return cls(text(fields, "words"), changes if isinstance(changes, dict) else {})


@dataclass(frozen=True)
class RunResult:
    """The end of a run. None where it isn't known, as for what an older version did not write.

    Attributes:
        status: how it ended.
        reason: why, where it was stopped or failed; with `remedy`, what to do about it.
        began: whether a first step was taken; before it a failure leaves nothing worth keeping.
        step, total_steps: where it ended, and where it would have.
        seconds: of training, in this start.
        train_loss: mean over the steps of this start.
        early_stopped: evaluation got no better, so it ended before its last step.
        loss_before: the evaluation loss before the first step.
        eval_loss, best_step: the lowest evaluation loss and its step.
        checkpoint, checkpoint_step: the newest checkpoint, relative to the run's directory.
        final_dir, final_step: the folder of the final model, and the step that its weights are from.
        plot, card: files of the final model.
        data_format: what the rows were: 'text', 'messages', ...
        not_finite: it failed because the loss was no longer a number.
        remedies: ways on after a failure, the best first.
        verdict: how it did.
    """

    status: End
    reason: str = ""
    remedy: str = ""
    began: bool = False
    step: int | None = None
    total_steps: int | None = None
    seconds: float | None = None
    train_loss: float | None = None
    early_stopped: bool = False
    loss_before: float | None = None
    eval_loss: float | None = None
    best_step: int | None = None
    checkpoint: str | None = None
    checkpoint_step: int | None = None
    final_dir: str | None = None
    final_step: int | None = None
    plot: str | None = None
    card: str | None = None
    data_format: str = ""
    not_finite: bool = False
    remedies: tuple[Remedy, ...] = ()
    verdict: Verdict | None = None

    @property
    def error(self) -> UserError | None:
        """What is said to the user where it failed."""
        return UserError(self.reason, self.remedy) if self.status == "failed" else None

    @property
    def first_changes(self) -> Mapping[str, object]:
        """The settings to resume with, as the run itself advises; without advice none."""
        return self.remedies[0].changes if self.status == "failed" and self.remedies else {}

    def failed(self, error: UserError, remedies: tuple[Remedy, ...] = ()) -> RunResult:
        """The same, as a failure."""
        return replace(self, status="failed", reason=error.message, remedy=error.remedy, remedies=remedies)

    def to_fields(self) -> dict[str, object]:
        """As it stands in the last status event; what isn't known is left out."""
        fields = {_WRITTEN.get(key, key): value for key, value in vars(self).items() if key not in {"status", "reason"}}
        known = {key: value for key, value in fields.items() if value not in (None, "", ())}
        if not self.not_finite:
            known.pop("not_finite")
        if self.verdict is not None:
            known["verdict"] = self.verdict.to_fields()
        if self.remedies:
            known["remedies"] = [remedy.to_fields() for remedy in self.remedies]
        return known

    @classmethod
    def from_fields(cls, status: End, fields: Fields) -> RunResult:
        """As `to_fields` writes it, and as older versions did."""
        remedies = fields.get("remedies")
        return cls(
            status=status,
            reason=text(fields, "reason"),
            remedy=text(fields, "remedy"),
            began=flag(fields, "began"),
            step=whole(fields, "step"),
            total_steps=whole(fields, "total_steps"),
            seconds=number(fields, "train_runtime"),
            train_loss=number(fields, "train_loss"),
            early_stopped=flag(fields, "early_stopped"),
            loss_before=number(fields, "loss_before"),
            eval_loss=number(fields, "eval_loss"),
            best_step=whole(fields, "best_step"),
            checkpoint=name(fields, "checkpoint"),
            checkpoint_step=whole(fields, "checkpoint_step"),
            final_dir=name(fields, "final_dir"),
            final_step=whole(fields, "final_step"),
            plot=name(fields, "plot"),
            card=name(fields, "card"),
            data_format=text(fields, "data_format"),
            not_finite=flag(fields, "not_finite"),
            verdict=Verdict.from_fields(judged) if isinstance(judged := fields.get("verdict"), dict) else None,
            remedies=tuple(Remedy.from_fields(item) for item in remedies if isinstance(item, dict))
            if isinstance(remedies, list)
            else (),
        )


_WRITTEN = {"seconds": "train_runtime"}
"""Attributes that stand in the event under Trainer's name."""
