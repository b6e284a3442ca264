"""What can be known to be wrong before the heavy imports, in milliseconds."""

from __future__ import annotations

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.open import check_all_present
from tui_finetune.errors import UserError
from tui_finetune.models.catalog import model_facts
from tui_finetune.models.tasks import check_task


def precheck(config: RunConfig) -> None:
    """Raises UserError for a model or data set that is plainly not there, or a model of the wrong kind, or a task whose
    package is missing."""
    check_task(config)
    check_all_present(config)
    facts = model_facts(config.model_name_or_path, config.model_revision)
    if facts is not None and not facts.is_causal_lm:
        raise UserError(
            f"{config.model_name_or_path} ({facts.architecture}) does not write text from left to right",
            "choose a causal language model, such as 'starter' or 'distilgpt2'",
            setting="model_name_or_path",
        )
