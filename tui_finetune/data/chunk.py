"""Documents in pieces that fit into a row of tokens."""

from __future__ import annotations

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.examples import Reader, out_of_reach
from tui_finetune.data.segments import Example
from tui_finetune.data.tokens.tokenize import Encoder, Tokens


def is_plain(format_name: str, config: RunConfig) -> bool:
    """Whether rows are made as the plain script makes them (see `preparation.prepare`)."""
    return not config.packing and not config.train_on_eos and format_name == "text"


class Cutter:
    """Cuts documents into pieces of at most max_length tokens, as a configuration asks for.

    Args:
        encoder: made the tokens.
        reader: made the documents.
        config: says what becomes of long ones.
        max_length: tokens of a row.
    """

    def __init__(self, encoder: Encoder, reader: Reader, config: RunConfig, max_length: int) -> None:
        self._encoder, self._splits, self._max_length = encoder, reader.splits, max_length
        self._strategy = config.excess_length_strategy
        self._plain = is_plain(reader.shape.name, config)

    def pieces(self, tokens: Tokens, example: Example | None = None) -> tuple[list[Tokens], str]:
        """The pieces of a document; without those that have nothing to learn, but in the plain script's way.

        Args:
            tokens: the document.
            example: it before it was tokenized; not needed where only the lengths of the pieces matter.

        Returns:
            The pieces, and where there are none, why.
        """
        limit = self._max_length
        pieces = [tokens]
        if len(tokens.ids) > limit:
            if self._strategy == "drop":
                return [], "more than max_length tokens"
            if self._strategy == "truncate" or not self._splits:
                cut = self._encoder.truncated(example, limit) if self._plain and example else tokens.cut(0, limit)
                pieces = [cut]
            else:
                pieces = [tokens.cut(start, start + limit) for start in range(0, len(tokens.ids), limit)]
        if self._plain:
            return pieces, ""
        # The first token of a row is not predicted from anything.
        pieces = [piece for piece in pieces if piece.trained[1:].any()]
        return pieces, "" if pieces else out_of_reach(tokens)
