"""Recognizing how the rows of a data set become documents."""

from __future__ import annotations

import difflib
from collections.abc import Set
from dataclasses import replace
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.formats.columns import Columns, columns_of
from tui_finetune.data.formats.media import refuse_media
from tui_finetune.data.formats.spec import Format
from tui_finetune.data.formats.turns import ROLES, TURN_LISTS, is_turn, turns_in
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

USUAL_TEXT = ("text", "content")
PROMPTS = ("prompt", "instruction")
QUESTIONS = ("question", "query", "input")
"""Names that mean a prompt only where no column is called 'text'."""

COMPLETIONS = ("completion", "response", "output", "answer", "target")
INPUTS = ("input", "context")
LABELS = ("label", "kto_tag")
"""What tells good replies from bad ones in data for KTO."""

RATINGS = ("rating",)
"""What tells how good a reply is, as a number."""

CHOSEN, REJECTED = ("chosen", "chosen_messages"), ("rejected", "rejected_messages")
"""The better and the worse of two replies, in data that tells which was preferred."""


def recognize(rows: Dataset | Source, config: RunConfig) -> Format:
    """How the rows become documents.

    Args:
        rows: an open data set; or only its rows, where it doesn't matter that the places of mixed values aren't known.
        config: may name the format and the columns.

    Raises:
        UserError: the format can't be told, or the columns it needs aren't there or hold something else.
    """
    columns = columns_of(rows)
    source = rows if isinstance(rows, Source) else None
    found = _with_label(as_documents(columns, config, source), columns, config)
    if found.name != "text" or (config.dataset_format == "auto" and config.dataset_text_field is None):
        refuse_media(columns, found)
    note = source.note if source is not None else ""
    return replace(found, reason=f"{found.reason}; {note}") if note else found


def as_documents(columns: Columns, config: RunConfig, source: Source | None) -> Format:
    """How rows become documents, whatever column tells good ones from bad ones; see `recognize`."""
    check_columns(columns, config)
    wanted = config.dataset_format
    if wanted == "auto":
        if config.dataset_messages_field:
            wanted = "messages"
        elif config.dataset_prompt_field or config.dataset_completion_field:
            wanted = "alpaca" if config.dataset_input_field else "prompt-completion"
        elif config.dataset_text_field:
            wanted = "text"
    if wanted in {"messages", "sharegpt"}:
        return _conversation(columns, config, wanted)
    if wanted in {"prompt-completion", "alpaca"}:
        return _pair(columns, config, wanted)
    if wanted == "text":
        return _text_column(columns, config, source)
    return _guess(columns, config, source)


def check_columns(columns: Columns, config: RunConfig) -> None:
    """Raises UserError where a setting names a column that isn't there."""
    for key in _FIELDS:
        if (name := getattr(config, key)) is not None and name not in columns.kinds:
            raise _no_such_column(name, key, columns)


def _with_label(found: Format, columns: Columns, config: RunConfig) -> Format:
    """The format with the column that tells good replies from bad ones, of which only the good ones are trained on.

    Raises:
        UserError: there seems to be such a column, and nobody has said what is to become of it.
    """
    chosen = config.dataset_label_field
    if found.name == "text":
        return found
    if chosen is not None:
        threshold = label_threshold(columns, chosen, config)
        good = "true" if threshold is None else f"{threshold:g} or more"
        reason = f"{found.reason}; only rows whose '{chosen}' is {good} are trained on"
        return Format(found.name, reason, {**found.mapping, "label": chosen}, found.turns, threshold)
    label = find_label(columns)
    if label is None or label in found.mapping.values():
        return found
    rated = (
        "" if columns.is_label(label) else ", with dataset_label_threshold for the rating from which on one is good,"
    )
    raise UserError(
        f"the column '{label}' tells good replies from bad ones, and both would be trained on",
        f"set dataset_label_field: {label}{rated} to train on the good ones only, or task: kto as well to learn from both; "
        "or rename the column if it means something else",
        setting="dataset_label_field",
    )


