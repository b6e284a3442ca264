"""Conversations in the words of a chat template, with exactly what the assistant says marked as trained on.

Trained on is what the model will have to write by itself: from where a prompt for it would end (the template's
generation prompt) to the token that ends its turn. Where that is, is worked out for each shape of conversation with
marks in place of the texts (see `spans`), and checked for each conversation: where the rendering isn't exactly the
template's words with the texts between them, the conversation is refused.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tui_finetune.data.chat_template.capabilities import Capabilities, adapt
from tui_finetune.data.chat_template.choose import ChatTemplate, render
from tui_finetune.data.chat_template.spans import (
    Skeleton,
    Text,
    common,
    key_of,
    mark,
    place_texts,
    replies,
    take_apart,
    with_marks,
)
from tui_finetune.data.chat_template.thoughts import unhidden, with_thoughts
from tui_finetune.data.formats.turns import Message, Tools, turn_of
from tui_finetune.data.segments import Example, Segment, Unfit, merged
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEPT_SHAPES = 2000
CHANGED = "turns that the chat template changes in a way that can't be followed"


class Span(NamedTuple):
    """What is trained on of a turn, as positions in a skeleton: piece and character in it, for begin and end.

    ``ended`` tells whether there is a token at the end that ends the turn.
    """

    begin: tuple[int, int]
    end: tuple[int, int]
    ended: bool


class Shape(NamedTuple):
    """What conversations of one shape have in common: a skeleton, and the spans of the turns that are trained on."""

    skeleton: Skeleton
    spans: list[Span]


class Marked(NamedTuple):
    """A conversation with marks in place of its texts.

    Attributes:
        messages: with marks.
        texts: by the number of their mark.
        tools: definitions of tools; may be None.
        trained: the numbers of the messages that are trained on.
    """

    messages: list[Message]
    texts: list[Text]
    tools: Tools | None
    trained: list[int]


class Renderer:
    """Puts conversations into the words of one chat template.

    Attributes:
        left_out_thoughts: whether the template left out thoughts of the last conversation; of the texts in one, it may
            leave out only these.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase | None,
        template: ChatTemplate,
        *,
        masked: bool = True,
        preserve_thinking: bool = False,
    ) -> None:
        """
        Args:
            tokenizer: None if there is none yet.
            template: the chat template.
            masked: train on the assistant's turns only; otherwise on all.
            preserve_thinking: write thoughts that the template leaves out before their replies, where that can be done.
        """
        self.preserve_thinking = preserve_thinking
        self.tokenizer, self.template, self.masked = tokenizer, template, masked
        self.capabilities = Capabilities(self._render)
        self.eos: str = getattr(tokenizer, "eos_token", None) or ""
        added = getattr(tokenizer, "added_tokens_decoder", {}).values()
        names = sorted({str(token) for token in added} | {self.eos}, key=len, reverse=True)
        names = [name for name in names if name.strip("\u2581 \t\r\n")]  # some tokenizers add spaces
        self._tokens = re.compile(f"(?:{'|'.join(map(re.escape, names))})+") if names else None
        self._shapes: dict[str, Shape] = {}
        self.left_out_thoughts = False

    def example(self, messages: Sequence[Message], tools: Tools | None) -> Example:
        """A conversation as a document, which ends with the end of the last turn that is trained on.

        Raises:
            Unfit: the template refuses it, leaves a part of it out, or changes it so that it can't be followed.
        """
        messages, tools = adapt(messages, tools, self.capabilities, takes_input=self.template.takes_input)
        example, unsaid = self._document(messages, tools)
        if unsaid and self.preserve_thinking and (wrapped := with_thoughts(messages, unsaid, self._thought_words)):
            try:
                example, unsaid = self._document(wrapped, tools)
                example = [Segment(unhidden(segment.text), segment.trained) for segment in example]
            except Unfit:
                pass  # this template can't be followed with them
        self.left_out_thoughts = bool(unsaid)
        return example

    def _document(self, messages: Sequence[Message], tools: Tools | None) -> tuple[Example, set[int]]:
        """A conversation as a document, and the numbers of the messages whose thoughts the template leaves out."""
        trained = replies(messages)
        if not trained:
            raise Unfit("nothing to train on")
        plain = [{key: value for key, value in message.items() if key != "trained"} for message in messages]
        rendering = self._render(plain, tools)
        for only_replies in (False, True):
            marked = Marked(*with_marks(messages, only_replies=only_replies), tools, trained)
            for shape in self._shapes_of(marked, keep=not only_replies):
                starts = place_texts(rendering, shape.skeleton, marked.texts)
                if starts is not None:
                    left_out = set(range(len(marked.texts))) - set(shape.skeleton.found)
                    return self._cut(rendering, shape, starts), {marked.texts[number].message for number in left_out}
        raise Unfit(CHANGED)

    def _shapes_of(self, marked: Marked, *, keep: bool) -> Iterator[Shape]:
        """The shape as it was found before, and if that doesn't do, anew: a template may give the date."""
        key = key_of(marked.messages, [marked.trained, marked.tools]) if keep else ""
        if keep and key in self._shapes:
            yield self._shapes[key]
        shape = self._work_out(marked)
        if keep:
            if len(self._shapes) >= KEPT_SHAPES:
                self._shapes.clear()
            self._shapes[key] = shape
        yield shape

    def _render(self, messages: Sequence[Message], tools: Tools | None, *, prompt: bool = False) -> str:
        try:
            return render(self.tokenizer, self.template.source, messages, tools, prompt=prompt)
        except UserError:  # it takes too much time or memory, for this row as for any
            raise
        except Exception as error:  # the template is a program of the model's
            first = str(error).strip().splitlines()
            raise Unfit(
                f"turns that the chat template refuses ({first[0][:100] if first else type(error).__name__})"
            ) from None

    # Where the turns are

    def _work_out(self, marked: Marked) -> Shape:
        skeleton = take_apart(self._render(marked.messages, marked.tools))
        times = Counter(skeleton.found)
        for number, count in times.items():
            if number >= len(marked.texts) or (count > 1 and not marked.texts[number].named):
                raise Unfit(CHANGED)
        for number, text in enumerate(marked.texts):
            if number not in times and not text.optional:
                role = marked.messages[text.message]["role"]
                raise Unfit(f"{turn_of(role)} that the chat template leaves out")
        spans = [self._span(skeleton, marked, number) for number in marked.trained]
        bounds = [bound for span in spans for bound in (span.begin, span.end)]
        if bounds != sorted(bounds):
            raise Unfit(CHANGED)
        return Shape(skeleton, spans)

    def _span(self, skeleton: Skeleton, marked: Marked, number: int) -> Span:
        """Where the turn of the message of that number is."""
        messages, texts = marked.messages, marked.texts
        found = skeleton.found
        own = [n for n, text in enumerate(found) if texts[text].message == number and text not in found[:n]]
        if not own:
            raise Unfit("an assistant turn that the chat template leaves out")
        first, last = own[0], own[-1] + 1
        given = self._render(messages[:number], marked.tools, prompt=True)
        bare = self._render(messages[:number], marked.tools)
        done = self._render(messages[: number + 1], marked.tools)
        if any(done.count(mark(found[n])) > 1 for n in own):
            raise Unfit(CHANGED)  # the name of a tool, twice in the call itself
        asked, after = _after_mark(given, skeleton, first), _after_mark(done, skeleton, last)
        if asked is None or after is None:
            raise Unfit(CHANGED)
        header = len(given) - len(bare) if given.startswith(bare) else 0
        begin = _begin(skeleton.pieces[first], asked, header, texts[found[first]].lead)
        end, ended = self._end(after, skeleton.pieces[last], calls=bool(messages[number].get("tool_calls")))
        return Span((first, begin), (last, end), ended)

    def _end(self, after: str, rest: str, *, calls: bool) -> tuple[int, bool]:
        """How many characters behind a turn's last text still belong to it, and whether they end with a token.

        A token that ends earlier turns only, and the last one never, as in gpt-oss's templates, is not the model's to
        write: it is not trained on.

        Args:
            after: what is behind the text where the turn is the last one.
            rest: what is behind the text in this conversation, up to the next text.
            calls: whether there are tool calls behind the text.
        """
        shared = rest[: common(after, rest)]
        if self._tokens is not None:
            ends = [match.end() for match in self._tokens.finditer(shared)]
            if ends and not calls:
                return ends[0], True
            closing = self._closing() if ends else ""
            if closing and (place := shared.rfind(closing)) >= 0:
                return place + len(closing), True
            if ends:
                return ends[-1], True
        # No token ends the turn. If words do, as '### End', they belong to it.
        closing = after.rstrip()
        return (len(closing), bool(closing)) if rest.startswith(closing) else (0, False)

    def _closing(self) -> str:
        """The token, or the tokens in a row, that end a turn in this template; '' where there are none."""
        said = [{"role": "user", "content": mark(0)}, {"role": "assistant", "content": mark(1)}]
        after = take_apart(self._render(said, None)).pieces[-1]
        match = self._tokens.search(after) if self._tokens is not None else None
        return match.group() if match else ""

    def end_token(self) -> int | None:
        """The id of the token that ends a turn; None where there is none."""
        try:
            closing = self._closing()
        except Unfit:
            return None
        if self.tokenizer is None or not closing:
            return None
        ids = self.tokenizer(closing, add_special_tokens=False)["input_ids"]
        return int(ids[-1]) if ids else None

    @functools.cached_property
    def _thought_words(self) -> tuple[str, str] | None:
        """What this template writes before a thought and between it and the reply; None where it puts them so that a reply
        can't have them in its text."""
        said = [
            {"role": "user", "content": mark(0)},
            {"role": "assistant", "reasoning_content": mark(1), "content": mark(2)},
        ]
        try:
            skeleton = take_apart(self._render(said, None))
            asked = take_apart(self._render(said[:1], None, prompt=True))
        except Unfit:
            return None
        if skeleton.found != [0, 1, 2]:
            return "<think>\n", "\n</think>\n\n"
        before, between = skeleton.pieces[1:3]
        lead = before[before.rfind("<think>") :] if "<think>" in before else before[common(before, asked.pieces[-1]) :]
        has_token = self._tokens is not None and any(
            name.strip("<>/[]").lower() != "think" for text in (lead, between) for name in self._tokens.findall(text)
        )
        return None if has_token else (lead, between)

    # The document

    def _cut(self, rendering: str, shape: Shape, starts: Sequence[int]) -> Example:
        """The rendering in segments, up to the end of the last turn."""
        example: Example = []
        position = 0
        for span in shape.spans:
            begin, end = (starts[piece] + offset for piece, offset in (span.begin, span.end))
            example += [Segment(rendering[position:begin], not self.masked), Segment(rendering[begin:end], True)]
            position = end
        if not shape.spans[-1].ended:
            example.append(Segment(self.eos, True))
        return merged(example)


