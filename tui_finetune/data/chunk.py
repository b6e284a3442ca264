"""Documents cut into chunks that fit into a row of tokens."""

from __future__ import annotations

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.examples import RowTransform
from tui_finetune.data.segments import Example
from tui_finetune.data.tokens.tokenize import Encoder, Tokens


def is_plain(format_name: str, config: RunConfig) -> bool:
    """Whether rows are made as the plain script makes them (see `prepare.prepare`)."""
    return not config.packing and not config.train_on_eos and format_name == "text"


class Chunker:
    """Cuts documents into chunks of at most max_length tokens, as a configuration asks for."""

    def __init__(
        self,
        encoder: Encoder,
        transform: RowTransform,
        config: RunConfig,
        max_length: int,
        *,
        plain: bool | None = None,
    ) -> None:
        """
        Args:
            encoder: made the tokens.
            transform: made the documents.
            config: says what becomes of long ones.
            max_length: tokens of a row.
            plain: whether in the plain script's way; left out, as format and configuration have it.
        """
        self._encoder, self._splits, self._max_length = encoder, transform.splits, max_length
        self._strategy = config.excess_length_strategy
        self._plain = is_plain(transform.shape.name, config) if plain is None else plain

    def chunks(self, tokens: Tokens, example: Example) -> tuple[list[Tokens], str]:
        """The chunks of a document; without those in which nothing is trained on, but in the plain script's way.

        Args:
            tokens: the document.
            example: it before it was tokenized.

        Returns:
            The chunks, and where there are none, why: what its row has.
        """
        limit = self._max_length
        chunks = [tokens]
        if len(tokens.ids) > limit:
            if self._strategy == "drop":
                return [], "more than max_length tokens"
            if self._strategy == "truncate" or not self._splits:
                chunks = [self._encoder.truncated(example, limit) if self._plain else tokens.cut(0, limit)]
            else:
                chunks = [tokens.cut(start, start + limit) for start in range(0, len(tokens.ids), limit)]
        if self._plain:
            return chunks, ""
        # The first token of a row is not predicted from anything.
        chunks = [chunk for chunk in chunks if chunk.trained[1:].any()]
        return chunks, "" if chunks else out_of_reach(tokens)


def out_of_reach(tokens: Tokens) -> str:
    """What a row has whose document has nothing to train on in its first max_length tokens."""
    return "nothing to train on within max_length tokens" if tokens.trained[1:].any() else "nothing to train on"
