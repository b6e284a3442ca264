"""What a training is given: a model, its tokenizer, and rows of tokens that suit them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.prepare import PreparedData
from tui_finetune.errors import UserError
from tui_finetune.models.devices import best_device
from tui_finetune.models.loading import check_trainable, load_tokenizer, resolve_max_length
from tui_finetune.models.located import LocatedModel, locate
from tui_finetune.models.methods.choose import method_of
from tui_finetune.models.methods.peft_models import base_of
from tui_finetune.runs.checkpoints import BASE, ONLY_MODEL
from tui_finetune.system.progress import Report
from tui_finetune.training.packing.attention import attention_by_document
from tui_finetune.training.packing.check import keeps_documents_apart
from tui_finetune.training.resume import data_fingerprint, determining, weights_fingerprint

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.adapters import BaseModel
    from tui_finetune.models.devices import Precision
    from tui_finetune.models.methods.method import Method
    from tui_finetune.training.loss import ChunkedLoss

MAX_PROMPT_TOKENS = 256
"""The longest question that a sample begins with by itself."""

PROMPTS, MOST_PROMPTS = 3, 8
"""Samples by themselves: taken from the data, and of a list or a file at most."""

Attention = Callable[[], AbstractContextManager[None]]
"""Open while the model computes."""


@dataclass(frozen=True)
class Inputs:
    """All that a training is given.

    Attributes:
        located: where the model that training begins from is.
        model: it, loaded, and made ready by the method.
        tokenizer: its tokenizer, with the chat template that the data was put into words by.
        data: rows of tokens.
        precision: the number format of the computation.
        attention: how packed rows are attended to.
        loss: computes the loss in chunks of tokens; None where the model computes it.
        base: the model that the adapter belongs to, where it is an adapter that is trained.
    """

    located: LocatedModel
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    data: PreparedData
    precision: Precision
    attention: Attention
    loss: ChunkedLoss | None = None
    base: BaseModel | None = None

    @property
    def evaluates(self) -> bool:
        """Whether there are rows to evaluate on."""
        return self.data.evaluation is not None and len(self.data.evaluation) > 0

    @property
    def data_format(self) -> str:
        """What the rows were: 'text', 'messages', ..."""
        return self.data.format.name if self.data.format else ""

    def facts(self, config: RunConfig) -> dict[str, object]:
        """What the manifests of checkpoints tell, so that a run is resumed with what it began with."""
        facts: dict[str, object] = {
            "data": data_fingerprint(self.data.train),
            "dataset": config.dataset_name,
            "rows": len(self.data.train),
            "model": config.model_name_or_path,
            "model_revision": self.located.revision,
            "weights": weights_fingerprint(self.model),
            "settings": determining(config),
            "data_format": self.data_format,
        }
        if self.base is not None:
            facts[BASE] = self.base.to_json()
        return facts | ({ONLY_MODEL: True} if config.save_only_model else {})

    @property
    def _unseen(self) -> Dataset:
        """The rows that are not trained on; where there are none, those that are."""
        return self.data.evaluation if self.evaluates and self.data.evaluation is not None else self.data.train

    def prompts(self, config: RunConfig) -> list[str]:
        """What the model completes by itself as it trains.

        Raises:
            UserError: the file of prompts can't be read.
        """
        chosen = config.sample_prompts
        if chosen is None:
            count = len(self._unseen)
            return list(dict.fromkeys(self.first_words(place * count // PROMPTS) for place in range(PROMPTS)))
        if chosen.strip().lower() in {"off", "no", "false"}:
            return []
        path = Path(chosen).expanduser()
        if path.suffix in {".txt", ".md"} or path.is_file():
            try:
                chosen = " | ".join(path.read_text("utf-8", "replace").splitlines()[:MOST_PROMPTS])
            except OSError as error:
                raise UserError(
                    f"sample_prompts: {path}: {error.strerror}", "a text file with one prompt a line", "sample_prompts"
                ) from None
        prompts = [prompt.strip() for prompt in chosen.split("|")]
        return [prompt for prompt in prompts if prompt][:MOST_PROMPTS]

    def first_words(self, row: int = 0) -> str:
        """What a sample begins with where nobody says, of a row that is not trained on if there is one: the part of it that
        is only read, as a question; its first words where all of it is trained on."""
        values = self._unseen[row]
        if "prompt_ids" in values:
            ids, given = list(values["prompt_ids"]), len(values["prompt_ids"])
        else:
            ids, labels = list(values["input_ids"]), list(values.get("labels", []))
            given = next((place for place, label in enumerate(labels) if label != -100), 0)
        if 1 < given <= MAX_PROMPT_TOKENS:
            # The token that the tokenizer puts before every text would be there twice.
            begins_twice = ids[0] == self.tokenizer("a")["input_ids"][0]
            return str(self.tokenizer.decode(ids[1:given] if begins_twice else ids[:given]))
        text = str(self.tokenizer.decode(ids[:12], skip_special_tokens=True))
        return " ".join(text.split()[:4]) or "The"


def look_at_model(config: RunConfig, report: Report) -> tuple[LocatedModel, PreTrainedTokenizerBase, int]:
    """Find the model, once, and see from its small files whether it can be trained, and by the method that is chosen.

    Returns:
        Where it is, its tokenizer, and the tokens of a training row.

    Raises:
        UserError: it isn't there or can't be trained, or max_length is beyond its limit.
    """
    located = locate(config.model_name_or_path, config.model_revision, weights=False, report=report)
    check_trainable(located)
    method_of(config).check(located)
    max_length = resolve_max_length(config, located)
    return located, load_tokenizer(located), max_length


def base_for(method: Method, model: LocatedModel) -> BaseModel | None:
    """The model that an adapter is trained on, named exactly; None where no adapter is trained."""
    return base_of(model, method.quantization) if method.trains_adapter else None


def attention_for_packing(model: PreTrainedModel) -> Attention | None:
    """How a model is to attend to packed rows; None where it can't keep packed documents apart."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    if not keeps_documents_apart(model, vocabulary):
        return None
    # Elsewhere many small computations are no faster than one large one.
    if best_device() == "cpu":
        with attention_by_document():
            if keeps_documents_apart(model, vocabulary):
                return attention_by_document
    return nullcontext


def keep_template(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, data: PreparedData) -> None:
    """See to it that what is saved talks as it was taught: by the same chat template, and ending where a turn ends."""
    if data.chat_template is not None:
        tokenizer.chat_template = data.chat_template
    generation = model.generation_config
    if data.end_token is None or generation is None:
        return
    ends = generation.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    if data.end_token not in {*ends, tokenizer.eos_token_id}:
        generation.eos_token_id = [*ends, data.end_token]


def check_tracker(name: str) -> None:
    """Raises UserError where the experiment tracker is not installed."""
    if name != "none" and find_spec(name) is None:
        raise UserError(
            f"report_to is {name}, but the package {name} is not installed",
            f"pip install {name}, or set report_to: none",
            setting="report_to",
        )
