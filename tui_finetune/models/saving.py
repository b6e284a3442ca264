"""Whether a model can be saved, tried before it is trained: what transformers loads it does not always save."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tui_finetune.errors import Notice, UserError
from tui_finetune.models.located import LocatedModel

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedConfig

_OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""What a generation_config.json must not set that turns sampling off."""


def make_savable(config: PreTrainedConfig, generation: GenerationConfig | None) -> Notice | None:
    """Try a save of a model's two configurations; of how it generates, what contradicts itself is taken back.

    Args:
        config: the model's.
        generation: how it generates; is changed where it can't be saved.

    Returns:
        What has to be said, if anything.

    Raises:
        UserError: it can't be saved.
    """
    if reason := _hindrance(config):
        raise UserError(f"the model's config.json can't be saved again: {reason}", "mend it, or choose another model")
    if generation is None or not (reason := _hindrance(generation)):
        return None
    message = f"generation_config.json contradicts itself ({reason}), so it is saved without what has no effect."
    for names in (_OF_SAMPLING, _all_but_tokens(generation)):
        for name in names:
            setattr(generation, name, getattr(type(generation)(), name, None))
        if not _hindrance(generation):
            return Notice("warning", message, "look into the model's generation_config.json")
    raise UserError(
        f"the model's generation_config.json can't be saved again: {reason}", "mend it, or delete it from the model"
    )


def check_savable(model: LocatedModel) -> Notice | None:
    """The same for a model that isn't loaded, from its small files."""
    from transformers import GenerationConfig

    from tui_finetune.models.loading import load_config

    folder = str(model.folder)
    generation = None
    if (model.folder / "generation_config.json").is_file():
        try:
            generation = GenerationConfig.from_pretrained(folder, local_files_only=True)
        except Exception:
            generation = None  # transformers goes on without it, as it does when it loads the model
    return make_savable(load_config(model), generation)


def _all_but_tokens(generation: GenerationConfig) -> list[str]:
    given = generation.to_diff_dict()
    return [name for name in given if not name.endswith("_id") and name != "transformers_version"]


def _hindrance(config: PreTrainedConfig | GenerationConfig) -> str:
    """Why it can't be saved; '' where it can."""
    from transformers import GenerationConfig

    with TemporaryDirectory() as folder:
        try:
            if isinstance(config, GenerationConfig):
                config.validate(strict=True)  # as it is checked once anything in it was changed, which Trainer does
            config.save_pretrained(folder)
        except OSError:
            return ""  # of the disk, not of what is saved
        except Exception as error:
            lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
            return next((line for line in lines if "`" in line), lines[0] if lines else type(error).__name__)[:200]
    return ""