def find_label(columns: Columns) -> str | None:
    """The column that seems to tell good replies from bad ones, by true and false or by a rating."""
    label, rating = columns.find(*LABELS), columns.find(*RATINGS)
    if label is not None and columns.is_label(label):
        return label
    return rating if rating is not None and columns.kinds[rating] == {"a number"} else None


def label_threshold(columns: Columns, label: str, config: RunConfig) -> float | None:
    """The rating from which on a reply is good; None where the column tells it by true and false.

    Raises:
        UserError: it holds something else, or ratings, and nobody has said which of them are good.
    """
    if columns.kinds[label] <= {"a number", "nothing"} and config.dataset_label_threshold is not None:
        return config.dataset_label_threshold
    if columns.is_label(label):
        return None
    if columns.kinds[label] <= {"a number", "nothing"}:
        raise UserError(
            f"the column '{label}' holds ratings, which don't say by themselves which replies are good",
            "set dataset_label_threshold to the rating from which on a reply is good",
            setting="dataset_label_threshold",
        )
    raise UserError(
        f"the column '{label}' holds no true and false",
        "choose the column that tells good replies from bad ones",
        setting="dataset_label_field",
    )


_FIELDS = (
    "dataset_chosen_field", "dataset_rejected_field", "dataset_label_field", "dataset_text_field", "dataset_messages_field", "dataset_prompt_field", "dataset_input_field",
    "dataset_completion_field",
)  # fmt: skip


def _guess(columns: Columns, config: RunConfig, source: Source | None) -> Format:
    """What the columns look like; conversations first, text last."""
    if (preferred := pair_of(columns, config)) is not None:
        return preferred[0]
    plain = next((name for name in USUAL_TEXT if name in columns.kinds and columns.is_text(name)), None)
    also = f" (set dataset_format: text to take '{plain}' instead)" if plain else ""
    if (found := _find_turns(columns)) is not None:
        name = "sharegpt" if found[1][0] == "from" else "messages"
        shape = _conversation(columns, config, name)
        return Format(shape.name, shape.reason + also, shape.mapping, shape.turns)
    names = PROMPTS if plain == "text" else PROMPTS + QUESTIONS
    prompt, completion = columns.find(*names), columns.find(*COMPLETIONS)
    if prompt and completion and all(columns.is_scalar(n) or _is_turns(columns, n) for n in (prompt, completion)):
        has_input = prompt != columns.find("input") and not _joined(prompt, completion) and columns.find(*INPUTS)
        shape = _pair(columns, config, "alpaca" if has_input else "prompt-completion", names)
        return Format(shape.name, shape.reason + also, shape.mapping, shape.turns)
    return _text_column(columns, config, source)


def pair_of(columns: Columns, config: RunConfig) -> tuple[Format, str, str] | None:
    """Data that tells which of two replies is preferred: how the better one becomes a document, its column, and that of the
    other, in whose place it stands; None where it is no such data."""
    chosen = config.dataset_chosen_field or columns.find(*CHOSEN)
    rejected = config.dataset_rejected_field or columns.find(*REJECTED)
    if chosen is None or rejected is None:
        return None
    if not all(columns.is_text(name) or _is_turns(columns, name) for name in (chosen, rejected)):
        return None
    prompt = config.dataset_prompt_field or config.dataset_messages_field or columns.find(*PROMPTS)
    if _is_whole(columns, chosen):
        prompt = None
    if prompt is None and not _is_whole(columns, chosen):
        turns = _find_turns(columns, without={chosen, rejected})
        prompt = turns[0] if turns else columns.find(*QUESTIONS)
    if prompt is not None and not columns.is_scalar(prompt) and not _is_turns(columns, prompt):
        return None
    if prompt is not None:
        fields = {"dataset_prompt_field": prompt, "dataset_completion_field": chosen}
        given = config.dataset_input_field or (columns.find(*INPUTS) if prompt.lower() == "instruction" else None)
        is_asked = given is not None and columns.is_scalar(given) and columns.is_text(prompt)
        name = "alpaca" if is_asked and columns.is_text(chosen) else "prompt-completion"
        shape = _pair(columns, config.model_copy(update=fields), name)
        mapping = shape.mapping | _others(columns, {"system": ("system",)}, {prompt, chosen})
    elif _is_turns(columns, chosen):
        shape = _conversation(columns, config.model_copy(update={"dataset_messages_field": chosen}), "messages")
        mapping = shape.mapping
    else:
        return None
    # Not joined as they stand, whatever the names: a prompt and a reply to it.
    reason = f"the better of two replies, '{chosen}', is trained on, '{rejected}' is not"
    return Format(shape.name, reason, mapping, turns=True), chosen, rejected


