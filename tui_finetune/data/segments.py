"""The one form that every row of every format becomes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """A piece of a document, and whether the model is trained to write it.

    ``literal`` marks the name of a special token that stands in a text: it is read as text, not as the token.
    """

    text: str
    trained: bool
    literal: bool = False


class Unfit(Exception):
    """A row that no document can be made of.

    Args:
        what: what it has: 'no text'.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


Example = list[Segment]
"""A document: its segments in order. Their texts joined are what the model reads."""


def plain_text(example: Example) -> str:
    """The document as one text."""
    return example[0].text if len(example) == 1 else "".join(segment.text for segment in example)


def has_literals(example: Example) -> bool:
    """Whether the name of a special token stands in it as text."""
    return any(segment.literal for segment in example)


def merged(segments: Example) -> Example:
    """The same document in as few segments as it can be."""
    result: Example = []
    for segment in segments:
        if result and (result[-1].trained, result[-1].literal) == (segment.trained, segment.literal):
            result[-1] = Segment(result[-1].text + segment.text, segment.trained, segment.literal)
        elif segment.text:
            result.append(segment)
    return result


def as_read(example: Example) -> Example:
    """The document as a person reads it: what is trained on and what isn't, and no more segments than that."""
    return merged([Segment(segment.text, segment.trained) for segment in example])


def as_json(example: Example) -> list[dict[str, object]]:
    """The document as JSON has it."""
    return [{"text": segment.text, "trained": segment.trained} for segment in example]
