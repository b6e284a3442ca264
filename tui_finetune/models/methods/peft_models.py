"""Adapters through peft: attached to a model, continued, loaded for use, merged, saved. Imports torch and peft inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from tui_finetune.config.names import STARTER
from tui_finetune.errors import UserError
from tui_finetune.models.adapters import ADAPTER_WEIGHTS, BASE_FILE, SETTING, Adapter, BaseModel
from tui_finetune.models.located import LocatedModel
from tui_finetune.models.weights import weights_sha256
from tui_finetune.system.files import write_atomically
from tui_finetune.system.libraries import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel
    from typing_extensions import Unpack


class Options(TypedDict):
    """What peft's LoraConfig is given."""

    r: int
    lora_alpha: int
    lora_dropout: float
    target_modules: str | list[str]
    use_dora: bool
    use_rslora: bool


def as_adapted(model: object) -> PeftModel | None:
    """The model, where it has an adapter; else None."""
    from peft import PeftModel

    return model if isinstance(model, PeftModel) else None


def plain(model: PreTrainedModel) -> PreTrainedModel:
    """The transformers model itself, which computes with its adapter all the same; for what peft's wrapper stands in the
    way of, as generation settings."""
    adapted = as_adapted(model)
    if adapted is None:
        return model
    inside: PreTrainedModel = adapted.get_base_model()  # type: ignore[assignment] # what it was made from
    return inside


@contextmanager
def without_adapter(model: PreTrainedModel) -> Iterator[None]:
    """Within it a model computes as if it had no adapter, exactly."""
    adapted = as_adapted(model)
    if adapted is None:
        yield
        return
    with adapted.disable_adapter():
        yield


def public_name(model: LocatedModel) -> str:
    """What `AutoPeftModelForCausalLM` finds a model by: its name on the hub, or its folder."""
    base = model.base
    return base.name if base.revision is not None and base.name != STARTER else str(base.folder.absolute())


# Training


def attach(
    loaded: PreTrainedModel, model: LocatedModel, *, seed: int, tokens: list[int], **options: Unpack[Options]
) -> PreTrainedModel:
    """A new adapter on a model, which is frozen.

    Args:
        loaded: the model.
        model: where it is from.
        seed: of the numbers that the adapter begins with.
        tokens: those whose embeddings are trained as well.
        options: the adapter's shape.

    Raises:
        UserError: the targets name nothing in the model, or peft refuses the combination.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM",
        bias="none",
        trainable_token_indices=_token_layers(loaded, tokens) if tokens else None,
        revision=model.base.revision,
        **options,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            with quiet():
                adapted = get_peft_model(loaded, config)
        except ValueError as error:
            raise UserError(
                f"no adapter of this kind can be attached to {model.name}: {str(error).splitlines()[0][:200]}",
                "choose other lora_target_modules, or method: full",
                "lora_target_modules",
            ) from error
    return _named(adapted, model)


def _token_layers(model: PreTrainedModel, tokens: list[int]) -> dict[str, list[int]]:
    """The tables that the tokens' rows are in: the embeddings, and a head that has weights of its own."""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    wanted = [table] if head is None or head.weight is table.weight else [table, head]
    return {name: tokens for name, module in model.named_modules() if any(module is one for one in wanted)}


def _named(adapted: PeftModel, model: LocatedModel) -> PreTrainedModel:
    for config in adapted.peft_config.values():
        config.base_model_name_or_path = public_name(model)
        config.revision = model.base.revision
    as_model: PreTrainedModel = adapted  # type: ignore[assignment] # it has all of its attributes
    return as_model


def continued(loaded: PreTrainedModel, adapter: Adapter, *, dropout: float) -> PreTrainedModel:
    """An adapter on the model it belongs to, to be trained further.

    Raises:
        UserError: the adapter's weights are not those that its configuration and the model ask for.
    """
    return _with_weights(loaded, adapter, dropout=dropout, trainable=True)


def for_use(loaded: PreTrainedModel, adapter: Adapter) -> PreTrainedModel:
    """An adapter on the model it belongs to, only to be used; raises UserError as `continued` does."""
    return _with_weights(loaded, adapter, dropout=0.0, trainable=False)


