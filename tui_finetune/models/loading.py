"""Models and tokenizers, loaded so that what can't be trained is refused early and in plain words.

Weights come from safetensors only and no program code of a model is ever run. transformers is imported inside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Cancelled, Notice, UserError
from tui_finetune.models.checks import checked_config
from tui_finetune.models.devices import best_device
from tui_finetune.models.download import TOKENIZER_FILES
from tui_finetune.models.facts import read_json, row_length
from tui_finetune.models.layers import CONTEXT, first_number
from tui_finetune.models.located import SETTING, LocatedModel, with_weights
from tui_finetune.models.weights import read_weights
from tui_finetune.system.libraries import quiet
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.devices import Precision


_ANOTHER = "choose a causal language model, such as 'starter', 'distilgpt2' or 'Qwen/Qwen3-0.6B'"


def _refuse(message: str, remedy: str) -> UserError:
    return UserError(message, remedy, setting=SETTING)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


def check_trainable(model: LocatedModel) -> None:
    """Refuse, before anything is loaded, a model that can't be fine-tuned here.

    Raises:
        UserError: an encoder, quantized weights, an architecture that is not known or brings its own code.
    """
    name, raw = model.name, read_json(model.folder / "config.json")
    if not raw:
        raise _refuse(f"{model.folder / 'config.json'} can't be read", "copy or download the model again")
    facts = model.facts()
    what = facts.architecture or facts.model_type or "its architecture"
    if not facts.is_causal_lm:
        raise _refuse(f"{name} ({what}) does not write text from left to right", _ANOTHER)
    if facts.quantized:
        raise _refuse(f"the weights of {name} are quantized and can't be trained", "take the model it was made from")
    if raw.get("transformers_weights"):
        raise _refuse(f"{name} keeps its weights in a file with an unusual name", "save it again with save_pretrained")

    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if facts.model_type not in CONFIG_MAPPING_NAMES:
        if raw.get("auto_map"):
            raise _refuse(f"{name} brings program code of its own, which is not run", _ANOTHER)
        raise _refuse(
            f"{name} is of a kind that this version of transformers does not know ('{facts.model_type}')",
            "a newer transformers may know it: pip install --upgrade transformers",
        )
    if facts.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise _refuse(f"{name} ({what}) is not a language model", _ANOTHER)


def load_tokenizer(model: LocatedModel) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, with a padding token.

    Where it has none, its end-of-text token pads, else its unknown token, else its first: no token is added, so the
    embeddings keep their size. That loses nothing, because labels are masked by position and not by token.

    Raises:
        UserError: it has none, or one that can't be read.
    """
    from transformers import AutoTokenizer

    name = model.name
    # An adapter's folder may be without one, as others write it; then its model's is meant.
    folders = [model.own_folder, model.folder]
    folder = next((folder for folder in folders if _has_tokenizer(folder)), None)
    if folder is None:
        raise _refuse(
            f"{name} has no tokenizer (no tokenizer.json)",
            "copy the tokenizer's files of its base model into the folder",
        )
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of the tokenizer's library is no Exception
        if "trust_remote_code" in str(error):
            raise _refuse(
                f"the tokenizer of {name} brings program code of its own, which is not run", _ANOTHER
            ) from error
        raise _refuse(
            f"the tokenizer of {name} can't be read: {_first_line(error)}", "copy or download the model again"
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = (
            tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)  # some token of its own
        )
    return tokenizer


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / file).is_file() for file in TOKENIZER_FILES)


def tokenizer_notices(tokenizer: PreTrainedTokenizerBase) -> list[Notice]:
    """What one should know about a tokenizer before training with it."""
    if tokenizer.eos_token_id is None:
        return [
            Notice(
                "warning",
                "The tokenizer has no end-of-text token: the model can't learn when to stop.",
                "set eos_token in its tokenizer_config.json, or choose another model",
            )
        ]
    return []


