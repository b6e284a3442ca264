"""The end of a run: the final model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tui_finetune.config.flags import resume_command
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.export.folder import CARD, PLOT, export, in_save_dtype, load_weights
from tui_finetune.export.model_card import Made
from tui_finetune.models.methods.choose import method_of
from tui_finetune.models.methods.peft_models import public_name
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.summary import load_state
from tui_finetune.training.inputs import Inputs
from tui_finetune.training.judging import judged

if TYPE_CHECKING:
    from transformers import TrainerState


def write_final_model(
    inputs: Inputs, config: RunConfig, run: RunDirectory, log: EventLog, state: TrainerState, result: RunResult
) -> RunResult:
    """Write the final folder: the best checkpoint's weights where one was evaluated, else the newest.

    Args:
        inputs: the model, trained.
        config: the run's settings.
        run: its directory.
        log: its event log.
        state: Trainer's, at the end.
        result: how the training ended.

    Returns:
        The result, with what was saved where.

    Raises:
        UserError: it can't be written.
    """
    final_dir, model = run.final_place(config), inputs.model
    told = load_state(run)
    result = replace(result, loss_before=told.loss_before)
    saved = {checkpoints.step_of(path): path for path in checkpoints.committed(run.checkpoints_dir)}
    final_step, best = state.global_step, state.best_global_step
    if best is not None and best in saved and best != state.global_step:
        checkpoints.verify(saved[best])
        load_weights(model, saved[best])
        final_step = best
    if saved:
        newest = max(saved)
        result = replace(result, checkpoint=f"checkpoints/{saved[newest].name}", checkpoint_step=newest)
    result = replace(result, final_dir=str(final_dir), final_step=final_step)
    if state.best_metric is not None:
        result = replace(result, eval_loss=state.best_metric, best_step=best)
    result = judged(result, run, config)
    if (notice := in_save_dtype(model, config.save_dtype, inputs.located.facts().dtype)) is not None:
        log.notice(notice)
    try:
        export(
            model,
            inputs.tokenizer,
            final_dir,
            base_model=inputs.located.folder,
            adapter_base=inputs.base,
            run_name=run.name,
            run_id=run.id,
            config=config,
            state=told,
            made=_made(inputs, config, result),
        )
    except OSError as error:
        raise UserError(
            f"the final model could not be written: {error.strerror or error}",
            f"the checkpoints are safe; free some space, then `{resume_command(run.name)}`",
        ) from error
    return replace(result, plot=str(final_dir / PLOT), card=str(final_dir / CARD))


def _made(inputs: Inputs, config: RunConfig, result: RunResult) -> Made:
    """What the model card tells of the final model."""
    generation, tokenizer = inputs.model.generation_config, inputs.tokenizer
    ends = generation.eos_token_id if generation is not None else None
    end = ends[-1] if isinstance(ends, list) and ends else ends if isinstance(ends, int) else tokenizer.eos_token_id
    method, adapter = method_of(config), inputs.base is not None
    weights = next((weights for weights in inputs.model.parameters() if weights.requires_grad), None)
    dtype = weights.dtype if adapter and weights is not None else inputs.model.dtype
    packed = f", on the model packed as {method.quantization}" if method.quantization != "none" else ""
    whole = method.name == "full" and config.unfrozen_layers == "all"
    words = "full fine-tuning: all weights" if whole else method.words(inputs.located.facts()) + packed
    return Made(
        result,
        inputs.located.facts().license,
        chat=bool(tokenizer.chat_template) and result.data_format != "text",
        stop="" if end is None else str(tokenizer.convert_ids_to_tokens(end)),
        dtype=str(dtype).removeprefix("torch."),
        documents=inputs.data.statistics.documents,
        tokens=inputs.data.statistics.tokens,
        prompt=inputs.first_words() if result.data_format == "text" else "Once upon a time",
        method=words,
        adapter=adapter,
        base=public_name(inputs.located) if adapter else "",
    )
