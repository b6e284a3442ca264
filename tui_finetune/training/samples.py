"""Samples by themselves: what the model writes after the same few prompts, before, during and after training.

They cost at most 2 % of the training time: where that is too little for all prompts at full length, they are shorter, then
fewer, then left out. Prompts and seed stay the same, so that what changes is the model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tui_finetune.errors import Notice
from tui_finetune.formatting import duration
from tui_finetune.runs.events import SampleEvent
from tui_finetune.runs.log import EventLog
from tui_finetune.training.rng import untouched_random_state

if TYPE_CHECKING:
    from tui_finetune.training.trainer import RunTrainer

SHARE = 0.02
"""The most that samples may take of the training time."""

FIRST_SHARE, LAST_BEFORE_END = 0.3, 0.6
"""How much of that may be spent before the first step, and before the end."""

MOST_TOKENS, FEWEST_TOKENS = 48, 8
BACKWARD_TIMES = 3.0
"""A step takes three times as long as the same rows in evaluation: a forward pass, and a backward one of twice that."""


class SampleBudget:
    """Says how many prompts may be completed, and with how many tokens.

    Args:
        prompts: how many there are.

    Attributes:
        training: seconds that the whole training is expected to take; 0 while that isn't known.
        spent: seconds that went into samples so far.
        seconds_per_token: of the newest samples; None before the first.
    """

    def __init__(self, prompts: int) -> None:
        self.training = 0.0
        self.spent = 0.0
        self.seconds_per_token: float | None = None
        self._prompts = prompts

    def left(self, progress: float) -> float:
        """Seconds that may be spent now.

        Args:
            progress: how much of the training is done, from 0 to 1.
        """
        share = 1.0 if progress >= 1 else FIRST_SHARE + (LAST_BEFORE_END - FIRST_SHARE) * progress
        return SHARE * self.training * share - self.spent

    def plan(self, progress: float) -> tuple[int, int]:
        """Prompts and tokens of each that there is time for; of the very first, with nothing measured, one and the fewest."""
        left = self.left(progress)
        if left <= 0:
            return 0, 0
        if self.seconds_per_token is None:
            return 1, FEWEST_TOKENS
        tokens = int(left / max(self.seconds_per_token, 1e-9))
        for prompts in range(self._prompts, 0, -1):
            if tokens >= prompts * (2 * FEWEST_TOKENS if prompts > 1 else FEWEST_TOKENS):
                return prompts, min(tokens // prompts, MOST_TOKENS)
        return 0, 0

    def took(self, seconds: float, tokens: int) -> None:
        """So many tokens were written."""
        self.spent += seconds
        if tokens:
            self.seconds_per_token = seconds / tokens


class Samples:
    """Completes the prompts where it is their time.

    Args:
        trainer: of the run.
        log: its event log.
        prompts: what is completed.
        seed: of what is drawn.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        trainer: RunTrainer,
        log: EventLog,
        prompts: Sequence[str],
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.budget = SampleBudget(len(prompts))
        self._trainer, self._log, self._prompts, self._seed, self._clock = trainer, log, list(prompts), seed, clock
        self._began = clock()
        self._written: int | None = None
        self._failed = False

    def begin(self, evaluation_seconds: float, evaluated_rows: int, rows: float) -> None:
        """The training begins now.

        Args:
            evaluation_seconds: what an evaluation took, 0 where there was none.
            evaluated_rows: its rows.
            rows: those that will be trained on, over all epochs.
        """
        if evaluation_seconds and evaluated_rows:
            self.budget.training = BACKWARD_TIMES * evaluation_seconds / evaluated_rows * rows
        self._began = self._clock()

    def write(self, step: int, total: int, *, at_end: bool = False) -> None:
        """Complete the prompts after a step, as far as there is time for it. Nothing that goes wrong here ends the run."""
        if self._failed or not self._prompts or self._written == step:
            return
        trained = self._clock() - self._began - self.budget.spent
        if step and total:
            self.budget.training = trained * (1.0 if at_end else max(total / step, 1.0))
        try:
            self._complete(step, 1.0 if at_end else step / max(total, 1))
        except Exception:
            logging.getLogger(__name__).exception("samples can't be written")
            self._failed = True
            message = "The model can't write samples, so there are none; the training goes on."
            self._log.notice(Notice("warning", message, "the log says why"))

    def _complete(self, step: int, progress: float) -> None:
        prompts, tokens = self.budget.plan(progress)
        if self.budget.seconds_per_token is None and prompts:  # measure first, with as little as can be
            self._generate(self._prompts[0], tokens, self.budget.left(progress))
            prompts, tokens = self.budget.plan(progress)
        for prompt in self._prompts[:prompts]:
            self._written = step
            text = self._generate(prompt, tokens, self.budget.left(1.0))
            self._log.write(SampleEvent(step, prompt, text))

    def _generate(self, prompt: str, tokens: int, seconds: float) -> str:
        from tui_finetune.chat.generate import generate
        from tui_finetune.chat.sampling import Sampling

        began = self._clock()
        trainer = self._trainer
        with untouched_random_state():
            reply = generate(
                trainer.language_model,
                trainer.tokenizer,
                prompt,
                Sampling(max_new_tokens=tokens, seed=self._seed),
                cancelled=lambda: self._clock() - began > seconds,
            )
        trainer.language_model.train()
        self.budget.took(self._clock() - began, reply.tokens)
        return reply.text

    def end(self) -> None:
        """Say what they cost."""
        if self.budget.spent and self.budget.training:
            share = self.budget.spent / self.budget.training
            words = f"Samples took {duration(self.budget.spent)}, {share:.1%} of the training."
            self._log.notice(Notice("info", words, "sample_prompts: off leaves them out", "sample_prompts"))
