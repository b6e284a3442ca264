"""The formats that data may have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FormatExample:
    """A format that data may have: its name, what it is, and a row of it as JSON. For the reference and for help."""

    name: str
    summary: str
    row: str


FORMATS = (
    FormatExample("text", "text, all of which is trained on", '{"text": "Once upon a time ..."}'),
    FormatExample(
        "prompt-completion",
        "a prompt and what follows it; also instruction and response, question and answer, or of two replies the chosen one",
        '{"prompt": "The capital of France is", "completion": " Paris."}',
    ),
    FormatExample(
        "messages",
        "a conversation of turns with role and content",
        '{"messages": [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello. Yes?"}]}',
    ),
    FormatExample(
        "alpaca",
        "an instruction, an input that it is about (or none), and the output",
        '{"instruction": "Translate to French.", "input": "Good morning", "output": "Bonjour"}',
    ),
    FormatExample(
        "sharegpt",
        "a conversation of turns with from and value",
        '{"conversations": [{"from": "human", "value": "Hello!"}, {"from": "gpt", "value": "Hello. Yes?"}]}',
    ),
)


@dataclass(frozen=True)
class Format:
    """How a row becomes a document.

    Attributes:
        name: a name of FORMATS.
        reason: why it was recognized as that, in words.
        mapping: the part that a column plays, to the column's name. Parts are 'text'; 'prompt' and 'completion';
            'messages' and, where there is such a column, 'tools'; 'instruction', 'input', 'output' and 'history'. All of
            them but the first may have 'system'.
        turns: whether rows become the turns of a conversation, which a chat template puts into words; otherwise their
            parts are joined as they stand.
        threshold: where there is a 'label', the rating from which on a row is trained on; None for true and false.
    """

    name: str
    reason: str
    mapping: dict[str, str]
    turns: bool = False
    threshold: float | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that are needed."""
        return list(dict.fromkeys(self.mapping.values()))

    @property
    def main_column(self) -> str:
        """The column without which there is nothing to train on."""
        return next(self.mapping[part] for part in ("text", "messages", "completion", "output") if part in self.mapping)