def _is_whole(columns: Columns, name: str) -> bool:
    """Whether a column holds whole conversations: turns of a user too, and not only the replies."""
    turns = [turn for value in columns.head(name) for turn in turns_in(value) or [] if is_turn(turn)]
    return any(ROLES.get(str(turn.get("role", turn.get("from"))).lower()) == "user" for turn in turns)


# Conversations


def _find_turns(columns: Columns, without: Set[str] = frozenset()) -> tuple[str, tuple[str, str]] | None:
    """The column with turns, and their keys; one of a usual name, or the only one."""
    usual = [name for name in map(columns.find, TURN_LISTS) if name]
    for name in usual:
        if keys := columns.turn_keys(name):
            return name, keys
    others = [(name, keys) for name in columns.kinds if name not in without and (keys := columns.turn_keys(name))]
    return others[0] if len(others) == 1 else None


def _conversation(columns: Columns, config: RunConfig, name: str) -> Format:
    chosen = config.dataset_messages_field
    if chosen is not None:
        keys = columns.turn_keys(chosen)
        if keys is None:
            raise UserError(
                f"the column '{chosen}' holds no turns with role and content, or from and value",
                f"choose another column; there are: {columns.listed()}",
                setting="dataset_messages_field",
            )
        found: tuple[str, tuple[str, str]] | None = (chosen, keys)
    else:
        found = _find_turns(columns)
    if found is None:
        raise UserError(
            f"no column holds turns with role and content, or from and value; there are: {columns.listed()}",
            "set dataset_messages_field, or another dataset_format",
            setting="dataset_messages_field",
        )
    column, keys = found
    if config.dataset_format == "auto":
        name = "sharegpt" if keys[0] == "from" else "messages"
    mapping = {"messages": column, **_others(columns, {"system": ("system",), "tools": ("tools",)}, {column})}
    return Format(name, f"'{column}' holds turns with {keys[0]} and {keys[1]}", mapping, turns=True)


def _others(columns: Columns, parts: dict[str, tuple[str, ...]], taken: set[str]) -> dict[str, str]:
    """Columns that may be there as well, by the part they play."""
    found = {part: columns.find(*names) for part, names in parts.items()}
    return {part: name for part, name in found.items() if name and name not in taken}


# Prompts and completions


def _joined(prompt: str, completion: str) -> bool:
    """Whether two columns are meant to be joined as they stand, which is what TRL's names for them say."""
    return prompt.lower() == "prompt" and completion.lower() == "completion"


def _is_turns(columns: Columns, name: str) -> bool:
    return columns.turn_keys(name) is not None


