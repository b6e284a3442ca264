"""A small language for stories: templates with choices, rules and variables, and how to draw a text from them.

A template is plain text with three kinds of holes:

    (kind|2:clever|)      a choice; `2:` is a weight (1 where none is given), an empty alternative means "nothing"
    <opening>             a rule: a named list of alternatives, equally likely, each a template
    {who} {who.his}       a variable: an entry of a table, and which of the entry's forms is meant

A variable is bound when the text first mentions it, and stays bound until the story ends: this is what keeps a story
about one person, in one place, with one wish. Two variables of one table never share an entry. A variable may depend
on another: `spot` drawn from `place.spots` is one of the spots of the place of this story, and where it is mentioned
first, the place is drawn with it. A form that starts with a
capital letter (`{who.His}`, `{Spot}`, `{Place.in}`) is the same form with its first letter in upper case.

Since nothing is drawn that does not show in the text, and templates are written so that no text arises in two ways
(a test parses texts back and counts), the probability of the draws is the probability of the text.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_HOLE = re.compile(r"(<\|[a-z]+\|>)|<([a-z_]+)>|\{([A-Za-z_0-9]+)(?:\.([A-Za-z_]+))?\}|([(|)])")
_WEIGHT = re.compile(r"(\d+):")


@dataclass(frozen=True)
class Literal:
    text: str


@dataclass(frozen=True)
class Rule:
    name: str


@dataclass(frozen=True)
class Variable:
    name: str
    form: str  # "" is the entry's first form
    capital: bool


@dataclass(frozen=True)
class Choice:
    weights: tuple[int, ...]
    alternatives: tuple[Template, ...]


Node = Literal | Rule | Variable | Choice
Template = tuple[Node, ...]
Bindings = Mapping[str, int]
"""Variable name -> index of its entry in its table."""


def compile_template(source: str) -> Template:
    """Parse one template. Raises ValueError where brackets do not match."""
    template, rest = _sequence(source, 0, nested=False)
    if rest != len(source):
        raise ValueError(f"unmatched bracket in template: {source!r}")
    return template


def _sequence(source: str, position: int, nested: bool) -> tuple[Template, int]:
    nodes: list[Node] = []

    def literal(text: str) -> None:
        if text:
            nodes.append(Literal(text))

    while position < len(source):
        hole = _HOLE.search(source, position)
        if hole is None:
            literal(source[position:])
            return tuple(nodes), len(source)
        token, rule, variable, form, bracket = hole.groups()
        literal(source[position : hole.start()])
        position = hole.end()
        if token:
            literal(token)
        elif rule:
            nodes.append(Rule(rule))
        elif variable:
            capital = variable[0].isupper() or (form or "a")[0].isupper()
            nodes.append(Variable(variable.lower(), (form or "").lower(), capital))
        elif bracket == "(":
            choice, position = _choice(source, position)
            nodes.append(choice)
        else:
            if not nested:
                raise ValueError(f"unmatched bracket in template: {source!r}")
            return tuple(nodes), hole.start()
    return tuple(nodes), position


def _choice(source: str, position: int) -> tuple[Choice, int]:
    weights: list[int] = []
    alternatives: list[Template] = []
    while True:
        weight = _WEIGHT.match(source, position)
        weights.append(int(weight.group(1)) if weight else 1)
        template, position = _sequence(source, weight.end() if weight else position, nested=True)
        alternatives.append(template)
        if position >= len(source):
            raise ValueError(f"unmatched bracket in template: {source!r}")
        position += 1
        if source[position - 1] == ")":
            return Choice(tuple(weights), tuple(alternatives)), position


def capitalised(template: Template) -> Template:
    """The template with the first letter in upper case; its first node must be a literal."""
    first = template[0]
    assert isinstance(first, Literal)
    return (Literal(first.text[0].upper() + first.text[1:]), *template[1:])


Entry = Mapping[str, str]
"""Form name -> template. The form `""` is the first column."""


def table(columns: str, rows: str) -> tuple[Entry, ...]:
    """Read a table: column names separated by spaces, rows by newlines, cells by ` / `."""
    names = columns.split()
    entries = []
    for line in rows.strip().splitlines():
        cells = [cell.strip() for cell in line.split(" / ")]
        if len(cells) != len(names):
            raise ValueError(f"expected {len(names)} cells ({columns}): {line!r}")
        entry = dict(zip(names, cells, strict=True))
        entry[""] = cells[0]
        entries.append(entry)
    return tuple(entries)


def rules(source: str) -> dict[str, tuple[str, ...]]:
    """Read rules: a line `name:` starts a rule, each following line that is not empty is one alternative."""
    found: dict[str, list[str]] = {}
    for line in source.strip().splitlines():
        text = line.strip()
        if re.fullmatch(r"[a-z_]+:", text):
            current = found.setdefault(text[:-1], [])
        elif text:
            current.append(text)
    return {name: tuple(alternatives) for name, alternatives in found.items()}


@dataclass(frozen=True)
class Plot:
    """One kind of story: its beats in order, what is true of it, and what can be asked about it.

    `story` is a template of rules separated by spaces; `facts` maps who, where and what to templates; `questions` are
    (question, answer) templates about a story of this plot.
    """

    story: str
    facts: Mapping[str, str]
    questions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class World:
    """A grammar: tables of entries, variables drawn from them, rules, and plots.

    `variables` maps a name to its source: a table (`people`) or a list that belongs to an entry (`place.spots`, entries
    separated by `; `).
    """

    name: str
    tables: Mapping[str, Sequence[Entry]]
    variables: Mapping[str, str]
    rules: Mapping[str, tuple[str, ...]]
    plots: Mapping[str, Plot]
    _compiled: dict[str, Template] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def compiled_rules(self) -> dict[str, Choice]:
        return {
            name: Choice((1,) * len(alternatives), tuple(self.compile(text) for text in alternatives))
            for name, alternatives in self.rules.items()
        }

    def compile(self, source: str, capital: bool = False) -> Template:
        key = f"^{source}" if capital else source
        if key not in self._compiled:
            template = compile_template(source)
            self._compiled[key] = capitalised(template) if capital else template
        return self._compiled[key]

    def parent(self, variable: str) -> str | None:
        """The variable that this one depends on, if any."""
        source = self.variables[variable]
        return source.split(".")[0] if "." in source else None

    def entries(self, variable: str, bindings: Bindings) -> Sequence[Entry]:
        """All entries that the variable could have; its parent must be bound."""
        source = self.variables[variable]
        if "." not in source:
            return self.tables[source]
        parent, column = source.split(".")
        listed = self.entries(parent, bindings)[bindings[parent]][column]
        return [{"": text} for text in listed.split("; ")]

    def free(self, variable: str, bindings: Bindings) -> list[int]:
        """The entries still free for an unbound variable: those that no variable of the same source has taken."""
        source = self.variables[variable]
        taken = {index for name, index in bindings.items() if self.variables[name] == source}
        return [index for index in range(len(self.entries(variable, bindings))) if index not in taken]

    def form(self, node: Variable, bindings: Bindings) -> Template:
        """The template of a bound variable in the form that the node asks for."""
        entry = self.entries(node.name, bindings)[bindings[node.name]]
        return self.compile(entry[node.form], node.capital)


@dataclass(frozen=True)
class Draw:
    """A text, what its variables were bound to, and the natural logarithm of its probability."""

    text: str
    bindings: dict[str, int]
    log_probability: float


def draw(world: World, template: str, rng: random.Random, bindings: Bindings | None = None) -> Draw:
    """Draw a text from a template. With `bindings`, go on from what is already bound."""
    bound = dict(bindings or {})
    parts: list[str] = []
    log_probability = 0.0
    pending: list[Node] = list(reversed(world.compile(template)))
    while pending:
        node = pending.pop()
        if isinstance(node, Literal):
            parts.append(node.text)
            continue
        if isinstance(node, Rule):
            node = world.compiled_rules[node.name]
        if isinstance(node, Choice):
            (index,) = rng.choices(range(len(node.weights)), node.weights)
            log_probability += math.log(node.weights[index] / sum(node.weights))
            pending.extend(reversed(node.alternatives[index]))
        else:
            for name in (world.parent(node.name), node.name):
                if name is not None and name not in bound:
                    free = world.free(name, bound)
                    bound[name] = rng.choice(free)
                    log_probability -= math.log(len(free))
            pending.extend(reversed(world.form(node, bound)))
    return Draw("".join(parts), bound, log_probability)