def _begin(words: str, asked: str, header: int, lead: str | None) -> int:
    """Where the words before a turn's first text stop being given, and those that the model has to write begin.

    Args:
        words: all that is between the text before and this one.
        asked: all that is behind the text before in a prompt for this turn.
        header: how many characters of this, at its end, are there only because it is a prompt; 0 if none are.
        lead: what stands in the message itself before its first text; None where the template's own words do.
    """
    if lead is not None and not header:
        # A template without a generation prompt: all but the spaces before the text is given.
        return len(words.removesuffix(lead.lstrip()).rstrip(" "))
    same = common(asked, words)
    if same == len(asked) or (lead is not None and same == len(words)):
        return same
    # The prompt has words that are not in this turn, as the begin of a thought. What the two share may end in the
    # middle of a word, so it is taken back to the end of a token or line.
    begin = max(words.rfind(sign, 0, same) + 1 for sign in ("\n", ">", "]"))
    if begin <= len(asked) - header:
        raise Unfit(CHANGED)
    return begin


def _after_mark(rendering: str, skeleton: Skeleton, piece: int) -> str | None:
    """What is behind the mark that a piece follows, in a rendering that ends soon after; None where it isn't there."""
    if piece == 0:
        return rendering
    sign = mark(skeleton.found[piece - 1])
    place = rendering.rfind(sign)
    return None if place < 0 else rendering[place + len(sign) :]
