"""What the Chat screen says of sampling, loading and replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_finetune.chat.conversation import Conversation, Style
from tui_finetune.chat.reply import mean_loss
from tui_finetune.chat.sampling import Sampling
from tui_finetune.formatting import amount, size

if TYPE_CHECKING:
    from tui_finetune.chat.reply import Reply, Token
    from tui_finetune.chat.targets import ChatTarget

HELP = (
    "Talk to a model: the one you just trained, the one it was made from, the run that is still going, or any other. Write "
    "and press enter; the reply appears as it is written, and esc or ctrl+c stops it.\n"
    "A base model knows nothing of questions and answers: it continues a text. Write the beginning of what you want "
    "to read, as 'The old lighthouse'; an empty line continues the last text. A model with a chat template was "
    "taught turns, and is talked to like a person. F2 changes between the two.\n"
    "F5 gives the same prompt to the model before and after its training, side by side, with the same seed; the words in "
    "which they differ are bold and underlined. /compare with names takes any two to four models.\n"
    "A run that is going answers after its step, as the model it is then, and trains on as if nobody had said a word; what "
    "it cost is said below the reply.\n"
    "The same prompt gives another reply each time, because the next token is drawn by chance. F3 sets how freely, "
    "and with a seed the replies repeat. F6 shows how sure the model was of each token, and what else it thought of.\n"
    "/row asks what a row of the evaluation data asks, and shows the answer expected with each model's loss on it; F6 then "
    "shows which of its words surprise the model.\n"
    "A line that begins with / is a command: /help lists them, tab completes."
)


ENDS = {"end": "ended by itself", "length": "cut at its longest: F3 changes that", "cancelled": "stopped"}
"""Why a reply ended, in words."""


def sampling_words(sampling: Sampling) -> str:
    """The sampling settings in a line; those that are off are left out."""
    parts = [f"temperature {sampling.temperature:g}"]
    if sampling.top_p < 1:
        parts.append(f"top_p {sampling.top_p:g}")
    if sampling.top_k:
        parts.append(f"top_k {sampling.top_k}")
    if sampling.min_p:
        parts.append(f"min_p {sampling.min_p:g}")
    if sampling.repetition_penalty != 1:
        parts.append(f"repetition_penalty {sampling.repetition_penalty:g}")
    parts.append(f"at most {sampling.max_new_tokens:,} tokens")
    if sampling.seed is not None:
        parts.append(f"seed {sampling.seed}")
    return "  ·  ".join(parts)


def progress_words(done: int, total: int | None, unit: str) -> str:
    """How far a load is: '  120.0 MB of 1.2 GB' or '  40 %'."""
    if unit in {"bytes", "B"}:
        return f"  {size(done)} of {size(total)}" if total else f"  {size(done)}"
    if total:
        return f"  {100 * done // total} %"
    return f"  {amount(done)} {unit}" if done else ""


def done_words(reply: Reply) -> str:
    """The quiet line under a reply: its length, the speed, the time to its first token, why it ended, what it cost."""
    parts = [f"{reply.tokens:,} {'token' if reply.tokens == 1 else 'tokens'}"]
    if reply.rate is not None:
        parts.append(f"{reply.rate:.0f} tokens/s")
    if reply.first_seconds is not None:
        first = reply.first_seconds
        parts.append(f"first after {first * 1000:.0f} ms" if first < 0.9995 else f"first after {first:.1f} s")
    parts.append(ENDS[reply.stopped])
    if reply.step is not None:
        parts.append(f"at step {reply.step:,}")
    if reply.cost is not None:
        parts.append(f"the run waited {reply.cost:.1f} s")
    return "  ·  ".join(parts)


def row_words(reply: Reply, expected: Sequence[Token]) -> str:
    """The line under a reply to a row of the data, with the loss on the answer that the row has."""
    loss = mean_loss(expected)
    return done_words(reply) + ("" if loss is None else f"  ·  loss {loss:.2f} on the answer expected")


def hint_words(loaded: bool, style: Style, *, training: bool) -> str:
    """What an empty conversation says: how this model is talked to."""
    if not loaded:
        words = "The model is loaded with the first prompt."
    elif style == "turns":
        words = "This model was taught to talk in turns. Ask it something."
    else:
        words = "This model continues a text. Write how it begins, as “The old lighthouse”."
    return words + ("\n\nA run is training: replies are slower, and so is the run." if training else "")


def placeholder_words(loaded: bool, conversation: Conversation, *, focused: bool = True) -> str:
    """What the empty line for the prompt says."""
    if not focused:
        return "Just write, or press enter, to come back to this line"
    leave = "   (esc leaves the line, /help)"
    if not loaded or conversation.style == "turns":
        return f"Write, and press enter{leave}"
    return f"enter continues the text{leave}" if conversation.text else f"The beginning of a text{leave}"


def kind_words(target: ChatTarget | None, style: Style, *, loaded: bool) -> str:
    """A word or two on how the model is talked to."""
    if not loaded:
        return "not loaded yet"
    kind = "chat turns" if style == "turns" else "continues text"
    return f"{kind}, answers after its step" if target is not None and target.is_live else kind
