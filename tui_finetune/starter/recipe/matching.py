"""Parsing texts back into derivations of the grammar."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .grammar import Bindings, Choice, Literal, Node, Rule, Template, World

_Pending = tuple[Node, "_Pending"] | None


@dataclass(frozen=True)
class Derivation:
    """One way in which a template yields a text: the bindings it needs and its log-probability in nats."""

    bindings: dict[str, int]
    log_probability: float


def _push(template: Template, rest: _Pending) -> _Pending:
    for node in reversed(template):
        rest = (node, rest)
    return rest


def derivations(world: World, template: str, text: str, bindings: Bindings | None = None) -> Iterator[Derivation]:
    """Every derivation of exactly `text` from `template`, given what is already bound.

    A variable whose parent is unbound (a spot, when the place has not been named) may belong to any parent; the
    log-probability then counts the parent's draw too.
    """
    stack: list[tuple[_Pending, int, dict[str, int], float]] = [
        (_push(world.compile(template), None), 0, dict(bindings or {}), 0.0)
    ]
    while stack:
        pending, position, bound, log_probability = stack.pop()
        while pending is not None:
            node, pending = pending
            if isinstance(node, Literal):
                if not text.startswith(node.text, position):
                    break
                position += len(node.text)
                continue
            if isinstance(node, Rule):
                node = world.compiled_rules[node.name]
            if isinstance(node, Choice):
                total = sum(node.weights)
                for weight, alternative in zip(node.weights, node.alternatives, strict=True):
                    logp = log_probability + math.log(weight / total)
                    stack.append((_push(alternative, pending), position, bound, logp))
                break
            if node.name in bound:
                pending = _push(world.form(node, bound), pending)
                continue
            parent = world.parent(node.name)
            missing = parent if parent is not None and parent not in bound else node.name
            free = world.free(missing, bound)
            for index in free:
                logp = log_probability - math.log(len(free))
                stack.append(((node, pending), position, {**bound, missing: index}, logp))
            break
        else:
            if position == len(text):
                yield Derivation(bound, log_probability)
