"""What is asked, as tokens that leave room for the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui_finetune.errors import UserError
from tui_finetune.models.special_tokens import SpecialTokens, prompt_ids
from tui_finetune.models.templates import render_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Prompt = str | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """A prompt ready for the model.

    Attributes:
        ids: its tokens; at least one.
        max_new_tokens: how many may be generated so that everything fits into the model's context.
        notice: what was left out of the prompt, '' where nothing was.
    """

    ids: list[int]
    max_new_tokens: int
    notice: str


def encode(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, *, split_special_tokens: bool = True) -> list[int]:
    """The tokens of a prompt.

    Text is continued as it stands, with the special tokens that the tokenizer itself puts before a text. Messages, of
    which a last one of the assistant's is continued, go
    through the tokenizer's chat template; without one their contents are put one below the other as plain text, because
    a model that was never shown names of speakers has no use for them.

    Args:
        tokenizer: of the model.
        prompt: text to continue, or messages.
        split_special_tokens: names of special tokens in texts are text, so that nothing that is said can end a turn.

    Raises:
        UserError: the chat template refuses the messages.
    """
    special = SpecialTokens(tokenizer if split_special_tokens else None)
    if isinstance(prompt, str):
        ids = prompt_ids(tokenizer, special.split(prompt), add_special_tokens=True)
        return _without_end(tokenizer, ids)
    messages = [dict(message) for message in prompt]
    # A reply that stands at the end is gone on with.
    begun = str(messages.pop().get("content", "")) if messages and messages[-1].get("role") == "assistant" else ""
    if not tokenizer.chat_template:
        lines = "".join(f"{message.get('content', '')}\n" for message in messages)
        text = lines + begun if begun else lines.rstrip("\n")
        return encode(tokenizer, text, split_special_tokens=split_special_tokens)
    try:
        template = tokenizer.get_chat_template()
        rendering = render_template(tokenizer, template, special.guarded(messages), prompt=True)
    except UserError:
        raise
    except Exception as error:  # the template is a program of the model's
        first = str(error).strip().splitlines()
        raise UserError(
            f"the model's chat template refuses the conversation: {first[0] if first else type(error).__name__}",
            "begin a new conversation; many templates want user and assistant to take turns",
        ) from error
    ids = prompt_ids(tokenizer, special.restored(rendering), add_special_tokens=False)
    if begun:
        ids += prompt_ids(tokenizer, special.split(begun), add_special_tokens=False)
    return ids


def turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token that ends a turn of the assistant in the chat template; None where there is none."""
    if not tokenizer.chat_template:
        return None
    said = "finetune"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": said}]
    try:
        text = render_template(tokenizer, tokenizer.get_chat_template(), turns, prompt=False)
    except Exception:  # the template is a program of the model's
        return None
    closing = text.rpartition(said)[2].strip()
    ids = tokenizer(closing, add_special_tokens=False, verbose=False)["input_ids"] if closing else []
    return int(ids[0]) if ids and ids[0] in tokenizer.all_special_ids else None


def _without_end(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    """Without the end-of-text token that some tokenizers put behind a text: nothing would follow it."""
    if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:
        return ids[:-1]
    return ids


def prepare(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    *,
    context: int | None,
    max_new_tokens: int,
    split_special_tokens: bool = True,
) -> Prepared:
    """A prompt as tokens; of one that is too long the oldest part is left out.

    The answer gets the tokens that were asked for, but never so many that a long prompt keeps less than half of the
    context. Of a conversation whole messages are left out, oldest first, but not the system's; where one message alone
    is too long, its beginning.

    Args:
        context: tokens that the model can see at once, prompt and answer together; None for no limit.
        max_new_tokens: the length of the answer that is asked for.
        split_special_tokens: see `encode`.
    """
    ids = encode(tokenizer, prompt, split_special_tokens=split_special_tokens)
    if not ids:
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        ids = [start if start is not None else 0]
    if context is None:
        return Prepared(ids, max_new_tokens, "")
    room = context - min(max_new_tokens, max(context // 2, context - len(ids), 1))
    dropped = 0
    if len(ids) > room and not isinstance(prompt, str):
        kept = list(prompt)
        while len(ids) > room and (fewer := _without_oldest(kept)) is not None:
            kept = fewer
            ids = encode(tokenizer, kept, split_special_tokens=split_special_tokens)
        dropped = len(prompt) - len(kept)
    cut = max(0, len(ids) - room)
    if cut:
        starts_with_bos = ids[0] == tokenizer.bos_token_id and tokenizer.bos_token_id is not None and room > 1
        ids = [ids[0], *ids[cut + 1 :]] if starts_with_bos else ids[cut:]
    parts = []
    if dropped:
        parts.append(f"the oldest {dropped} messages" if dropped > 1 else "the oldest message")
    if cut:
        parts.append(f"the first {cut} tokens")
    notice = f"The model sees {context} tokens at once: {' and '.join(parts)} were left out." if parts else ""
    return Prepared(ids, min(max_new_tokens, context - len(ids)), notice)


def _without_oldest(messages: list[Mapping[str, Any]]) -> list[Mapping[str, Any]] | None:
    """The conversation without its oldest question and the answer to it; None where only the newest message is left.

    What remains begins with the user again: templates refuse it otherwise, and an answer alone means nothing.
    """
    said = [number for number, message in enumerate(messages) if message.get("role") != "system"]
    if len(said) < 2 or (len(said) == 2 and messages[-1].get("role") == "assistant"):
        return None
    first = next((number for number in said[1:] if messages[number].get("role") == "user"), said[-1])
    return [message for number, message in enumerate(messages) if number >= first or number not in said]
