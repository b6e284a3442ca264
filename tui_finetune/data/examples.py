"""Rows as documents, whatever format they have: what the model reads, and which of it it is trained to write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.chat_template.choose import choose_template
from tui_finetune.data.chat_template.render import Renderer
from tui_finetune.data.file_kinds import place_in
from tui_finetune.data.formats.conversations import conversation, refuse_bad, refuse_placeholders, scalar
from tui_finetune.data.formats.spec import Format
from tui_finetune.data.formats.turns import Message, Tools
from tui_finetune.data.problems import Tally
from tui_finetune.data.readers.row import Row
from tui_finetune.data.segments import Example, Segment, Unfit, has_literals, merged, plain_text
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError
from tui_finetune.models.special_tokens import Piece, SpecialTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CUT = "turns after the last reply", "these turns are left out"
UNSAID = "thoughts that the chat template leaves out", "these thoughts are left out; preserve_thinking: true keeps them"
STILL_UNSAID = UNSAID[0], "these thoughts are left out: this template can't be made to keep them"
"""What may be left out of a row that is trained on, and what is said of it."""

NAMED = (
    "names of special tokens in its texts",
    "they are read as text; split_special_tokens: false makes tokens of them",
)
"""What may be in a row, and what is said of it."""


MAX_WORD = 200_000
"""Characters without a space. A tokenizer takes a word as a whole, and needs a hundred bytes and more for each character."""


def _refuse_endless_words(text: str) -> None:
    if len(text) > MAX_WORD and max(map(len, text.split()), default=0) > MAX_WORD:
        raise Unfit(f"more than {MAX_WORD:,} characters without a space")


class RowTransform:
    """Makes documents of the rows of a data set.

    Attributes:
        shape: how rows become documents.
        reason: why, and what puts conversations into words.
        masked: whether only a part of a document is trained on.
        template: the chat template that has to be saved with the tokenizer; None where none is used, or it has its own.
        notes: what was left out of the last row, and what is said of it.
    """

    def __init__(self, shape: Format, config: RunConfig, tokenizer: PreTrainedTokenizerBase | None) -> None:
        """
        Args:
            shape: as recognized.
            config: says what is trained on.
            tokenizer: without one, conversations are formatted with a plain template.
        """
        self.shape = shape
        self.reason = shape.reason
        self.masked = is_masked(shape.name, config)
        self.template: str | None = None
        self.notes: list[tuple[str, str]] = []
        self._special = SpecialTokens(tokenizer if config.split_special_tokens else None)
        self._eos: str = getattr(tokenizer, "eos_token", None) or ""
        self._renderer: Renderer | None = None
        if shape.turns:
            chosen = choose_template(tokenizer, shape.name, tools="tools" in shape.mapping)
            self.reason = f"{shape.reason}; {chosen.words}"
            self.template = None if chosen.own else chosen.source
            self._renderer = Renderer(tokenizer, chosen, masked=self.masked, preserve_thinking=config.preserve_thinking)

    @property
    def rendered(self) -> bool:
        """Whether a chat template makes the documents whole, special tokens included."""
        return self._renderer is not None

    @property
    def splits(self) -> bool:
        """Whether a document that is too long may be split; a part of a conversation makes no sense."""
        return self.shape.name == "text"

    @property
    def identity(self) -> list[object]:
        """All that the documents depend on besides rows and tokenizer, as JSON can write it."""
        source = self._renderer.template.source if self._renderer else None
        preserves = self._renderer is not None and self._renderer.preserve_thinking
        known = [self.shape.name, self.shape.mapping, self.shape.turns, self.masked, source]
        known += [] if self.shape.threshold is None else [self.shape.threshold]
        return [*known, self._special.identity, preserves]

    def end_token(self) -> int | None:
        """The id of the token that ends the assistant's turns, where a chat template has one."""
        return self._renderer.end_token() if self._renderer else None

    def example(self, row: Row, *, keep_blank: bool = False) -> Example:
        """The document in a row.

        Args:
            row: the row.
            keep_blank: whether a text of nothing but spaces, or of nothing, counts as one.

        Raises:
            Unfit: there is nothing to train on in it.
        """
        self.notes = []
        example = self._rendered(row) if self._renderer is not None else self._as_it_stands(row, keep_blank=keep_blank)
        _refuse_endless_words(plain_text(example))
        if has_literals(example):
            self.notes.append(NAMED)
        return example

    def _conversation(self, row: Row) -> tuple[list[Message], Tools | None, int]:
        """As `conversations.conversation`."""
        return conversation(row, self.shape)

    def _rendered(self, row: Row) -> Example:
        assert self._renderer is not None
        messages, tools, cut = self._conversation(row)
        example = self._renderer.example(self._special.guarded(messages), self._special.guarded(tools))
        unsaid = STILL_UNSAID if self._renderer.preserve_thinking else UNSAID
        self.notes = [note for note, holds in ((CUT, cut), (unsaid, self._renderer.left_out_thoughts)) if holds]
        return merged([part for s in example for part in _segments(self._special.restored(s.text), trained=s.trained)])

    def _as_it_stands(self, row: Row, *, keep_blank: bool) -> Example:
        part = self.shape.mapping
        if self.shape.name == "text":
            text = row.get(part["text"])
            if not isinstance(text, str) or not (keep_blank or text.strip()):
                raise Unfit("no text")
            return self._whole(text, trained=True)
        refuse_bad(row, self.shape)
        prompt, completion = scalar(row.get(part["prompt"])), scalar(row.get(part["completion"]))
        refuse_placeholders(prompt)
        if prompt is None:
            raise Unfit(f"no text in '{part['prompt']}'")
        if completion is None or not completion.strip():
            raise Unfit(f"no text in '{part['completion']}'")
        asked = _segments(self._special.split(prompt), trained=not self.masked)
        return merged([*asked, *self._whole(completion, trained=True)])

    def _whole(self, text: str, *, trained: bool) -> Example:
        """The text that a document ends with; the end-of-text token at its very end, if there is one, stays one."""
        kept = self._eos if self._eos and text.endswith(self._eos) else ""
        pieces = self._special.split(text.removesuffix(kept))
        ending = [Segment(kept, trained)] if kept else []
        return merged([*_segments(pieces, trained=trained), *ending]) or [Segment("", trained)]


