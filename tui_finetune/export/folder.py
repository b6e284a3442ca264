"""What a run leaves: the final model and tokenizer, the plot and the model card."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tui_finetune.config.resolve import MODEL_SETTINGS_FILE
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.export.model_card import write_model_card
from tui_finetune.export.plot import draw_losses
from tui_finetune.runs.state import RunState
from tui_finetune.system.files import PRIVATE_DIRECTORY, sync_directory, sync_file

PLOT = "training_plot.png"
CARD = "README.md"


def check_final_dir(final_dir: Path, run_path: Path) -> None:
    """Refuse a place for the final model where something else is; raises UserError."""
    if final_dir.is_relative_to(run_path) or not final_dir.exists():
        return
    if not final_dir.is_dir() or any(final_dir.iterdir()):
        raise UserError(
            f"final_model_dir {final_dir} is there already and not empty",
            "choose another place; nothing that is saved is overwritten",
            setting="final_model_dir",
        )


def load_weights(model: Any, checkpoint: Path) -> None:
    """Put a checkpoint's weights into the model."""
    from safetensors.torch import load_file

    files = sorted(checkpoint.glob("model*.safetensors"))
    weights = {name: tensor for file in files for name, tensor in load_file(file).items()}
    # Tied weights are in the file once, so some names are missing; no name may be unknown.
    unexpected = model.load_state_dict(weights, strict=False).unexpected_keys
    if unexpected:
        raise RuntimeError(f"{checkpoint.name} has weights that the model has not: {unexpected[:3]}")


def export(
    model: Any,
    tokenizer: Any,
    final_dir: Path,
    *,
    base_model: Path | None,
    run_name: str,
    config: RunConfig,
    state: RunState,
    facts: dict[str, Any],
    license: str | None = None,
) -> None:
    """Write the final folder beside its place, then put it there, so that it is whole or not there.

    Args:
        model, tokenizer: what is saved.
        final_dir: where it goes; what an earlier start of this run left there is replaced.
        base_model: the folder of the model that training began from, for the settings that suit it.
        run_name, config, state, facts, license: for the plot and the model card.
    """
    final_dir.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{final_dir.name}-", dir=final_dir.parent))
    try:
        model.save_pretrained(draft, safe_serialization=True)
        tokenizer.save_pretrained(draft)
        if base_model is not None and (base_model / MODEL_SETTINGS_FILE).is_file():
            shutil.copyfile(base_model / MODEL_SETTINGS_FILE, draft / MODEL_SETTINGS_FILE)
        draw_losses(state, draft / PLOT, run_name)
        write_model_card(draft / CARD, run_name, config, state, facts=facts, license=license)
        for path in draft.rglob("*"):
            if path.is_file():
                path.chmod(0o600)
                sync_file(path)
        sync_directory(draft)
        _replace(draft, final_dir)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_directory(final_dir.parent)


def _replace(draft: Path, final_dir: Path) -> None:
    old = final_dir.with_name(f".{final_dir.name}-before")
    if final_dir.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(final_dir, old)
    os.rename(draft, final_dir)
    shutil.rmtree(old, ignore_errors=True)
