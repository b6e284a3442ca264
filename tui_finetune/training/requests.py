"""Requests that were left for a run, obeyed between two steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from transformers import TrainerControl, TrainerState

from tui_finetune.errors import Notice
from tui_finetune.runs import control as requests
from tui_finetune.runs.control import Request
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import MetricsEvent, PhaseEvent, SampleEvent, StatusEvent
from tui_finetune.runs.log import EventLog
from tui_finetune.training.ranks import Ranks
from tui_finetune.training.rng import untouched_random_state
from tui_finetune.training.talk import Talk

if TYPE_CHECKING:
    from tui_finetune.training.trainer import RunTrainer

PAUSE_POLL_SECONDS = 0.1
SAMPLE_TOKENS = 60

SIGNALED = "a process of the run was told to end"
"""Why a run of several processes stops, where nobody asked for it by a request."""

Ids = tuple[str, ...]


class Requests:
    """Takes the requests to a run and obeys them; what it tells names the requests that it answers.

    Args:
        run: the run.
        log: its event log.
        trainer: its Trainer.
        default_prompt: what a sample begins with where the request doesn't say.
        ranks: the processes that train the run. The first takes the requests; all do what they have to do together.

    Attributes:
        stopping: whether a stop was asked for.
    """

    def __init__(
        self, run: RunDirectory, log: EventLog, trainer: RunTrainer, default_prompt: str, ranks: Ranks
    ) -> None:
        self.stopping = False
        self._ranks = ranks
        self._run = run
        self._log = log
        self._trainer = trainer
        self._default_prompt = default_prompt
        self._paused = False
        self._talk = Talk(run, log, trainer)
        self._step_began = time.monotonic()

    def obey(self, state: TrainerState, control: TrainerControl) -> None:
        """Do all that was asked for, and while the run is paused wait for more."""
        step_seconds = time.monotonic() - self._step_began
        while True:
            for request, ids in self._taken():
                self._do(request, ids, state, control)
            self._talk.write_slice(state, step_seconds)
            if not self._paused or self.stopping:
                self._paused = False
                self._step_began = time.monotonic()
                return
            if not self._talk.is_busy:
                time.sleep(PAUSE_POLL_SECONDS)

    def _taken(self) -> list[tuple[Request, Ids]]:
        """What is asked for now, the same on all processes."""
        ranks, control = self._ranks, self._run.control_dir
        if not ranks.are_several:
            return _gathered(requests.take(control))
        waits, ended = ranks.agree(ranks.is_first and bool(requests.left(control)), ranks.told_to_end)
        taken = ranks.share(_gathered(requests.take(control)) if ranks.is_first else []) if waits else []
        return [*taken, *([(Request("", "stop", {"reason": SIGNALED}), ())] if ended and not self.stopping else [])]

    def agree_to_stop(self) -> None:
        """After an evaluation: where a stop waits, or a process was told to end, all stop."""
        ranks = self._ranks
        if not ranks.are_several or self.stopping:
            return
        waits = ranks.is_first and requests.waiting(self._run.control_dir, "stop")
        if any(ranks.agree(waits or ranks.told_to_end)):
            self._log.write(StatusEvent("stopping", "" if waits else SIGNALED))
            self.stopping = True

    def finish(self, state: TrainerState) -> None:
        """The training is over: what was said to the run is answered."""
        if not self._ranks.is_first:
            return
        for request in requests.take(self._run.control_dir) if not self.stopping else ():
            if request.action == "chat":
                self._talk.take(request)
        self._talk.finish(state, stopping=self.stopping)

    def stop_is_waiting(self) -> bool:
        """Whether a stop has been asked for; it stays where it is, and is obeyed after the step."""
        return self.stopping or requests.waiting(self._run.control_dir, "stop")

    def _do(self, request: Request, ids: Ids, state: TrainerState, control: TrainerControl) -> None:
        if request.action == "stop":
            self.stopping = True
            self._log.write(StatusEvent("stopping", request.text("reason"), answers=ids))
        elif request.action == "pause":
            self._paused = True
            self._log.write(StatusEvent("paused", "the device's memory is kept", answers=ids))
        elif request.action == "continue":
            self._paused = False
            self._log.write(StatusEvent("running", answers=ids))
        elif request.action == "save":
            self._trainer.answer_with_next_save(ids)
            control.should_save = True
        elif request.action == "evaluate":
            self._evaluate(ids, state)
        elif not self._ranks.is_first:  # what follows leaves no trace in the run, so the others go on
            return
        elif request.action == "chat":
            self._talk.take(request)
        else:
            self._sample(ids, state, request.text("prompt"))

    def _evaluate(self, ids: Ids, state: TrainerState) -> None:
        """Evaluate on the side: no other callback hears of it, so patience and best checkpoint stay as they are."""
        trainer = self._trainer
        if trainer.eval_dataset is None:
            self._log.notice(
                Notice("warning", "There are no rows to evaluate on.", "set validation_split"), answers=ids
            )
            return
        self._log.write(metrics_event(state, evaluate_aside(trainer), asked_for=True, answers=ids))
        self._log.write(PhaseEvent("training"))

    def _sample(self, ids: Ids, state: TrainerState, asked: str) -> None:
        """Write a sample: of what was asked for, in which special tokens are text, or of the words of a row, where they are
        what they are in the row."""
        from tui_finetune.chat.generate import generate_text
        from tui_finetune.chat.sampling import Sampling

        trainer, prompt = self._trainer, asked or self._default_prompt
        with untouched_random_state():
            text = generate_text(
                trainer.language_model,
                trainer.tokenizer,
                prompt,
                Sampling(max_new_tokens=SAMPLE_TOKENS),
                split_special_tokens=bool(asked),
            )
        trainer.language_model.train()
        self._log.write(SampleEvent(state.global_step, prompt, text, answers=ids))


def evaluate_aside(trainer: RunTrainer) -> dict[str, float]:
    """The metrics of an evaluation that no other callback hears of and that leaves the run as it is, bit for bit."""
    with untouched_random_state():
        output = trainer.evaluation_loop(
            trainer.get_eval_dataloader(), "evaluation", prediction_loss_only=True, metric_key_prefix="eval"
        )
    trainer.language_model.train()
    return dict(output.metrics or {})


_ONCE = frozenset({"sample", "evaluate", "save"})
"""What is done once for all that wait for the very same; of the others the order counts."""


def _gathered(taken: Iterable[Request]) -> list[tuple[Request, Ids]]:
    """Requests, those that ask for the very same as one: a key that is held is one wish."""
    gathered: list[tuple[Request, Ids]] = []
    for request in taken:
        if request.action == "chat":  # what is said twice is answered twice
            places = range(0)
        elif request.action in _ONCE:
            places = range(len(gathered))
        else:
            places = range(max(len(gathered) - 1, 0), len(gathered))
        for place in places:
            first, ids = gathered[place]
            if (first.action, first.fields) == (request.action, request.fields):
                gathered[place] = (first, (*ids, request.id))
                break
        else:
            gathered.append((request, (request.id,)))
    return gathered


def metrics_event(
    state: TrainerState,
    logs: dict[str, float],
    *,
    asked_for: bool = False,
    before_training: bool = False,
    answers: Ids = (),
    **more: float,
) -> MetricsEvent:
    """What Trainer logged at a step, every number of it.

    Args:
        state: says at which step.
        logs: the numbers by Trainer's names; `epoch` stands by itself.
        asked_for: an evaluation on the side.
        before_training: the one before the first step.
        answers: the requests that it answers.
        more: numbers of our own beside them.
    """
    values = {
        name: value
        for name, value in {**logs, **more}.items()
        if name != "epoch" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    epoch = round(state.epoch or 0.0, 4)
    return MetricsEvent(state.global_step, epoch, values, asked_for, before_training, answers=answers)


class Throughput:
    """Tokens a second between two looks, by the monotonic clock, without the time that was spent on other things."""

    def __init__(self, tokens: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began, self._tokens = clock(), tokens

    def skip(self, seconds: float) -> None:
        """So many seconds were no training: a pause, an evaluation, a sample."""
        self._began += seconds

    def look(self, tokens: int) -> float:
        """The rate since the last look; `tokens` is the count of all so far."""
        now = self._clock()
        rate = (tokens - self._tokens) / max(now - self._began, 1e-6)
        self._began, self._tokens = now, tokens
        return round(rate, 1)
