"""Rows as replies that are compared: documents that differ in their replies, and their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.examples import RowTransform
from tui_finetune.data.formats.conversations import conversation, is_good
from tui_finetune.data.formats.spec import Format
from tui_finetune.data.formats.turns import Message, Tools
from tui_finetune.data.preferences.recognize import Preferences
from tui_finetune.data.readers.row import Row
from tui_finetune.data.segments import Example, Unfit
from tui_finetune.data.tokens.tokenize import Encoder, Ids, Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOO_LONG = "more than max_length tokens"
NO_REPLY = "no part of a reply within max_length tokens"


class Replies(NamedTuple):
    """The replies of a row, each a document with its prompt; one is None where the row has only one."""

    chosen: Example | None
    rejected: Example | None


class ReplyTokens(NamedTuple):
    """A prompt and the replies to it as tokens; a reply is None where there is none."""

    prompt: Ids
    chosen: Ids | None
    rejected: Ids | None

    @property
    def sequences(self) -> list[int]:
        """Tokens of each reply, its prompt included."""
        return [len(self.prompt) + len(reply) for reply in (self.chosen, self.rejected) if reply is not None]


class _ReplyTransform(RowTransform):
    """Makes the document of one reply: only what is not shared with the other reply is compared, or the last reply where
    there is no other."""

    def __init__(
        self, shape: Format, config: RunConfig, tokenizer: PreTrainedTokenizerBase | None, other: Format | None
    ) -> None:
        super().__init__(shape, config, tokenizer)
        self._other = other

    def _conversation(self, row: Row) -> tuple[list[Message], Tools | None, int]:
        messages, tools, cut = conversation(row, self.shape)
        if self._other is None:
            asked = [place for place, message in enumerate(messages) if message["role"] == "user"]
            shared = asked[-1] + 1 if asked else 0
        else:
            others = conversation(row, self._other)[0]
            pairs = list(zip(messages, others, strict=False))
            shared = next((place for place, (one, other) in enumerate(pairs) if one != other), len(pairs))
            if shared == len(messages) or shared == len(others):
                raise Unfit("two replies that are the same")
        for message in messages[:shared]:
            if message["role"] == "assistant":
                message["trained"] = False
        return messages, tools, cut


class PreferenceTransform:
    """Makes replies of the rows of a data set.

    Attributes:
        shape: how rows become replies.
        chosen: makes the documents of the better replies, or of all where a row has one.
    """

    def __init__(self, shape: Preferences, config: RunConfig, tokenizer: PreTrainedTokenizerBase | None) -> None:
        """
        Args:
            shape: as recognized.
            config: the run's settings.
            tokenizer: without one, conversations are formatted with a plain template.
        """
        # A prompt is given: what is compared is how likely the replies to it are.
        masked = config.model_copy(update={"completion_only_loss": None, "assistant_only_loss": None})
        self.shape = shape
        self.chosen = _ReplyTransform(shape.chosen, masked, tokenizer, shape.rejected)
        self._rejected = None
        if shape.rejected is not None:
            self._rejected = _ReplyTransform(shape.rejected, masked, tokenizer, shape.chosen)
        self.notes: list[tuple[str, str]] = []

    @property
    def identity(self) -> list[object]:
        """All that the documents depend on besides rows and tokenizer, as JSON can write it."""
        return [self.chosen.identity, self.shape.mapping, self.shape.label, self.shape.threshold]

    def replies(self, row: Row) -> Replies:
        """The replies in a row.

        Raises:
            Unfit: there is nothing to compare in it.
        """
        chosen = self.chosen.example(row)
        self.notes = list(self.chosen.notes)
        if self._rejected is not None:
            rejected = self._rejected.example(row)
            self.notes = list(dict.fromkeys([*self.notes, *self._rejected.notes]))
            if rejected == chosen:
                raise Unfit("two replies that are the same")
            return Replies(chosen, rejected)
        good = is_good(row.get(self.shape.label), self.shape.threshold)
        if good is None:
            raise Unfit(f"'{self.shape.label}' neither true nor false")
        return Replies(chosen, None) if good else Replies(None, chosen)


class ReplyEncoder:
    """Turns replies into tokens that fit into a row."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, transform: PreferenceTransform, config: RunConfig, limit: int
    ) -> None:
        """
        Args:
            tokenizer: makes the tokens.
            transform: made the documents.
            config: says what becomes of long ones.
            limit: tokens of a prompt with a reply.
        """
        self._encoder = Encoder(tokenizer, train_on_eos=True, rendered=transform.chosen.rendered)
        self._drop, self._limit = config.excess_length_strategy == "drop", limit

    def encode(self, rows: list[Replies]) -> list[ReplyTokens]:
        """The tokens of each row's replies, whole, however long."""
        examples = [example for replies in rows for example in replies if example is not None]
        tokens = iter(self._encoder.encode(examples))
        return [_divided(*(None if example is None else next(tokens) for example in replies)) for replies in rows]

    def fitted(self, tokens: ReplyTokens) -> tuple[ReplyTokens | None, str]:
        """The same within the limit; None and why, where nothing is left to compare."""
        if max(tokens.sequences) > self._limit and self._drop:
            return None, TOO_LONG
        room = max(self._limit - len(tokens.prompt), 0)
        chosen, rejected = (None if reply is None else reply[:room] for reply in (tokens.chosen, tokens.rejected))
        if not len(tokens.prompt):  # the first token of a row is not predicted from anything
            return None, "no prompt"
        if any(reply is not None and not len(reply) for reply in (chosen, rejected)):
            return None, NO_REPLY
        if chosen is not None and rejected is not None and np.array_equal(chosen, rejected):
            return None, "two replies that are the same within max_length tokens"
        return ReplyTokens(tokens.prompt, chosen, rejected), ""


def _divided(chosen: Tokens | None, rejected: Tokens | None) -> ReplyTokens:
    """Prompt and replies: what both have in common up to the first token that is compared."""
    whole = [tokens for tokens in (chosen, rejected) if tokens is not None]
    begin = min(int(tokens.trained.argmax()) if tokens.trained.any() else len(tokens.ids) for tokens in whole)
    if len(whole) == 2:
        one, other = whole[0].ids[:begin], whole[1].ids[:begin]
        different = np.flatnonzero(one != other)
        begin = int(different[0]) if len(different) else begin
    return ReplyTokens(
        whole[0].ids[:begin],
        None if chosen is None else chosen.ids[begin:],
        None if rejected is None else rejected.ids[begin:],
    )