def _with_weights(loaded: PreTrainedModel, adapter: Adapter, *, dropout: float, trainable: bool) -> PreTrainedModel:
    import torch
    from peft import PeftConfig, get_peft_model

    config = PeftConfig.from_pretrained(str(adapter.folder))
    config.inference_mode = not trainable
    config.lora_dropout = dropout
    config.init_lora_weights = True  # they are loaded; some ways to begin would change the model
    named, revision = config.base_model_name_or_path, config.revision
    with torch.random.fork_rng(devices=[]):
        try:
            with quiet():
                adapted = get_peft_model(loaded, config)
        except (ValueError, RuntimeError) as error:
            raise _does_not_belong(adapter, str(error).splitlines()[0][:200]) from error
    config.base_model_name_or_path, config.revision = named, revision
    load_adapter(adapted, adapter.folder)
    as_model: PreTrainedModel = adapted  # it has all of a model's attributes
    return as_model


def _does_not_belong(adapter: Adapter, why: str) -> UserError:
    return UserError(
        f"the adapter in {adapter.folder} does not belong to {adapter.base.name} as it is now: {why}",
        "put the model back as it was, or train a new adapter on it",
        SETTING,
    )


def merged(loaded: PreTrainedModel, adapter: Adapter) -> PreTrainedModel:
    """A model with an adapter added into its weights; raises UserError as `continued` does."""
    adapted = as_adapted(_with_weights(loaded, adapter, dropout=0.0, trainable=False))
    assert adapted is not None
    whole: PreTrainedModel = adapted.merge_and_unload()
    for weight in whole.parameters():
        weight.requires_grad_(True)
    return whole


# Saving and loading


def adapter_weights(adapted: PeftModel) -> dict[str, Tensor]:
    """What an adapter's file holds, by name."""
    from peft import get_peft_model_state_dict

    weights: dict[str, Tensor] = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    return weights


def load_adapter(adapted: PeftModel, folder: Path) -> None:
    """Put the weights of an adapter's file into a model that has such an adapter. peft would only warn of missing ones.

    Raises:
        UserError: its names or shapes are not those of the model's adapter.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    weights = load_file(folder / ADAPTER_WEIGHTS)
    _compare(folder, weights, adapter_weights(adapted))
    set_peft_model_state_dict(adapted, weights)


def _compare(folder: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    remedy = "put the adapter or its model back as it was; or train a new one"
    for words, names in (("is missing", wanted.keys() - found.keys()), ("is too much", found.keys() - wanted.keys())):
        if names:
            raise UserError(
                f"{folder / ADAPTER_WEIGHTS} is not an adapter of this model: {min(names)} {words}", remedy, SETTING
            )
    for name, weight in wanted.items():
        if found[name].shape != weight.shape:
            shapes = f"{tuple(found[name].shape)} and not {tuple(weight.shape)}"
            raise UserError(
                f"{folder / ADAPTER_WEIGHTS} is not an adapter of this model: {name} is {shapes}", remedy, SETTING
            )


def base_of(model: LocatedModel, quantization: str) -> BaseModel:
    """The model that an adapter is trained on, exactly named; reads its weights once."""
    base = model.base
    name = base.name if base.revision is not None or base.name == STARTER else str(base.folder.absolute())
    return BaseModel(name, base.revision, weights_sha256(base.folder), quantization)


def save_adapter(adapted: PeftModel, folder: Path, base: BaseModel) -> None:
    """Write an adapter into a folder, as peft and `adapters.read_adapter` read it."""
    # Asked to find out about embeddings itself, peft asks the hub at every save.
    # Only the adapter that is trained: another one may be there to compare with.
    adapted.save_pretrained(str(folder), save_embedding_layers=False, selected_adapters=["default"])
    (folder / "README.md").unlink(missing_ok=True)  # peft's own model card
    write_atomically(folder / BASE_FILE, json.dumps(base.to_json(), indent=1) + "\n")
