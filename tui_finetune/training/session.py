"""A run, from the first look at its model to the final one. The whole story is in `TrainingSession._train`."""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.presets import PRESETS
from tui_finetune.config.resolve import Resolved, unused
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Cancelled, Notice, UserError
from tui_finetune.models.catalog import suggested_rate
from tui_finetune.runs import checkpoints, places, registry
from tui_finetune.runs.control import drop, left
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import FactsEvent, PhaseEvent, StatusEvent
from tui_finetune.runs.findings.rates import rate_notice
from tui_finetune.runs.lock import LockLost, RunLock
from tui_finetune.runs.log import EventLog, SilentLog
from tui_finetune.runs.result import Remedy, RunResult
from tui_finetune.system.environment import gpu_choice
from tui_finetune.system.libraries import import_libraries, library_log, quiet_libraries
from tui_finetune.training.failures import explain, is_not_finite
from tui_finetune.training.judging import judged, run_facts
from tui_finetune.training.memory import MemoryNeeds, check_estimate, free_memory, memory_remedies
from tui_finetune.training.notify import notify_arguments, run_notify_command
from tui_finetune.training.paths import rooted
from tui_finetune.training.rank_failures import failed_in_one, restart_notice
from tui_finetune.training.ranks import Ranks
from tui_finetune.training.reporting import Phases, open_log, wrote_final
from tui_finetune.training.resume import BATCH, changed_config, check_fingerprint, checkpoint_to_resume, clear_the_way

if TYPE_CHECKING:
    from transformers import TrainerState

    from tui_finetune.models.choices import Amount
    from tui_finetune.models.located import LocatedModel
    from tui_finetune.training.callback import RunCallback
    from tui_finetune.training.computing import Computing
    from tui_finetune.training.inputs import Inputs
    from tui_finetune.training.trainer import RunTrainer


