"""Chat templates of models, which are programs of strangers, rendered within bounds of time and size.

A template is rendered as transformers does it, in its environment, which lets nothing out. What it lacks are bounds: a few
characters can stand for gigabytes (`"a" * 3000000000`), a few loops for hours. Here every loop, operator, filter and call
that can make much of little is counted first.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from jinja2 import Template
    from transformers import PreTrainedTokenizerBase

MAX_SOURCE = 256 * 1024
"""Characters of a template. The longest in use have a fifth of it."""

MAX_SECONDS = 2.0
"""Time that one rendering takes. Usual ones take less than a millisecond."""

MAX_CHARACTERS = 16_000_000
TIMES_THE_INPUT = 50
"""What a rendering may make of texts and lists in all: so many characters and items, and as many times its input."""

MAX_NUMBER = 10_000
MAX_BITS = 4096
_WIDTH = re.compile(r"\d{5,}|\*")
_COUNTED = "counted__"
_FORMATS = frozenset({"format", "format_map", "strftime_now", "do_format"})
_JOINS = frozenset({"join", "do_join", "sync_do_join"})


class OverBudget(Exception):
    """A template takes too much time, or makes too much of its input."""


class Budget:
    """What one rendering has used up.

    Args:
        size: characters of the conversation.
        clock: seconds.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._left = MAX_CHARACTERS + TIMES_THE_INPUT * size
        self._clock = clock
        self._end = clock() + MAX_SECONDS

    def take(self, count: int) -> None:
        """Raise OverBudget where so many characters or items more are too many, or the time is over."""
        self._left -= count
        if self._left < 0:
            raise OverBudget("it makes too much text of a conversation")
        if self._clock() > self._end:
            raise OverBudget("it takes too long")


class _Counted:
    """Something to loop over, of which every item is counted."""

    def __init__(self, items: Iterable[object], budget: Budget) -> None:
        self._items, self._budget = items, budget

    def __iter__(self) -> Iterator[object]:
        take = self._budget.take
        for item in self._items:
            take(1)
            yield item


class _CountedSized(_Counted):
    """The same where it is known how many there are, which templates may ask for."""

    def __len__(self) -> int:
        assert isinstance(self._items, Sized)
        return len(self._items)


def _length(value: object) -> int:
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 1