def _pair(columns: Columns, config: RunConfig, name: str, prompts: tuple[str, ...] = PROMPTS + QUESTIONS) -> Format:
    prompt = config.dataset_prompt_field or columns.find(*prompts)
    completion = config.dataset_completion_field or columns.find(*COMPLETIONS)
    for column, part in ((prompt, "prompt"), (completion, "completion")):
        if column is None:
            raise UserError(
                f"which column holds the {part}? There are: {columns.listed()}",
                f"set dataset_{part}_field, or another dataset_format",
                setting=f"dataset_{part}_field",
            )
        if not columns.is_scalar(column) and not _is_turns(columns, column):
            raise _not_text(column, f"dataset_{part}_field", columns)
    assert prompt is not None
    assert completion is not None
    if name == "alpaca":
        given = config.dataset_input_field or columns.find(*INPUTS)
        mapping = {"instruction": prompt, "output": completion}
        if given is not None and given not in {prompt, completion}:
            mapping = {"instruction": prompt, "input": given, "output": completion}
        mapping |= _others(columns, {"system": ("system",), "history": ("history",)}, set(mapping.values()))
        listed = ", ".join(f"'{column}'" for column in mapping.values())
        return Format(name, f"there are the columns {listed}", mapping, turns=True)
    mapping = {"prompt": prompt, "completion": completion}
    if _is_turns(columns, prompt) or _is_turns(columns, completion):
        mapping |= _others(columns, {"tools": ("tools",)}, set(mapping.values()))
        return Format(name, f"'{prompt}' and '{completion}' hold turns of a conversation", mapping, turns=True)
    if _joined(prompt, completion):
        return Format(name, f"'{prompt}' and '{completion}' are joined as they stand", mapping)
    mapping |= _others(columns, {"system": ("system",)}, set(mapping.values()))
    return Format(name, f"'{prompt}' and '{completion}' are a question and its reply", mapping, turns=True)


# Text


def _text_column(columns: Columns, config: RunConfig, source: Source | None) -> Format:
    chosen = config.dataset_text_field
    layout = source.layout if source is not None else ""
    if chosen is not None:
        return _text(chosen, f"the column '{chosen}' was chosen", columns)
    for name in USUAL_TEXT:
        if name in columns.kinds:
            reason = f"{source.name}: {layout}" if source and layout else f"there is a column called '{name}'"
            return _text(name, reason, columns)
    candidates = [name for name, kinds in columns.kinds.items() if "text" in kinds]
    if len(candidates) == 1:
        return _text(candidates[0], f"'{candidates[0]}' is the only column of text", columns)
    if not candidates:
        raise UserError(
            f"no column holds text; there are: {columns.listed()}",
            "choose data with a column of text",
            setting="dataset_text_field",
        )
    raise UserError(
        f"which column holds the text? There are: {columns.listed()}",
        f"set dataset_text_field, for instance to '{_longest(columns, candidates)}'",
        setting="dataset_text_field",
    )


def _text(name: str, reason: str, columns: Columns) -> Format:
    kinds = columns.kinds[name]
    others = sorted(kinds - {"text"})
    if others and "text" in kinds:
        places = columns.places.get(name, {})
        raise UserError(
            f"{places.get(others[0], 'a row')}: '{name}' is {others[0]}, elsewhere it is text",
            "make it text in every row",
            setting="dataset_text_field",
        )
    if others:
        raise _not_text(name, "dataset_text_field", columns)
    return Format("text", reason, {"text": name})


def _not_text(name: str, setting: str, columns: Columns) -> UserError:
    text = [other for other in columns.kinds if columns.is_text(other)]
    holds = ", sometimes ".join(sorted(columns.kinds[name], key=lambda kind: (kind == "text", kind)))
    return UserError(
        f"the column '{name}' holds {holds}, not text",
        f"set {setting} to one of: {', '.join(text)}" if text else "choose data with a column of text",
        setting=setting,
    )


def _no_such_column(name: str, setting: str, columns: Columns) -> UserError:
    text = [column for column in columns.kinds if columns.is_text(column)]
    near = difflib.get_close_matches(name, columns.kinds, n=1) or [c for c in text if c in USUAL_TEXT] or text
    remedy = f"did you mean '{near[0]}'?" if near else "choose data with a column of text"
    return UserError(f"there is no column '{name}'; there are: {columns.listed()}", remedy, setting=setting)


def _longest(columns: Columns, candidates: list[str]) -> str:
    """The column with the longest texts in the first rows."""
    return max(candidates, key=lambda name: sum(len(value) for value in columns.head(name) if isinstance(value, str)))
