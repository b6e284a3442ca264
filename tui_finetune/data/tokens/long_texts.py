"""Long texts as tokens, a window at a time: a tokenizer needs some hundred bytes a token while it works, and can't be
stopped."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WINDOW = 128 * 1024
"""Characters. Shorter texts are tokenized in one call."""

OVERLAP = 4096
"""Characters that two windows share. They are joined in the middle of it, where the tokens of the inner half agree."""

LARGEST_WINDOW = 16 * WINDOW
"""Where tokens never agree, as in one letter a million times, a window ends after so many characters."""


class Window(NamedTuple):
    """Tokens with their places in the whole text: begin and end of each in characters, (n, 2)."""

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def between(self, begin: int, end: int) -> Window:
        """The tokens that begin in a part of the text."""
        inside = slice(*np.searchsorted(self.offsets[:, 0], [begin, end]))
        return Window(self.ids[inside], self.offsets[inside])

    def same(self, other: Window) -> bool:
        return len(self.ids) > 0 and np.array_equal(self.ids, other.ids) and np.array_equal(self.offsets, other.offsets)


class OutOfOrder(ValueError):
    """A tokenizer doesn't give the places of its tokens in order."""


Encode = Callable[[str], tuple[Sequence[int], Sequence[tuple[int, int]] | None]]
"""Gives the token ids of a text, and where in it each begins and ends, in characters."""


def encode_long(
    tokenizer: PreTrainedTokenizerBase, text: str, alive: Callable[[], object], encode: Encode | None = None
) -> Window:
    """The tokens of a text as one call gives them, special tokens left out.

    Tokens depend on their surroundings, but not on what is thousands of characters away: two windows that agree on a
    thousand characters would agree on what follows too. Where they don't agree, the first is made larger.

    Args:
        tokenizer: a fast one.
        text: of any length.
        alive: called after each window; may raise Cancelled.
        encode: makes tokens in the tokenizer's place.

    Raises:
        OutOfOrder: it can't be done with this tokenizer.
    """
    encode = encode or functools.partial(_encode, tokenizer)
    parts: list[Window] = []
    begin = start = 0  # of what is not in the parts yet; of the window that it is in
    size = WINDOW
    current = _window(encode, text, start, size)
    while start + size < len(text):
        alive()
        end = start + size
        following = _window(encode, text, end - OVERLAP, WINDOW)
        quarter, middle = OVERLAP // 4, end - OVERLAP // 2
        if current.between(middle - quarter, middle + quarter).same(
            following.between(middle - quarter, middle + quarter)
        ):
            # Not within a character that is several tokens.
            joint = int(current.between(middle, end).offsets[0, 0])
            parts.append(current.between(begin, joint))
            begin, start, size, current = joint, end - OVERLAP, WINDOW, following
        elif size < LARGEST_WINDOW:
            size *= 2
            current = _window(encode, text, start, size)
        else:
            parts.append(current.between(begin, end))
            begin = start = end
            size = WINDOW
            current = _window(encode, text, start, size)
    parts.append(current.between(begin, len(text) + 1))
    return Window(np.concatenate([part.ids for part in parts]), np.concatenate([part.offsets for part in parts]))


def _window(encode: Encode, text: str, start: int, size: int) -> Window:
    ids, places = encode(text[start : start + size])
    offsets = np.array(places, np.int64).reshape(-1, 2) + start
    if len(offsets) != len(ids) or (np.diff(offsets[:, 0]) < 0).any():
        raise OutOfOrder
    return Window(np.array(ids, np.int32), offsets)


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[Sequence[int], Sequence[tuple[int, int]]]:
    encoded = tokenizer(
        text,
        add_special_tokens=False,
        padding=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    return encoded["input_ids"], encoded["offset_mapping"]
