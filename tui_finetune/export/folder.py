"""What a run leaves: the final model and tokenizer, the plot and the model card."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.resolve import MODEL_SETTINGS_FILE
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Notice
from tui_finetune.export.model_card import Made, write_model_card
from tui_finetune.export.plot import draw_losses
from tui_finetune.models.methods.peft_models import as_adapted, load_adapter, plain, save_adapter
from tui_finetune.runs import places
from tui_finetune.runs.state import RunState
from tui_finetune.system.files import PRIVATE_DIRECTORY, sync_directory, sync_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.adapters import BaseModel

PLOT = "training_plot.png"
CARD = "README.md"


def load_weights(model: PreTrainedModel, checkpoint: Path) -> None:
    """Put a checkpoint's weights into the model, or into its adapter."""
    from safetensors.torch import load_file

    adapted = as_adapted(model)
    if adapted is not None:
        load_adapter(adapted, checkpoint)
        return
    files = sorted(checkpoint.glob("model*.safetensors"))
    weights = {name: tensor for file in files for name, tensor in load_file(file).items()}
    # Tied weights are in the file once, so some names are missing; no name may be unknown.
    unexpected = model.load_state_dict(weights, strict=False).unexpected_keys
    if unexpected:
        raise RuntimeError(f"{checkpoint.name} has weights that the model has not: {unexpected[:3]}")


DTYPES = {"F32": "fp32", "BF16": "bf16", "F16": "fp16"}
"""Number formats of safetensors, as the setting calls them."""


def in_save_dtype(model: PreTrainedModel, wanted: str, base: str | None) -> Notice | None:
    """Put a model's weights into the number format that they are saved in.

    Args:
        model: is changed; where a weight does not fit into the format, all stay as they are.
        wanted: the setting `save_dtype`.
        base: the number format of the model it was made from, as safetensors names it.

    Returns:
        What has to be said, if anything.
    """
    import torch

    if wanted == "auto":
        # An adapter is small; what half its size would lose is worth more.
        wanted = "fp32" if as_adapted(model) is not None else DTYPES.get(base or "", "fp32")
    name = wanted
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
    if dtype == torch.float16:
        largest = torch.finfo(dtype).max
        if any(bool((weights.abs() > largest).any()) for weights in model.parameters()):
            message = "A weight is too large for fp16, so the final model is saved in fp32."
            return Notice("warning", message, "set save_dtype: bf16 for a smaller one", "save_dtype")
    if as_adapted(model) is not None:
        for weights in model.parameters():
            if weights.requires_grad:
                weights.data = weights.data.to(dtype)
        return None
    torch.nn.Module.to(model, dtype)
    return None


def export(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    final_dir: Path,
    *,
    base_model: Path | None,
    adapter_base: BaseModel | None = None,
    run_name: str,
    config: RunConfig,
    state: RunState,
    made: Made,
    run_id: str = "",
) -> None:
    """Write the final folder beside its place, then put it there, so that it is whole or not there.

    Args:
        model, tokenizer: what is saved.
        final_dir: where it goes; what an earlier start of this run left there is replaced.
        base_model: the folder of the model that training began from, for the settings that suit it.
        adapter_base: the model that the adapter belongs to, where the model has one, which alone is written then.
        run_id: the run that it is of, which the folder says.
        run_name, config, state, made: for the plot and the model card.
    """
    final_dir.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{final_dir.name}-", dir=final_dir.parent))
    try:
        places.sign(draft, run_id, finished=False)
        # Training needs no cache; who loads the model does.
        model.config.use_cache = True
        _save_model(model, draft, adapter_base)
        tokenizer.save_pretrained(draft)
        clean_tokenizer(draft / "tokenizer_config.json")
        if base_model is not None and (base_model / MODEL_SETTINGS_FILE).is_file():
            shutil.copyfile(base_model / MODEL_SETTINGS_FILE, draft / MODEL_SETTINGS_FILE)
        draw_losses(state, draft / PLOT, run_name)
        write_model_card(draft / CARD, run_name, config, state, made)
        places.sign(draft, run_id)
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


def _save_model(model: PreTrainedModel, draft: Path, adapter_base: BaseModel | None) -> None:
    adapted = as_adapted(model)
    if adapted is None or adapter_base is None:
        model.save_pretrained(draft)
        return
    save_adapter(adapted, draft, adapter_base)
    if (generation := plain(model).generation_config) is not None:
        generation.save_pretrained(draft)


_OF_LOADING = ("local_files_only", "is_local", "trust_remote_code", "name_or_path", "token", "_commit_hash")
"""How a tokenizer was loaded, which transformers writes into its configuration, and which is nobody else's business."""


def clean_tokenizer(tokenizer_config: Path) -> None:
    """Take out of a tokenizer's configuration how it was loaded here."""
    content = json.loads(tokenizer_config.read_bytes())
    kept = {key: value for key, value in content.items() if key not in _OF_LOADING}
    if kept != content:
        tokenizer_config.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _replace(draft: Path, final_dir: Path) -> None:
    old = final_dir.with_name(f".{final_dir.name}-before")
    if final_dir.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(final_dir, old)
    os.rename(draft, final_dir)
    if old.exists():
        places.keep_others(old, final_dir)
    shutil.rmtree(old, ignore_errors=True)
