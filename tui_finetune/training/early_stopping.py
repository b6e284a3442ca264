"""Early stopping that says nothing untrue."""

from __future__ import annotations

import transformers
from transformers import TrainerControl, TrainerState, TrainingArguments


class EarlyStoppingCallback(transformers.EarlyStoppingCallback):
    """Transformers' own. There it warns that the best model will not be loaded at the end, which Trainer doesn't do here
    because the program itself does. It has the same name, by which checkpoints keep its state."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        assert args.metric_for_best_model is not None
