"""Models and tokenizers, loaded so that what can't be trained is refused early and in plain words.

Weights come from safetensors only and no program code of a model is ever run. transformers is imported inside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.models.catalog import resolve_model
from tui_finetune.models.facts import CONTEXT, facts_from, first_number, read_json
from tui_finetune.models.hub import fetch, is_whole
from tui_finetune.models.weights import read_weights
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


SETTING = "model_name_or_path"
DEFAULT_MAX_LENGTH = 1024
"""Tokens in a row where neither the configuration nor the model's limit says less."""

_ANOTHER = "choose a causal language model, as 'starter', 'distilgpt2' or 'Qwen/Qwen3-0.6B'"
_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip


def _refuse(message: str, remedy: str) -> UserError:
    return UserError(message, remedy, setting=SETTING)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


def model_folder(name: str, *, weights: bool = True, report: Report | None = None) -> Path:
    """The folder of a model, downloaded where it is on the hub.

    Raises:
        UserError: there is none, it can't be downloaded, or it has no config.json.
    """
    resolved = resolve_model(name)
    folder = Path(resolved) if Path(resolved).is_dir() else fetch(resolved, weights=weights, report=report)
    if (folder / "config.json").is_file():
        return folder
    if (folder / "final" / "config.json").is_file():
        raise _refuse(f"{name} is a run, not a model", f"its final model is {Path(name) / 'final'}")
    if (folder / "adapter_config.json").is_file():
        raise _refuse(f"{name} holds an adapter, without the model that it belongs to", _ANOTHER)
    if any(folder.glob("*.gguf")):
        raise _refuse(f"{name} holds a GGUF file, which can't be trained", "take the model it was made from")
    raise _refuse(f"{name} is no model: it has no config.json", "name a folder as save_pretrained writes it")


def check_trainable(name: str, folder: Path) -> None:
    """Refuse, before anything is loaded, a model that can't be fine-tuned here.

    Raises:
        UserError: an encoder, quantized weights, an architecture that is not known or brings its own code.
    """
    raw = read_json(folder / "config.json")
    if not raw:
        raise _refuse(f"{folder / 'config.json'} can't be read", "copy or download the model again")
    facts = facts_from(name, raw)
    what = facts.architecture or facts.model_type or "its architecture"
    if not facts.is_causal_lm:
        raise _refuse(f"{name} ({what}) does not write text from left to right", _ANOTHER)
    if facts.quantized:
        raise _refuse(f"the weights of {name} are quantized and can't be trained", "take the model it was made from")
    if raw.get("transformers_weights"):
        raise _refuse(f"{name} keeps its weights in a file of its own naming", "save it anew with save_pretrained")

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


def load_tokenizer(name: str, *, report: Report | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, with a padding token.

    Where it has none, its end-of-text token pads, else its unknown token, else its first: no token is added, so the
    embeddings keep their size. That loses nothing, because labels are masked by position and not by token.

    Raises:
        UserError: there is no such model, or no tokenizer in it.
    """
    from transformers import AutoTokenizer

    from tui_finetune.system.quiet import quiet

    folder = model_folder(name, weights=False, report=report)
    if not any((folder / file).is_file() for file in _TOKENIZER_FILES):
        raise _refuse(
            f"{name} has no tokenizer (no tokenizer.json)",
            "copy the tokenizer's files of its base model into the folder",
        )
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:
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


def tokenizer_notices(tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, str]]:
    """What one should know about a tokenizer before training with it: messages with remedies."""
    if tokenizer.eos_token_id is None:
        return [
            (
                "The tokenizer has no end-of-text token: the model can't learn when to stop.",
                "set eos_token in its tokenizer_config.json, or choose another model",
            )
        ]
    return []


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Raises UserError where the tokenizer makes tokens that the model has no embedding for."""
    rows = int(model.get_input_embeddings().weight.shape[0])
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if highest >= rows:
        raise _refuse(
            f"the tokenizer's tokens go up to {highest:,}, but the model has only {rows:,} embeddings",
            "use the tokenizer that belongs to this model",
        )


def load_model(
    name: str,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    gradient_checkpointing: bool = False,
    report: Report | None = None,
) -> PreTrainedModel:
    """A causal language model in fp32 on the CPU, every weight of it from its files.

    Args:
        name: 'starter', a folder, or a name on the hub.
        tokenizer: checked against the model's vocabulary.
        gradient_checkpointing: turn it on.
        report: progress, in bytes while it is downloaded, then in weights; may raise Cancelled.

    Raises:
        UserError: it can't be had or can't be trained.
    """
    # The small files first: what can't be trained is not downloaded.
    folder = model_folder(name, weights=False, report=report)
    check_trainable(name, folder)
    if not is_whole(folder, weights=True):
        folder = model_folder(name, report=report)
    read_weights(folder)

    import torch
    from transformers import AutoModelForCausalLM

    from tui_finetune.system.quiet import quiet

    try:
        with quiet(report):
            model, loading = AutoModelForCausalLM.from_pretrained(
                str(folder),
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except (Cancelled, UserError, MemoryError):
        raise
    except Exception as error:
        raise _refuse(
            f"{name} can't be loaded: {_first_line(error)}", "copy or download the model again, or choose another"
        ) from error
    if missing := sorted(loading["missing_keys"]):
        raise _refuse(
            f"{len(missing)} weights are missing from the files of {name}, as {missing[0]}",
            "it may have been saved for another task; choose a model saved as a causal language model",
        )
    model.config._name_or_path = name
    if tokenizer is not None:
        check_vocabulary(tokenizer, model)
    if gradient_checkpointing:
        if not model.supports_gradient_checkpointing:
            raise UserError(
                f"{name} can't compute with gradient checkpointing",
                "set gradient_checkpointing: false",
                setting="gradient_checkpointing",
            )
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model


def context_length(model_config: Any) -> int | None:
    """The tokens that a model can see at once, from its transformers configuration; None where it has no limit."""
    return first_number(model_config.to_dict(), CONTEXT)


def resolve_max_length(config: RunConfig, model_config: Any) -> int:
    """The tokens in a training row: the setting, or the model's limit, at most 1024.

    Raises:
        UserError: the setting is beyond the model's limit.
    """
    limit = context_length(model_config)
    if config.max_length is None:
        return min(limit or DEFAULT_MAX_LENGTH, DEFAULT_MAX_LENGTH)
    if limit is not None and config.max_length > limit:
        raise UserError(
            f"max_length is {config.max_length}, but {config.model_name_or_path} sees at most {limit} tokens",
            f"set max_length to {limit} or less",
            setting="max_length",
        )
    return config.max_length
