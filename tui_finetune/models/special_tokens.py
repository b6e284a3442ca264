"""Special tokens whose names stand in texts: kept text, so that data and prompts can neither end a turn nor begin one.

A tokenizer makes a control token of `<|im_end|>` wherever it is written. Here only what a chat template writes itself
becomes one. Texts are guarded before the template sees them: the name of a special token in them is replaced by one
character that no text has. In the rendering these characters are the names again, each a piece marked as literal, and
such a text is tokenized with special tokens off, but for the template's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

THOUGHTS = frozenset({"<think>", "</think>", "[THINK]", "[/THINK]"})
"""Names that belong into replies: templates and data write thoughts between them."""

_GUARD, _TWIN = 0x100000, 0xF0000
"""Where the characters begin that stand for special tokens: for their names in texts, and for the tokens themselves."""

_FILLER = "\U000ffffd"
_MOST = 0xFFF0
"""Special tokens that there are characters for, far more than any tokenizer has."""

_TWINS = re.compile("[\U000f0000-\U000ffffd]")
_Value = TypeVar("_Value")


class Piece(NamedTuple):
    """A piece of a text; literal where it is the name of a special token that stands in a text, and is to stay text."""

    text: str
    literal: bool = False


class HasPiece(Protocol):
    """What has the text of a piece, and more beside it."""

    @property
    def text(self) -> str: ...

    @property
    def literal(self) -> bool: ...


class Encoded(NamedTuple):
    """A text's token ids, and where in its text each begins and ends, in characters; None where it isn't known."""

    ids: list[int]
    offsets: list[tuple[int, int]] | None


class SpecialTokens:
    """Finds the names of a tokenizer's special tokens in texts, and tokenizes texts that have some as text."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase | None) -> None:
        """
        Args:
            tokenizer: without one, no name is special.
        """
        self._tokenizer = tokenizer
        self._ids = _special_ids(tokenizer) if tokenizer is not None else {}
        self._names = list(self._ids)
        # The longest first, as the tokenizer matches them.
        listed = sorted(map(re.escape, self._names), key=len, reverse=True)
        self._pattern = re.compile("|".join(listed)) if listed else None
        self._guards = (
            re.compile("[" + "".join(map(re.escape, map(_guard, range(len(listed))))) + "]") if listed else None
        )
        self._off: Tokenizer | None = None
        self._twin_ids: dict[int, int] = {}

    @property
    def identity(self) -> list[str]:
        """The names that are read as text, as JSON can write them."""
        return sorted(self._names)

    def found_in(self, text: str) -> bool:
        """Whether the name of a special token stands in a text."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def split(self, text: str) -> list[Piece]:
        """A text of a row, or of a prompt, in pieces, of which each name of a special token is a literal one."""
        return self._apart(text, self._pattern, lambda found: found)

    def restored(self, rendering: str) -> list[Piece]:
        """A rendering of guarded messages in pieces, the names again in literal ones."""
        return self._apart(rendering, self._guards, lambda found: self._names[ord(found) - _GUARD])

    def _apart(self, text: str, pattern: re.Pattern[str] | None, name: Callable[[str], str]) -> list[Piece]:
        result: list[Piece] = []
        position = 0
        for match in pattern.finditer(text) if pattern is not None else ():
            result += [Piece(text[position : match.start()]), Piece(name(match.group()), literal=True)]
            position = match.end()
        return [piece for piece in [*result, Piece(text[position:])] if piece.text] or [Piece(text)]

    def guarded(self, value: _Value) -> _Value:
        """Messages, or definitions of tools, with the names in their texts replaced; the same object where there are none."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self._pattern.sub(self._guard_of, value) if self._pattern.search(value) else value  # type: ignore[return-value]
        if isinstance(value, dict):
            new = {self.guarded(key): self.guarded(item) for key, item in value.items()}
            same = all(a is b and c is d for (a, c), (b, d) in zip(new.items(), value.items(), strict=True))
            return value if same else new  # type: ignore[return-value]
        if isinstance(value, list):
            items = [self.guarded(item) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items  # type: ignore[return-value]
        return value

    def _guard_of(self, match: re.Match[str]) -> str:
        return _guard(self._names.index(match.group()))

    # Texts as tokens

    def encode(self, pieces: Sequence[HasPiece], *, add_special_tokens: bool) -> Encoded:
        """The tokens of a text, in which special tokens are those outside of its literal pieces.

        Args:
            pieces: the text.
            add_special_tokens: whether the tokenizer puts those around it that it puts around every text.
        """
        assert self._tokenizer is not None
        if (words := self.words(pieces)) is None:
            return self._piecewise(pieces, add_special_tokens=add_special_tokens)
        return self.encode_words(words, add_special_tokens=add_special_tokens)

    def words(self, pieces: Sequence[HasPiece]) -> str | None:
        """The text with twins for its special tokens, of the same length, so that all places stay what they are;
        None where that can't be done."""
        assert self._tokenizer is not None
        if not self._tokenizer.is_fast or _TWINS.search("".join(piece.text for piece in pieces)):
            return None
        return "".join(s.text if s.literal else self._with_twin(s.text) for s in pieces)

    def encode_words(self, words: str, *, add_special_tokens: bool = False) -> Encoded:
        """The tokens of what `words` gives, or of a part of it."""
        if self._off is None:
            self._off = self._with_twins()
        encoding = self._off.encode(words, add_special_tokens=add_special_tokens)
        return Encoded([self._twin_ids.get(token, token) for token in encoding.ids], list(encoding.offsets))

    def _with_twins(self) -> Tokenizer:
        """The tokenizer's other self: special tokens are off, and each has a twin that isn't special."""
        from tokenizers import AddedToken, Tokenizer

        assert self._tokenizer is not None
        backend = self._tokenizer.backend_tokenizer
        twin = Tokenizer.from_str(backend.to_str())
        twin.no_truncation()
        twin.no_padding()
        known = self._tokenizer.added_tokens_decoder
        for number, (name, token) in enumerate(self._ids.items()):
            added = known[token]
            options = {"lstrip": added.lstrip, "rstrip": added.rstrip, "single_word": added.single_word}
            twin.add_tokens([AddedToken(_twin(number, name), normalized=False, special=False, **options)])
            if (given := twin.token_to_id(_twin(number, name))) is not None:
                self._twin_ids[given] = token
        twin.encode_special_tokens = True
        return twin

    def _with_twin(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: _twin(self._names.index(match.group()), match.group()), text)

    def _piecewise(self, pieces: Sequence[HasPiece], *, add_special_tokens: bool) -> Encoded:
        """The same, a run of text at a time: for slow tokenizers, and for texts with characters that stand for tokens."""
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        position = 0
        for text, token in self._runs(pieces):
            if token is not None:
                ids.append(token)
                offsets.append((position, position + len(text)))
            else:
                found = self._encode_text(text)
                ids += found.ids
                offsets += [(begin + position, end + position) for begin, end in found.offsets or []]
            position += len(text)
        if add_special_tokens:
            assert self._tokenizer is not None
            before, after = special_ends(self._tokenizer)
            ids = [*before, *ids, *after]
            offsets = [*((0, 0) for _ in before), *offsets, *((0, 0) for _ in after)]
        return Encoded(ids, offsets if len(offsets) == len(ids) else None)

    def _runs(self, pieces: Sequence[HasPiece]) -> list[tuple[str, int | None]]:
        """The text in runs of plain text, and special tokens with their ids."""
        runs: list[tuple[str, int | None]] = []
        text = ""
        for piece in pieces:
            names = [] if piece.literal or self._pattern is None else list(self._pattern.finditer(piece.text))
            position = 0
            for match in names:
                runs += [(text + piece.text[position : match.start()], None), (match.group(), self._ids[match.group()])]
                text, position = "", match.end()
            text += piece.text[position:]
        return [(words, token) for words, token in [*runs, (text, None)] if words]

    def _encode_text(self, text: str) -> Encoded:
        assert self._tokenizer is not None
        fast = self._tokenizer.is_fast
        encoded = self._tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=fast,
            return_attention_mask=False,
            verbose=False,
        )
        return Encoded(list(encoded["input_ids"]), list(encoded["offset_mapping"]) if fast else None)


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase, pieces: Sequence[HasPiece], *, add_special_tokens: bool
) -> list[int]:
    """A prompt as tokens; where nothing in it is literal, as the tokenizer itself makes them."""
    if not any(piece.literal for piece in pieces):
        return list(
            tokenizer("".join(piece.text for piece in pieces), add_special_tokens=add_special_tokens, verbose=False)[
                "input_ids"
            ]
        )
    return SpecialTokens(tokenizer).encode(pieces, add_special_tokens=add_special_tokens).ids


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The ids of the special tokens by name, without those that are no more than space."""
    names = set(tokenizer.all_special_tokens)
    found = {
        token.content: number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special or token.content in names
    }
    kept = {name: number for name, number in found.items() if name.strip("\u2581 \t\r\n") and name not in THOUGHTS}
    return dict(list(kept.items())[:_MOST])


def _guard(number: int) -> str:
    return chr(_GUARD + number)


def _twin(number: int, name: str) -> str:
    return chr(_TWIN + number) + _FILLER * (len(name) - 1)


def special_ends(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The tokens that a tokenizer puts before and after every text."""
    bare, whole = (tokenizer("a", add_special_tokens=added)["input_ids"] for added in (False, True))
    before = next((n for n in range(len(whole)) if whole[n : n + len(bare)] == bare), 0)
    return whole[:before], whole[before + len(bare) :]
