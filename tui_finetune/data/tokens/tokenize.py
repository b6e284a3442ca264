"""Documents as tokens, each with whether it is trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from tui_finetune.data.segments import Example, has_literals, plain_text
from tui_finetune.data.tokens.long_texts import WINDOW, OutOfOrder, encode_long
from tui_finetune.errors import UserError
from tui_finetune.models.special_tokens import SpecialTokens, special_ends

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

BATCH_DOCUMENTS = 512
BATCH_CHARACTERS = 256 * 1024


class Tokens(NamedTuple):
    """A document as tokens: ``ids``, and ``trained``, of the same length, true for those that are trained on."""

    ids: Ids
    trained: Mask

    def cut(self, start: int, end: int) -> Tokens:
        """The tokens from one position to another."""
        return Tokens(self.ids[start:end], self.trained[start:end])


class Encoder:
    """Turns documents into tokens with a fast tokenizer, many at a time."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, train_on_eos: bool, rendered: bool = False) -> None:
        """
        Args:
            tokenizer: a fast one, where parts of documents are not trained on.
            rendered: the documents are whole as they are, special tokens included: none is added.
            train_on_eos: end each document with the end-of-text token, trained on; unless the tokenizer, or the text
                itself, has put it there already. Otherwise no token is added, and padding tokens in the text, which
                often are end-of-text tokens, are not trained on.
        """
        self.tokenizer = tokenizer
        self.train_on_eos = train_on_eos
        self.rendered = rendered
        self.eos_id: int | None = tokenizer.eos_token_id
        self.pad_id: int | None = tokenizer.pad_token_id
        self.special_ids = frozenset(tokenizer.all_special_ids)
        self._special = SpecialTokens(tokenizer)

    def encode(self, examples: list[Example], alive: Callable[[], object] = bool) -> list[Tokens]:
        """The tokens of each document, whole, however long.

        Args:
            examples: the documents.
            alive: called a few times a second where a document takes long; may raise Cancelled.
        """
        masked = any(not segment.trained for example in examples for segment in example)
        if masked and not self.tokenizer.is_fast:
            raise UserError(
                "the model's tokenizer can't tell which tokens belong to which part of a text, so no part can be left out of the loss",
                "set train_on_inputs: true to train on all of it, or choose another model",
                setting="completion_only_loss",
            )
        result: list[Tokens] = []
        at_once: list[Example] = []
        for example in examples:
            if self.tokenizer.is_fast and sum(len(segment.text) for segment in example) > WINDOW:
                result += [*self._encode_short(at_once, masked), self._encode_long(example, masked, alive)]
                at_once = []
            elif has_literals(example):
                result += [*self._encode_short(at_once, masked), self._encode_literally(example, masked)]
                at_once = []
            else:
                at_once.append(example)
        return [*result, *self._encode_short(at_once, masked)]

    def _encode_long(self, example: Example, masked: bool, alive: Callable[[], object]) -> Tokens:
        literally = has_literals(example)
        words = self._special.words(example) if literally else plain_text(example)
        try:
            if words is None:
                raise OutOfOrder
            inner = encode_long(self.tokenizer, words, alive, self._special.encode_words if literally else None)
        except OutOfOrder:
            return self._encode_literally(example, masked) if literally else self._encode_short([example], masked)[0]
        before, after = ([], []) if self.rendered else special_ends(self.tokenizer)
        ids = np.concatenate([np.array(before, np.int32), inner.ids, np.array(after, np.int32)])
        offsets = np.zeros((len(ids), 2), np.int64)
        offsets[len(before) : len(ids) - len(after)] = inner.offsets
        return self._tokens(example, ids, offsets if masked else None)

    def _encode_literally(self, example: Example, masked: bool) -> Tokens:
        """A document in whose texts there are names of special tokens."""
        ids, places = self._special.encode(example, add_special_tokens=not self.rendered)
        offsets = np.array(places, np.int64).reshape(-1, 2) if masked and places is not None else None
        return self._tokens(example, np.array(ids, np.int32), offsets)

    def _encode_short(self, examples: list[Example], masked: bool) -> list[Tokens]:
        if not examples:
            return []
        encoded = self.tokenizer(
            [plain_text(example) for example in examples],
            add_special_tokens=not self.rendered,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=masked,
            verbose=False,
        )
        return [
            self._tokens(
                example,
                np.array(encoded["input_ids"][number], np.int32),
                np.array(encoded["offset_mapping"][number], np.int64).reshape(-1, 2) if masked else None,
            )
            for number, example in enumerate(examples)
        ]

    def _tokens(self, example: Example, ids: Ids, offsets: npt.NDArray[np.int64] | None) -> Tokens:
        trained = np.ones(len(ids), np.bool_) if offsets is None else self._trained_tokens(example, ids, offsets)
        return Tokens(ids, trained) if self.rendered else self._end(ids, trained)

    def _trained_tokens(self, example: Example, ids: Ids, offsets: npt.NDArray[np.int64]) -> Mask:
        """Which tokens are trained on: those that have a character of a trained segment.

        Args:
            example: the document.
            ids: its tokens.
            offsets: begin and end of each token in the document's text, in characters; (n, 2).
        """
        begins, ends = offsets[:, 0], offsets[:, 1]
        empty = np.flatnonzero(begins >= ends)
        if len(empty):
            # Tokens without characters were added by the tokenizer; or are spaces, which some tokenizers leave out: these
            # reach from the end of the token before to their own, or to the next token.
            begins, ends = begins.copy(), ends.copy()
            length = sum(len(segment.text) for segment in example)
            for number in empty.tolist():
                if int(ids[number]) in self.special_ids:
                    continue
                begins[number] = min(begins[number], ends[number - 1] if number else 0)
                if begins[number] == ends[number]:
                    ends[number] = next(
                        (begin for begin in begins[number + 1 :].tolist() if begin > ends[number]), length
                    )
        sizes = [len(segment.text) for segment in example]
        bounds = np.cumsum([0, *sizes])
        before = np.cumsum([0, *(size * segment.trained for size, segment in zip(sizes, example, strict=True))])
        # Trained characters before a position, at the begin and the end of each token.
        trained: Mask = np.interp(ends, bounds, before) > np.interp(begins, bounds, before)
        return trained

    def truncated(self, example: Example, max_length: int) -> Tokens:
        """A document cut by the tokenizer itself, which keeps the tokens that it adds."""
        encoded = self.tokenizer(
            plain_text(example),
            truncation=True,
            max_length=max_length,
            split_special_tokens=has_literals(example),
            verbose=False,
        )
        ids = np.array(encoded["input_ids"], np.int32)
        return self._end(ids, np.ones(len(ids), np.bool_))

    def _end(self, ids: Ids, trained: Mask) -> Tokens:
        if not self.train_on_eos:
            return Tokens(ids, trained if self.pad_id is None else trained & (ids != self.pad_id))
        if self.eos_id is None or not len(ids):
            return Tokens(ids, trained)
        if ids[-1] != self.eos_id:
            ids = np.append(ids, np.int32(self.eos_id))
            # Trained on where the text before it is.
            return Tokens(ids, np.append(trained, trained[-1]))
        trained[-1] = True
        return Tokens(ids, trained)


def batched(documents: Iterable[tuple[int, Example]]) -> Iterator[list[tuple[int, Example]]]:
    """Documents in batches that take a fraction of a second each."""
    batch: list[tuple[int, Example]] = []
    characters = 0
    for number, example in documents:
        batch.append((number, example))
        characters += sum(len(segment.text) for segment in example)
        if len(batch) >= BATCH_DOCUMENTS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def padding_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that rows are padded with."""
    return next((token for token in (tokenizer.pad_token_id, tokenizer.eos_token_id) if token is not None), 0)


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """A name for all of a tokenizer that its output depends on."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        content = json.loads(backend.to_str())
        # These are changed by calls, and set anew by each call.
        content.pop("truncation", None)
        content.pop("padding", None)
    else:
        content = tokenizer.get_vocab()
    settings = [
        type(tokenizer).__name__,
        tokenizer.special_tokens_map,
        tokenizer.padding_side,
        tokenizer.truncation_side,
        tokenizer.model_input_names,
    ]
    text = json.dumps([content, settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
