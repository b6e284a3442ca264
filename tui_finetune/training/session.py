"""A training from the first look at the data to the final model. Reads from top to bottom in `TrainingSession._train`."""

from __future__ import annotations

import gc
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from tui_finetune.config.presets import PRESETS
from tui_finetune.config.resolve import Resolved
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Cancelled, Notice, UserError
from tui_finetune.runs import checkpoints, registry
from tui_finetune.runs.control import drop, left, take, waiting
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import PHASE_LABELS, Phase, PhaseEvent, StatusEvent
from tui_finetune.runs.lock import RunLock
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.result import Remedy, RunResult
from tui_finetune.runs.summary import load_state
from tui_finetune.system.environment import gpu_choice
from tui_finetune.system.libraries import library_log, quiet_libraries
from tui_finetune.training.changes import changed_config, determining
from tui_finetune.training.failures import explain
from tui_finetune.training.memory_remedies import memory_remedies
from tui_finetune.training.paths import rooted
from tui_finetune.training.resume import checkpoint_to_go_on_from, clear_the_way

CANCEL_POLL_SECONDS = 0.2
MAX_PROMPT_TOKENS = 256
"""The longest question that a sample begins with by itself."""


class TrainingSession:
    """Trains one run, in whatever thread `run` is called; all it has to tell goes to the event log.

    Args:
        resolved: the configuration, with or without where its values come from.
        run: its directory, made already.
        go_on: go on from the newest checkpoint that is sound.
    """

    def __init__(self, resolved: Resolved | RunConfig, run: RunDirectory, *, go_on: bool = False) -> None:
        self.resolved = resolved if isinstance(resolved, Resolved) else Resolved(resolved)
        self.config = rooted(self.resolved.config).model_copy(update={"output_dir": str(run.path)})
        self.directory = run
        self.go_on = go_on
        self.log: EventLog
        self._began = False
        self._cancel_checked = 0.0
        self.changes: dict[str, Any] = {}
        self._left_before = left(run.control_dir)

    @classmethod
    def resume(cls, run: RunDirectory, changes: Mapping[str, Any] | None = None) -> TrainingSession:
        """The session that goes on with a run.

        Args:
            run: the run, wherever its directory is now.
            changes: settings that are to be others than before, as num_train_epochs to extend it.

        Raises:
            UserError: its configuration can't be read, a change would make another run of it, or nothing is left to do.
        """
        session = cls(changed_config(run, changes or {}), run, go_on=True)
        session.changes = dict(changes or {})
        return session

    def run(self) -> RunResult:
        """Train to the end, or until a stop is asked for.

        Raises:
            UserError: only if the run is being trained already or can't be written to; every other failure becomes a
                result.
        """
        self.directory.refuse_links()
        for path in (self.directory.path, self.directory.checkpoints_dir):
            if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
                raise UserError(f"{path} can't be written to", "check the permissions of the run's directory")
        with RunLock(self.directory.lock_path):
            self.log = EventLog(self.directory.events_path)
            try:
                with library_log(self.directory.log_path):
                    return self._end(self._run())
            finally:
                self.log.close()

    def _run(self) -> RunResult:
        remedies: list[Remedy] = []
        result = RunResult("failed")
        try:
            # Requests to an earlier start mean nothing to this one; what is asked from now on does.
            drop(self.directory.control_dir, self._left_before)
            checkpoint = checkpoint_to_go_on_from(self.directory, self.config, self.log) if self.go_on else None
            self._tell_start(checkpoint)
            return self._train(checkpoint)
        except Cancelled:
            return RunResult("stopped", "stopped before the first step; there is nothing to save")
        except UserError as error:
            return result.failed(error)
        except Exception as error:
            logging.getLogger(__name__).error("%s", traceback.format_exc())
            remedies = memory_remedies(error, self.config)
            return result.failed(explain(error, self.directory, remedies), tuple(remedies))
        finally:
            if remedies:
                # Trainer and its callbacks know each other: without this the memory would not be free for the next try.
                gc.collect()

    def _end(self, result: RunResult) -> RunResult:
        result = replace(result, began=self._began)
        if self.log.lost:
            self.log.notice(
                Notice(
                    "warning",
                    f"{self.log.lost:,} events of this run could not be written, so its curves have gaps.",
                    "look after the disk that the run's directory is on",
                )
            )
        self.log.write(StatusEvent.ending(result))
        return result

    # The phases

    @contextmanager
    def _phase(self, phase: Phase, label: str = "") -> Iterator[Callable[[int, int | None, str], None]]:
        """Tell that a phase begins; gives the callback for its progress, which raises Cancelled on a stop."""
        self.log.write(PhaseEvent(phase, label or PHASE_LABELS[phase]))
        self._raise_if_stopped(force=True)

        def report(done: int, total: int | None, unit: str) -> None:
            self.log.progress(phase, done, total, unit)
            self._raise_if_stopped()

        yield report

    def _raise_if_stopped(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._cancel_checked >= CANCEL_POLL_SECONDS:
            self._cancel_checked = now
            if waiting(self.directory.control_dir, "stop"):
                answers = tuple(request.id for request in take(self.directory.control_dir))
                self.log.write(StatusEvent("stopping", answers=answers))
                raise Cancelled

    def _tell_start(self, checkpoint: Path | None) -> None:
        resumed_from = (checkpoints.step_of(checkpoint) if checkpoint else 0) if self.go_on else None
        if not self.go_on:
            self._note_config(self.config)
        model, dataset = self.config.model_name_or_path, self.config.dataset_name
        self.log.write(StatusEvent("starting", resumed_from=resumed_from, model=model, dataset=dataset))
        registry.note(self.directory)
        if self.changes:
            words = ", ".join(f"{key} {value}" for key, value in self.changes.items())
            self.log.notice(Notice("info", f"Resuming with {words}."))
        for weakness in PRESETS[self.resolved.preset].weaknesses:
            self.log.notice(weakness)
        clear_the_way(self.directory, checkpoint)

    def _note_config(self, config: RunConfig) -> None:
        """Write config.yaml. Without output_dir, so that training from it again makes a run of its own."""
        self.directory.write_config(config.model_copy(update={"output_dir": None}))

    def _train(self, checkpoint: Path | None) -> RunResult:
        """All of it: data, model, training, final model."""
        config = self.config
        with self._phase("checking", "Getting ready"):
            # The heavy imports: five seconds or so. The plan may be importing them too.
            from tui_finetune.system.libraries import import_libraries

            import_libraries("torch", "transformers", "datasets", "transformers.trainer")
            from tui_finetune.data.open import open_dataset
            from tui_finetune.data.prepare import prepare
            from tui_finetune.export.folder import check_final_dir
            from tui_finetune.models.devices import best_device, device_facts, resolve_precision
            from tui_finetune.models.loading import (
                check_trainable,
                load_model,
                load_tokenizer,
                resolve_max_length,
                tokenizer_notices,
            )
            from tui_finetune.models.located import locate
            from tui_finetune.training.packing.attention import attention_by_document
            from tui_finetune.training.packing.check import keeps_documents_apart

            quiet_libraries()
            if choice := gpu_choice():
                self.log.notice(Notice("info", choice, "set CUDA_VISIBLE_DEVICES to use another"))
            final_dir = Path(config.final_model_dir) if config.final_model_dir else self.directory.path / "final"
            if not self.go_on:
                check_final_dir(final_dir, self.directory.path)
            _check_tracker(config.report_to)
        with self._phase("loading_model", "Looking at the model") as report:
            located = locate(config.model_name_or_path, config.model_revision, weights=False, report=report)
            check_trainable(located)
            max_length = resolve_max_length(config, located)
            tokenizer = load_tokenizer(located)
            # A run that is gone on with has it already.
            resolved = {"max_length": max_length, "model_revision": located.revision}
            self.config = config = config.model_copy(update=resolved)
            self.located = located
            if not self.go_on:
                self._note_config(config)
        with self._phase("loading_data", f"Reading {config.dataset_name}") as report:
            source = open_dataset(config, report)
        with self._phase("preparing_data") as report:
            data = prepare(source, config, tokenizer, max_length, report)
        with self._phase("loading_model") as report:
            model = load_model(
                located,
                tokenizer=tokenizer,
                gradient_checkpointing=config.gradient_checkpointing,
                report=report,
            )
        notices = [*tokenizer_notices(tokenizer), *data.notices]
        attention: Callable[[], AbstractContextManager[None]] = nullcontext
        if data.packed:
            with self._phase("checking", "Checking that packed texts stay apart"):
                vocabulary = model.config.get_text_config().vocab_size
                apart = keeps_documents_apart(model, vocabulary)
                # Elsewhere many small computations are no faster than one large one.
                if apart and best_device() == "cpu":
                    with attention_by_document():
                        if keeps_documents_apart(model, vocabulary):
                            attention = attention_by_document
            if not apart:
                notices.append(
                    ("This model can't keep packed texts apart, so rows are padded instead.", "set packing: false")
                )
                with self._phase("preparing_data") as report:
                    unpacked = config.model_copy(update={"packing": False})
                    data = prepare(source, unpacked, tokenizer, max_length, report)
        _keep_template(model, tokenizer, data)
        precision, notice = resolve_precision(config.precision, device_facts())
        for said in [*notices, *([notice] if notice else [])]:
            self.log.notice(said if isinstance(said, Notice) else Notice("warning", *said))
        with attention():
            return self._fit(model, tokenizer, data, precision, checkpoint, final_dir)

    def _fit(
        self, model: Any, tokenizer: Any, data: Any, precision: str, checkpoint: Path | None, final_dir: Path
    ) -> RunResult:
        from transformers import EarlyStoppingCallback

        from tui_finetune.training.arguments import training_arguments
        from tui_finetune.training.callback import RunCallback
        from tui_finetune.training.fingerprint import check_fingerprint, data_fingerprint, weights_fingerprint
        from tui_finetune.training.resources import watch_resources
        from tui_finetune.training.trainer import RunTrainer

        config = self.config
        facts = {
            "data": data_fingerprint(data.train),
            "dataset": config.dataset_name,
            "rows": len(data.train),
            "model": config.model_name_or_path,
            "model_revision": self.located.revision,
            "weights": weights_fingerprint(model),
            "settings": determining(config),
            "data_format": data.format.name if data.format else "",
        }
        if checkpoint is not None:
            check_fingerprint(facts, dict(checkpoints.read_manifest(checkpoint).facts))
        if self.go_on:
            self._note_config(config)
        evaluates = data.evaluation is not None and len(data.evaluation) > 0
        arguments = training_arguments(config, self.directory.checkpoints_dir, precision=precision, evaluates=evaluates)
        trainer = RunTrainer(
            model=model,
            args=arguments,
            train_dataset=data.train,
            eval_dataset=data.evaluation if evaluates else None,
            data_collator=data.collator,
            processing_class=tokenizer,
            event_log=self.log,
            facts=facts,
            keep_newest=config.save_total_limit,
            patience=config.early_stopping_patience,
            eval_average=config.eval_loss_average,
            lengths=data.lengths,
        )
        from transformers.trainer_callback import PrinterCallback

        trainer.remove_callback(PrinterCallback)
        callback = RunCallback(self.directory, self.log, trainer, checkpoint, _first_words(tokenizer, data))
        trainer.add_callback(callback)
        if arguments.metric_for_best_model and config.early_stopping_patience > 0:
            trainer.add_callback(EarlyStoppingCallback(config.early_stopping_patience))
        self._began = True
        began = time.monotonic()
        with watch_resources(self.log):
            result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        state = trainer.state
        took_steps = state.global_step > (checkpoints.step_of(checkpoint) if checkpoint else 0)
        ended = RunResult(
            "stopped" if callback.stopping else "finished",
            step=state.global_step,
            total_steps=state.max_steps,
            seconds=round(time.monotonic() - began, 2),
            train_loss=result.training_loss if took_steps else None,
            early_stopped=not callback.stopping and state.global_step < state.max_steps,
            data_format=data.format.name if data.format else "",
        )
        return self._finish(trainer, tokenizer, final_dir, ended)

    def _finish(self, trainer: Any, tokenizer: Any, final_dir: Path, result: RunResult) -> RunResult:
        """Write the final folder: the best checkpoint's weights where one was evaluated, else the newest."""
        from tui_finetune.export.folder import CARD, PLOT, export, load_weights

        self.log.write(PhaseEvent("finishing", "Writing the final model"))
        state = trainer.state
        folder = self.directory.checkpoints_dir
        saved = {checkpoints.step_of(path): path for path in checkpoints.committed(folder)}
        final_step, best = state.global_step, state.best_global_step
        if best in saved and best != state.global_step:
            checkpoints.verify(saved[best])
            load_weights(trainer.model, saved[best])
            final_step = best
        if saved:
            newest = max(saved)
            result = replace(result, checkpoint=f"checkpoints/{saved[newest].name}", checkpoint_step=newest)
        result = replace(result, final_dir=str(final_dir), final_step=final_step)
        if state.best_metric is not None:
            result = replace(result, eval_loss=state.best_metric, best_step=best)
        config = self.config
        try:
            export(
                trainer.model,
                tokenizer,
                final_dir,
                base_model=self.located.folder,
                run_name=self.directory.name,
                config=config,
                state=load_state(self.directory),
                facts=result.to_fields(),
                license=self.located.facts().license,
            )
        except OSError as error:
            raise UserError(
                f"the final model could not be written: {error.strerror or error}",
                f"the checkpoints are safe; free some space, then `finetune-tui resume {self.directory.name}`",
            ) from error
        return replace(result, plot=str(final_dir / PLOT), card=str(final_dir / CARD))


def _keep_template(model: Any, tokenizer: Any, data: Any) -> None:
    """See to it that what is saved talks as it was taught: by the same chat template, and ending where a turn ends."""
    if data.chat_template is not None:
        tokenizer.chat_template = data.chat_template
    generation = getattr(model, "generation_config", None)
    if data.end_token is None or generation is None:
        return
    ends = generation.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    if data.end_token not in {*ends, tokenizer.eos_token_id}:
        generation.eos_token_id = [*ends, data.end_token]


def _first_words(tokenizer: Any, data: Any) -> str:
    """What a sample begins with where nobody says, of a row that is not trained on if there is one: the part of it that is
    not learned, as a question; its first words where all of it is."""
    rows = data.evaluation if data.evaluation is not None and len(data.evaluation) else data.train
    labels = list(rows[0].get("labels", []))
    given = next((place for place, label in enumerate(labels) if label != -100), 0)
    if 1 < given <= MAX_PROMPT_TOKENS:
        ids = list(rows[0]["input_ids"][:given])
        # The token that the tokenizer puts before every text would be there twice.
        return str(tokenizer.decode(ids[1:] if ids[0] == tokenizer("a")["input_ids"][0] else ids))
    text = tokenizer.decode(rows[0]["input_ids"][:12], skip_special_tokens=True)
    words = text.split()[:4]
    return " ".join(words) or "The"


def _check_tracker(name: str) -> None:
    from importlib.util import find_spec

    if name != "none" and find_spec(name) is None:
        raise UserError(
            f"report_to is {name}, but the package {name} is not installed",
            f"pip install {name}, or set report_to: none",
            setting="report_to",
        )
