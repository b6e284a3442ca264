"""Tokens into text as they come, in whole characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CONTEXT_TOKENS = 6
"""Tokens of the prompt that are decoded along: whether the first word has a space before it depends on them."""

LONGEST_CHARACTER = 8
"""Tokens after which text is passed on even if it ends in the mark of a broken character: the model wrote that mark."""

_BROKEN = "\ufffd"


class TextStream:
    """Decodes a reply token by token.

    A character of several bytes may take several tokens; until the last of them the decoded text ends in U+FFFD, and is
    held back. Decoding a few tokens that were passed on already along with the new ones keeps what depends on
    neighbors right, as spaces between words.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, prompt: list[int], on_text: Callable[[str], None] | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._on_text = on_text
        self._ids = prompt[-CONTEXT_TOKENS:]
        self._start = 0
        self._passed_on = len(self._ids)
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that was passed on."""
        return "".join(self._pieces)

    def add(self, token: int) -> None:
        self._ids.append(token)
        self._pass_on(whole=True)

    def end(self) -> None:
        """Pass on what is held back."""
        self._pass_on(whole=False)

    def _pass_on(self, *, whole: bool) -> None:
        before = self._decode(self._ids[self._start : self._passed_on])
        after = self._decode(self._ids[self._start :])
        waiting = len(self._ids) - self._passed_on
        if whole and after.endswith(_BROKEN) and waiting < LONGEST_CHARACTER:
            return
        if len(after) <= len(before):
            return
        piece = after[len(before) :]
        self._start, self._passed_on = self._passed_on, len(self._ids)
        self._pieces.append(piece)
        if self._on_text is not None:
            self._on_text(piece)

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