class TrainingSession:
    """Trains one run, in whatever thread `run` is called; all it has to tell goes to the event log.

    Args:
        resolved: the configuration, with or without where its values come from.
        run: its directory, made already.
        resuming: resume from the newest checkpoint that is sound.
        ranks: the processes that train it together, each with a session of its own; this one alone if left out.
        again: begin again in a directory in which a start of this configuration was killed before its first checkpoint.
    """

    def __init__(
        self,
        resolved: Resolved | RunConfig,
        run: RunDirectory,
        *,
        resuming: bool = False,
        again: bool = False,
        ranks: Ranks | None = None,
    ) -> None:
        self.ranks = ranks or Ranks()
        resolved = resolved if isinstance(resolved, Resolved) else Resolved(resolved)
        config = resolved.config.model_copy(update={"num_processes": self.ranks.size})
        self.resolved = replace(resolved, config=config)
        self.config = rooted(config).model_copy(update={"output_dir": str(run.path)})
        self.directory = run
        self.resuming = resuming
        self.again = again
        self.log: EventLog
        self.changes: dict[str, object] = {}
        self.left_before = left(run.control_dir)
        self._lock: RunLock | None = None
        self._began = self._taken_over = False
        self._needs: MemoryNeeds | None = None

    @classmethod
    def resume(
        cls, run: RunDirectory, changes: Mapping[str, object] | None = None, ranks: Ranks | None = None
    ) -> TrainingSession:
        """The session that resumes a run.

        Args:
            run: the run, wherever its directory is now.
            changes: settings that are to be others than before, as num_train_epochs to extend it.
            ranks: as above.

        Raises:
            UserError: its configuration can't be read, a change would make another run of it, or nothing is left to do.
        """
        size = ranks.size if ranks is not None else 1
        number = {} if run.read_config().num_processes == size else {"num_processes": size}
        wanted = {**(changes or {}), **number}
        session = cls(changed_config(run, wanted), run, resuming=True, ranks=ranks)
        final = run.final_place(session.config)
        places.check_final_free(final, run.path, run.id, written=wrote_final(run, final))
        session.changes = wanted
        return session

    def run(self) -> RunResult:
        """Train to the end, or until a stop is asked for.

        Raises:
            UserError: only if the run is being trained already or can't be written to; every other failure becomes a
                result.
        """
        with ExitStack() as stack:
            with self.ranks.together():
                self.log = self._take_over(stack) if self.ranks.is_first else SilentLog()
            stack.callback(self.log.close)
            with library_log(self.directory.log_path, f"rank {self.ranks.rank} " if self.ranks.are_several else ""):
                return self._end(self._result())

    def _take_over(self, stack: ExitStack) -> EventLog:
        """Make sure that this process and no other trains the run, until the stack is left; gives its event log."""
        self.directory.refuse_links()
        for path in (self.directory.path, self.directory.checkpoints_dir):
            if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
                raise UserError(f"{path} can't be written to", "check the permissions of the run's directory")
        self._lock = stack.enter_context(RunLock(self.directory.lock_path))
        self.directory.mark()
        return open_log(self.directory.events_path)

    def _keep_lock(self) -> None:
        """See to it that no other process can train the run; raises LockLost where one does."""
        if self._lock is not None and self._lock.keep():
            message = "run.lock was deleted while the run was going, and has been made again."
            self.log.notice(Notice("warning", message, "leave the files of a run that is going where they are"))

    def _result(self) -> RunResult:
        """Train, and make a result of whatever comes of it."""
        remedies: list[Remedy] = []
        failed = RunResult("failed")
        try:
            with self.ranks.together():
                checkpoint = self._begin() if self.ranks.is_first else None
            return self._train(self.ranks.share(checkpoint))
        except Cancelled:
            return RunResult("stopped", "stopped before the first step; there is nothing to save")
        except UserError as error:
            self._taken_over = isinstance(error, LockLost)
            return failed.failed(error)
        except Exception as error:
            logging.getLogger(__name__).error("%s", traceback.format_exc())
            if (told := failed_in_one(error, self.directory, self.ranks, self.config, began=self._began)) is not None:
                return failed.failed(told)
            remedies = memory_remedies(error, self.config, self._needs)
            ended = failed.failed(explain(error, self.directory, remedies), tuple(remedies))
            return replace(ended, not_finite=is_not_finite(error))
        finally:
            if remedies:
                free_memory()

    def _begin(self) -> Path | None:
        """What comes before all else; gives the checkpoint to go on from, if any."""
        # Requests to an earlier start mean nothing to this one; what is asked from now on does.
        drop(self.directory.control_dir, self.left_before)
        checkpoint = checkpoint_to_resume(self.directory, self.config, self.log) if self.resuming else None
        run, final = self.directory, self.directory.final_place(self.config)
        places.claim(final, run.path, run.id, written=self.resuming and wrote_final(run, final))
        self._tell_start(checkpoint)
        return checkpoint

    def _tell_start(self, checkpoint: Path | None) -> None:
        went_before = self.resuming or self.again
        resumed_from = (checkpoints.step_of(checkpoint) if checkpoint else 0) if went_before else None
        if not self.resuming:
            self._write_config()
        model, dataset = self.config.model_name_or_path, self.config.dataset_name
        words = ", ".join(f"{key} {value}" for key, value in self.changes.items())
        self.log.write(StatusEvent("starting", resumed_from=resumed_from, model=model, dataset=dataset, changed=words))
        registry.note(self.directory)
        if (restarted := restart_notice(self.directory, checkpoint, self.ranks.size)) is not None:
            self.log.notice(restarted)
        elif words:
            self.log.notice(Notice("info", f"Resuming with {words}."))
        if self.resuming and (unknown := self.directory.unknown_settings()):
            message = f"This version does not know these settings of the run: {', '.join(unknown)}. They are kept."
            self.log.notice(Notice("info", message, "update finetune-tui if they matter"))
        rate = rate_notice(self.config, suggested_rate(model))
        for said in (*PRESETS[self.resolved.preset].weaknesses, *unused(self.resolved), *([rate] if rate else [])):
            self.log.notice(said)
        clear_the_way(self.directory, checkpoint)
        places.remove_drafts(self.directory.final_place(self.config), self.directory.id)

    def _write_config(self) -> None:
        """Write config.yaml. Without output_dir, so that training from it again makes a run of its own; and without
        notify_command, so that nobody who resumes the run of another starts that person's program."""
        self.directory.write_config(self.config.model_copy(update={"output_dir": None, "notify_command": None}))

    def _train(self, checkpoint: Path | None) -> RunResult:
        """The story of a run: look at the model, prepare the data, load, check, train, write the final model."""
        inputs = self._inputs()
        with inputs.attention():
            result, state = self._fit(inputs, checkpoint)
        if not self.ranks.is_first:
            return result
        self._keep_lock()
        self.log.write(PhaseEvent("finishing", "Writing the final model"))
        from tui_finetune.training.finish import write_final_model

        return write_final_model(inputs, self.config, self.directory, self.log, state, result)

    def _inputs(self) -> Inputs:
        """All that the training is given: the model, loaded and made ready, and rows of tokens that suit it."""
        phase = Phases(self.log, self.directory.control_dir, self.ranks)
        with phase("checking", "Getting ready"):
            # Five seconds or so. The plan may be importing them too.
            import_libraries("torch", "transformers", "datasets", "transformers.trainer")
            quiet_libraries()
            from tui_finetune.data.parts import open_parts
            from tui_finetune.data.rows import prepare_rows
            from tui_finetune.models.loading import tokenizer_notices
            from tui_finetune.models.methods.choose import method_of
            from tui_finetune.models.saving import make_savable
            from tui_finetune.training import inputs as given
            from tui_finetune.training.computing import amount_of, loss_of

            self._check_surroundings()

        with phase("loading_model", "Looking at the model", leaders_first=True) as report:
            located, tokenizer, max_length = given.look_at_model(self.config, report)
            pinned = {"max_length": max_length, "model_revision": located.revision}
            self.config = config = self.config.model_copy(update=pinned)

        with phase("loading_data", f"Reading {config.dataset_name}", leaders_first=True) as report:
            parts = open_parts(config, report)
        with phase("preparing_data", leaders_first=True) as report:
            data = prepare_rows(parts, config, tokenizer, max_length, report)

        computing = self._decide(located, max_length, amount_of(data))
        config = self.config
        method = method_of(config)
        with phase("loading_model") as report:
            model = method.load(located, tokenizer=tokenizer, precision=computing.precision, report=report)
            base = given.base_for(method, located)

        # Packed texts are kept apart by the model itself or by how it attends; where neither can, rows are padded.
        with phase("checking", "Checking that packed texts stay apart") if data.packed else nullcontext():
            attention = given.attention_for_packing(model) if data.packed else nullcontext
        if attention is None:
            message = "This model can't keep packed texts apart, so rows are padded instead."
            self.log.notice(Notice("warning", message, "set packing: false", "packing"))
            with phase("preparing_data", leaders_first=True) as report:
                data = prepare_rows(parts, config.model_copy(update={"packing": False}), tokenizer, max_length, report)

        given.keep_template(model, tokenizer, data)
        loss, computing = loss_of(model, computing)
        saving = filter(None, (make_savable(model.config, model.generation_config),))
        for said in [*tokenizer_notices(tokenizer), *data.notices, *computing.told(model), *saving]:
            self.log.notice(said)

        model = method.prepare(model, located)
        attend = attention or nullcontext
        return given.Inputs(located, model, tokenizer, data, computing.precision, attend, loss, base)

    def _decide(self, located: LocatedModel, length: int, data: Amount) -> Computing:
        """Choose what nobody chose, and how is computed; it stands in config.yaml from then on. The same on all processes."""
        with self.ranks.together():
            computing = self._decide_alone(located, length, data) if self.ranks.is_first else None
        computing = self.ranks.share(computing)
        assert computing is not None
        self.config = computing.config
        return computing

    def _decide_alone(self, located: LocatedModel, length: int, data: Amount) -> Computing:
        from tui_finetune.models.choices import choose
        from tui_finetune.models.devices import device_facts, learn_precision
        from tui_finetune.training.computing import decide

        facts = located.facts()
        learn_precision(self.config.precision, facts)
        device = device_facts()
        if not self.resuming:
            choices = choose(replace(self.resolved, config=self.config), facts, device, length, data)
            self.config = choices.config
            if choices.reasons:
                self.log.notice(Notice("info", f"{choices.words(data)}."))
            for notice in choices.notices:
                self.log.notice(notice)
        computing = decide(self.config, facts, device, length, resumed=self.resuming)
        self.config = computing.config
        if not self.resuming:
            self._write_config()
        self._needs = MemoryNeeds(self.config, facts, length, device)
        if self.config.check_before_training:
            check_estimate(self._needs)
        return computing

    def _passes(self, trainer: RunTrainer) -> bool:
        """Check before training. False where the batch that was chosen doesn't fit after all, and a smaller one is to be tried:
        the rows of an update stay the same."""
        try:
            self._check(trainer)
        except Exception as error:
            batch = BATCH[:2]
            chosen = (self.resolved.origin(key) == "default" for key in batch)
            # Whether it is enough, the next check measures.
            remedies = memory_remedies(error, self.config) if not self.resuming and all(chosen) else []
            smaller = next((remedy for remedy in remedies if set(remedy.changes) == set(batch)), None)
            if smaller is None:
                raise
            self.config = self.config.model_copy(update=dict(smaller.changes))
            self.log.notice(Notice("info", f"The batch that was chosen does not fit: {smaller.words}."))
            self._write_config()
        else:
            return True
        free_memory()  # now that the error is gone, and with it what it held
        return False

    def _check(self, trainer: RunTrainer) -> None:
        """Try in seconds what would otherwise fail in hours."""
        from tui_finetune.models.devices import device_facts
        from tui_finetune.training.check import check_before_training

        self.log.write(PhaseEvent("checking", "Trying one batch"))
        assert self._needs is not None
        needs = replace(self._needs, config=self.config, device=device_facts())
        checked, notices = check_before_training(
            trainer, trainer.remembered.rows, needs, self.directory.checkpoints_dir
        )
        self.log.write(checked)
        for said in notices:
            self.log.notice(said)

    def _check_surroundings(self) -> None:
        """See that the packages for task and tracker are there, and say which GPU is used where there are several."""
        from tui_finetune.models.tasks import check_task
        from tui_finetune.training.inputs import check_tracker
        from tui_finetune.training.optimizers import check_optimizer

        check_task(self.config)
        check_tracker(self.config.report_to)
        notify_arguments(self.config.notify_command)
        check_optimizer(self.config.optim)
        if (choice := gpu_choice()) and not self.ranks.are_several:
            self.log.notice(Notice("info", choice, "set CUDA_VISIBLE_DEVICES to use another"))

    def _fit(self, inputs: Inputs, checkpoint: Path | None) -> tuple[RunResult, TrainerState]:
        """Train, from the checkpoint if there is one; how it ended, and Trainer's state."""
        from tui_finetune.training.resources import watch_resources

        with self.ranks.together():
            trainer, callback = self._ready(inputs, checkpoint)
        self.log.write(FactsEvent(run_facts(inputs, self.config)))
        self._began = True
        began = time.monotonic()
        with watch_resources(self.log) if self.ranks.is_first else nullcontext():
            output = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        state = trainer.state
        took_steps = state.global_step > (checkpoints.step_of(checkpoint) if checkpoint else 0)
        result = RunResult(
            "stopped" if callback.stopping else "finished",
            step=state.global_step,
            total_steps=state.max_steps,
            seconds=round(time.monotonic() - began, 2),
            train_loss=output.training_loss if took_steps else None,
            early_stopped=not callback.stopping and state.global_step < state.max_steps,
            data_format=inputs.data_format,
        )
        return result, state

    def _ready(self, inputs: Inputs, checkpoint: Path | None) -> tuple[RunTrainer, RunCallback]:
        """A Trainer that is ready to begin, checked where that is wanted, and the callback that obeys what is asked."""
        from tui_finetune.training.build import build_trainer

        facts = inputs.facts(self.config)
        if checkpoint is not None:
            check_fingerprint(facts, dict(checkpoints.read_manifest(checkpoint).facts))
        if self.resuming and self.ranks.is_first:
            self._write_config()
        build = partial(build_trainer, inputs, run=self.directory, log=self.log, facts=facts, ranks=self.ranks)
        trainer, callback = build(self.config, checkpoint=checkpoint, keep_lock=self._keep_lock)
        # Several would have to try it together; what doesn't fit fails in their first step.
        while self.config.check_before_training and not self.ranks.are_several and not self._passes(trainer):
            trainer, callback = build(self.config, checkpoint=checkpoint, keep_lock=self._keep_lock)
        return trainer, callback

    def _end(self, result: RunResult) -> RunResult:
        result = replace(result, began=self._began)
        if self._taken_over or not self.ranks.is_first:
            return result  # the log is another process's
        if self._began and result.verdict is None:
            result = judged(result, self.directory, self.config)
        if self.log.lost:
            message = f"{self.log.lost:,} events of this run could not be written, so its curves have gaps."
            self.log.notice(Notice("warning", message, "check the disk that the run's directory is on"))
        self.log.write(StatusEvent.ending(result))
        run_notify_command(self.config.notify_command, self.directory, result)
        return result