class Limits:
    """What is added to the environment of transformers.

    Attributes:
        budget: of the rendering that is going.
    """

    budget: Budget
    intercepted_binops = frozenset({"+", "*", "**", "%", "//"})

    def call_binop(self, context: object, operator: str, left: object, right: object) -> object:
        """An operator, after a look at what it would make."""
        if operator == "*":
            self.budget.take(_times(left, right))
        elif operator == "**":
            if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > MAX_BITS:
                raise OverBudget("it makes a number that is too long")
        elif operator == "%" and isinstance(left, str):
            if _WIDTH.search(left):
                raise OverBudget("it makes too much text of little")
            self.budget.take(len(left))
        elif operator == "+":
            self.budget.take(_length(left) + _length(right))
        return super().call_binop(context, operator, left, right)  # type: ignore[misc]

    def call(__self, __context: object, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """A function or method, after a look at what it would make."""
        name = getattr(__obj, "__name__", "")
        args = _listed(name, args, __self.budget)
        _check_call(__self.budget, name, getattr(__obj, "__self__", None), args, kwargs)
        return super().call(__context, __obj, *args, **kwargs)  # type: ignore[misc]

    def wrap_str_format(self, value: Any) -> Any:
        """The methods format and format_map, after a look at the text that they belong to."""
        text = getattr(value, "__self__", None)
        if isinstance(text, str) and getattr(value, "__name__", "") in _FORMATS and _WIDTH.search(text):
            raise OverBudget("it makes too much text of little")
        return super().wrap_str_format(value)  # type: ignore[misc]

    def join_counted(self, parts: Sequence[object]) -> str:
        """The operator ~."""
        texts = [str(part) for part in parts]
        self.budget.take(sum(map(len, texts)))
        return "".join(texts)

    def _parse(self, source: str, name: str | None, filename: str | None) -> Any:
        from jinja2 import nodes

        tree = super()._parse(source, name, filename)  # type: ignore[misc]
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
        return tree


def _times(left: object, right: object) -> int:
    for text, number in ((left, right), (right, left)):
        if isinstance(text, (str, list, tuple)) and isinstance(number, int):
            return len(text) * max(int(number), 0)
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > MAX_BITS:
        raise OverBudget("it makes a number that is too long")
    return 1


def _check_call(budget: Budget, name: str, of: object, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
    """Raise OverBudget where a call makes much of little: a width or count that is too large, a text put in often.

    Args:
        budget: is told what is made.
        name: of the function, method or filter.
        of: what the method belongs to.
        args, kwargs: what it is given.
    """
    given = [*args, *kwargs.values()]
    if any(isinstance(value, int) and abs(value) > MAX_NUMBER for value in given) and name != "range":
        raise OverBudget("it asks for a number that is too large")
    texts = [value for value in (of, *given) if isinstance(value, str)]
    budget.take(sum(map(len, texts)))
    if name in _FORMATS and any(map(_WIDTH.search, texts)):
        raise OverBudget("it makes too much text of little")
    if name in {"replace", "do_replace"} and len(texts) >= 3:
        budget.take((texts[0].count(texts[1]) if texts[1] else len(texts[0]) + 1) * len(texts[2]))
    if name in _JOINS:
        most = max(map(len, texts), default=0)
        budget.take(
            most * max((len(value) for value in given if isinstance(value, (str, list, tuple, dict))), default=0)
        )


def _listed(name: str, args: tuple[object, ...], budget: Budget) -> tuple[object, ...]:
    """The arguments; where they are joined, as lists, of which it is known how long they are."""
    if name not in _JOINS:
        return args
    return tuple(list(_Counted(value, budget)) if isinstance(value, Iterator) else value for value in args)


def _bounded_filter(environment: Limits, name: str, function: Callable[..., object]) -> Callable[..., object]:
    """A filter, after a look at what it would make."""

    @functools.wraps(function)
    def bounded(*args: object, **kwargs: object) -> object:
        args = _listed(name, args, environment.budget)
        _check_call(environment.budget, name, None, args, kwargs)
        result = function(*args, **kwargs)
        environment.budget.take(_length(result))
        return result

    return bounded


@functools.lru_cache(maxsize=16)
def _compiled(source: str) -> Template:
    """The template in the environment of transformers, with limits."""
    from jinja2 import nodes
    from jinja2.compiler import CodeGenerator, Frame
    from transformers.utils import chat_template_utils

    class Generator(CodeGenerator):
        def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
            self.write("environment.join_counted((")
            for part in node.nodes:
                self.visit(part, frame)
                self.write(", ")
            self.write("))")

    if len(source) > MAX_SOURCE:
        raise OverBudget(f"it has more than {MAX_SOURCE // 1024} KiB")
    theirs = chat_template_utils._compile_jinja_template("").environment
    kind: Any = type("BoundedEnvironment", (Limits, type(theirs)), {})
    environment = object.__new__(kind)  # as its own overlay() does it
    environment.__dict__.update(theirs.__dict__)
    environment.overlayed, environment.linked_to, environment.cache = True, theirs, None
    environment.extensions = {key: extension.bind(environment) for key, extension in theirs.extensions.items()}
    environment.code_generator_class = Generator
    environment.budget = Budget(0)
    filters = {name: _bounded_filter(environment, name, function) for name, function in theirs.filters.items()}
    filters[_COUNTED] = lambda items: (_CountedSized if isinstance(items, Sized) else _Counted)(
        items, environment.budget
    )
    environment.filters = filters
    made: Template = environment.from_string(source)
    return made


def render_template(
    tokenizer: PreTrainedTokenizerBase | None,
    source: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Any] | None = None,
    *,
    prompt: bool,
) -> str:
    """A conversation in words.

    Args:
        tokenizer: for its special tokens; may be None.
        source: the template, in Jinja.
        messages: what is said.
        tools: definitions of tools; may be None.
        prompt: whether it ends where the assistant begins.

    Raises:
        UserError: the template takes too much time or makes too much of the conversation.
        Exception: whatever the template raises.
    """
    from transformers.utils import chat_template_utils

    # What transformers does with what a template sees, as far as its version does it.
    plain = getattr(chat_template_utils, "_plain_template_data", lambda value: value)
    alias = getattr(chat_template_utils, "_alias_reasoning_fields", lambda chat: chat)
    special = dict(tokenizer.special_tokens_map) if tokenizer is not None else {}
    try:
        template = _compiled(source)
        chat = alias(plain([dict(message) for message in messages]))
        environment: Any = template.environment
        environment.budget = Budget(_size(chat) + _size(tools))
        parts: list[str] = []
        values = {"messages": chat, "tools": plain(tools), "documents": None, "add_generation_prompt": prompt}
        for part in template.generate(**values, **plain(special)):
            environment.budget.take(len(part))
            parts.append(part)
    except OverBudget as error:
        raise UserError(
            f"the model's chat template can't be used: {error}",
            "choose another model, or take chat_template out of its tokenizer's files",
            setting="model_name_or_path",
        ) from None
    return "".join(parts)


def _size(value: object) -> int:
    """The characters in texts, all the way down."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(key) + _size(item) for key, item in value.items())
    return sum(map(_size, value)) if isinstance(value, (list, tuple)) else 1