def _segments(pieces: list[Piece], *, trained: bool) -> Example:
    return [Segment(piece.text, trained, piece.literal) for piece in pieces]


def is_masked(format_name: str, config: RunConfig) -> bool:
    """Whether of documents of a format only what the model is to write is trained on."""
    if format_name == "text":
        return False
    asked = config.assistant_only_loss if format_name in {"messages", "sharegpt"} else config.completion_only_loss
    return asked is not False


def documents(
    rows: Iterable[tuple[int, Row]], source: Source, transform: RowTransform, tally: Tally, *, keep_blank: bool = False
) -> Iterator[tuple[int, Example]]:
    """The documents of numbered rows, each with the number of its row.

    Args:
        rows: of the source, numbered from 0.
        source: tells the places of rows.
        transform: makes a document of a row.
        tally: takes the rows without a document, and what is left out of others.
        keep_blank: see `RowTransform.example`.
    """
    for number, row in rows:
        try:
            example = transform.example(row, keep_blank=keep_blank)
        except Unfit as unfit:
            leave_out(tally, source, number, unfit.what)
            continue
        for what, remedy in transform.notes:
            tally.add(*source.place(number), what, remedy)
        yield number, example


def leave_out(tally: Tally, source: Source, row: int, what: str) -> None:
    """Note a row that is left out, with its place."""
    tally.add(*source.place(row), what, "left out")


def none_left(source: Source, shape: Format, tally: Tally) -> UserError:
    """The error where nothing in any row can be trained on."""
    most = tally.most_frequent()
    if shape.name == "text" and (most is None or "no text" in most.message):
        return UserError(
            f"{source.name}: no row has text in '{shape.main_column}'",
            "choose another column with dataset_text_field, or other data",
            setting="dataset_text_field",
        )
    file = f"{most.file}, " if most and most.file != source.name else ""
    place = place_in(most.file, most.row) if most and most.row is not None else ""
    why = f": {most.message} ({file}{place})" if most else ""
    return UserError(
        f"{source.name}: no row can be trained on as {shape.name}{why}",
        "correct the data, or choose another dataset_format",
        setting="dataset_format",
    )