def embedding_weights(model: PreTrainedModel) -> Tensor:
    """The weights of the input embedding, of shape (tokens, hidden size)."""
    weights: Tensor = model.get_input_embeddings().weight  # type: ignore[assignment] # of a module that has them
    return weights


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Raises UserError where the tokenizer makes tokens that the model has no embedding for."""
    rows = embedding_weights(model).shape[0]
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= rows:
        raise _refuse(
            f"the tokenizer's tokens go up to {highest:,}, but the model has only {rows:,} embeddings",
            "use the tokenizer that belongs to this model",
        )


def load_model(
    model: LocatedModel,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    gradient_checkpointing: bool | None = False,
    dtype: Precision = "fp32",
    attention: str | None = None,
    quantization: BitsAndBytesConfig | None = None,
    report: Report | None = None,
) -> PreTrainedModel:
    """A causal language model on the CPU, every weight of it from its files; of an adapter, the model it belongs to.

    Args:
        model: which one; its weights are downloaded where they are missing.
        tokenizer: checked against the model's vocabulary.
        gradient_checkpointing: turn it on.
        dtype: the number format of its weights; fp32 where they are to be trained.
        attention: how it attends, as transformers names it; None for its own choice.
        quantization: pack its linear layers, on the device that is used, where it stays.
        report: progress, in bytes while it is downloaded, then in weights; may raise Cancelled.

    Raises:
        UserError: it can't be had or can't be trained.
    """
    check_trainable(model)  # before its weights are downloaded
    model = with_weights(model, report)
    read_weights(model.folder)
    loaded = _from_files(model, report, dtype, quantization, attention)
    loaded.config._name_or_path = model.base.name
    if tokenizer is not None:
        check_vocabulary(tokenizer, loaded)
    if gradient_checkpointing:
        turn_on_checkpointing(loaded, model.name)
    return loaded


def _from_files(
    model: LocatedModel,
    report: Report | None,
    dtype: Precision,
    quantization: BitsAndBytesConfig | None,
    attention: str | None,
) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForCausalLM

    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "pure_bf16": torch.bfloat16}
    packed: dict[str, Any] = {}
    if quantization is not None:
        packed = {"quantization_config": quantization, "device_map": {"": best_device()}}
    try:
        with quiet(report):
            # With output_loading_info it is a pair, which the types of transformers don't tell.
            pair: Any = AutoModelForCausalLM.from_pretrained(
                str(model.folder),
                dtype=formats[dtype],
                attn_implementation=attention,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **packed,
            )
        loaded, loading = pair
    except (Cancelled, UserError, MemoryError):
        raise
    except Exception as error:
        raise _refuse(
            f"{model.name} can't be loaded: {_first_line(error)}", "copy or download the model again, or choose another"
        ) from error
    if missing := sorted(loading["missing_keys"]):
        raise _refuse(
            f"{len(missing)} weights are missing from the files of {model.name}, such as {missing[0]}",
            "it may have been saved for another task; choose a model saved as a causal language model",
        )
    found: PreTrainedModel = loaded
    return found


def turn_on_checkpointing(model: PreTrainedModel, name: str) -> None:
    """Recompute activations in the backward pass.

    Raises:
        UserError: the model can't.
    """
    if not model.supports_gradient_checkpointing:
        raise UserError(
            f"{name} can't compute with gradient checkpointing",
            "set gradient_checkpointing: false",
            setting="gradient_checkpointing",
        )
    options = {"use_reentrant": False}
    # transformers 5.24 has renamed it, and warns about the name of before.
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


def context_length(model_config: PreTrainedConfig) -> int | None:
    """The tokens that a model can see at once, from its transformers configuration; None where it has no limit."""
    return first_number(model_config.to_dict(), CONTEXT)


def load_config(model: LocatedModel) -> PreTrainedConfig:
    """A model's configuration, as transformers understands it; raises UserError where it doesn't."""
    from transformers import AutoConfig

    checked_config(model.folder / "config.json")
    try:
        with quiet():
            found: PreTrainedConfig = AutoConfig.from_pretrained(str(model.folder), local_files_only=True)
    except Exception as error:
        raise _refuse(
            f"{model.folder / 'config.json'} can't be used: {_first_line(error)}",
            "copy or download the model again, or choose another",
        ) from error
    return found


def resolve_max_length(config: RunConfig, model: LocatedModel) -> int:
    """The tokens in a training row: the setting, or the model's limit, at most 1024.

    Raises:
        UserError: the setting is beyond the model's limit.
    """
    # Its own defaults count too, where config.json leaves something out.
    limit = context_length(load_config(model))
    if config.max_length is not None and limit is not None and config.max_length > limit:
        raise UserError(
            f"max_length is {config.max_length}, but {config.model_name_or_path} sees at most {limit} tokens",
            f"set max_length to {limit} or less",
            setting="max_length",
        )
    return row_length(config.max_length, limit)
