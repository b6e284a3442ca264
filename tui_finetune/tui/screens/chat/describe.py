"""What the Chat screen says of sampling, loading and replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_finetune.chat.conversation import Conversation, Style
from tui_finetune.chat.sampling import Sampling
from tui_finetune.formatting import amount, size

if TYPE_CHECKING:
    from tui_finetune.chat.reply import Reply

HELP = (
    "Talk to a model: the one you just trained, the one it was made from, or any other. Write a line and press "
    "enter; the reply appears as it is written, and ctrl+c stops it.\n"
    "A base model knows nothing of questions and answers: it continues a text. Write the beginning of what you want "
    "to read, as 'The old lighthouse'; an empty line continues the last text. A model with a chat template was "
    "taught turns, and is talked to like a person. F2 switches between the two.\n"
    "The same prompt gives another reply each time, because the next token is drawn at random. F3 sets how freely, "
    "and with a seed the replies repeat, which is the way to compare two models."
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
    """The quiet line under a reply: its length, the speed, why it ended."""
    tokens = f"{reply.tokens:,} {'token' if reply.tokens == 1 else 'tokens'}"
    if not reply.tokens or reply.seconds <= 0:
        return f"{tokens}  ·  {ENDS[reply.stopped]}"
    rate = reply.tokens / reply.seconds
    return f"{tokens}  ·  {rate:.0f} tokens/s  ·  {ENDS[reply.stopped]}"


def hint_words(loaded: bool, style: Style, *, training: bool) -> str:
    """What an empty conversation says: how this model is talked to."""
    if not loaded:
        words = "The model is loaded with the first prompt."
    elif style == "turns":
        words = "This model was taught to talk in turns. Ask it something."
    else:
        words = "This model continues a text. Write how it begins, as “The old lighthouse”."
    return words + ("\n\nA run is training: replies are slower, and so is the run." if training else "")


LEAVE = "   (esc leaves the line)"
"""While one writes, digits are text: a way out to the other screens."""


def placeholder_words(loaded: bool, conversation: Conversation) -> str:
    """What the empty line for the prompt says."""
    if not loaded or conversation.style == "turns":
        return f"Write, and press enter{LEAVE}"
    return f"enter continues the text{LEAVE}" if conversation.text else f"The beginning of a text{LEAVE}"
