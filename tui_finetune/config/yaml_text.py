"""YAML as a configuration may have it, with whatever is wrong in it named."""

from __future__ import annotations

from collections.abc import Hashable

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from tui_finetune.errors import UserError

MAX_DEPTH = 20
"""Lists in lists; a setting needs two."""

REMEDY = "a configuration has one `key: value` a line"


class _Loader(yaml.SafeLoader):
    """Plain YAML: no key twice, and no aliases, a few of which can stand for gigabytes."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise ComposerError(None, None, "aliases (*name) are not supported; write the value out", mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ComposerError(None, None, "nested too deeply", self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        lines: dict[object, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in lines and isinstance(key, yaml.ScalarNode):
                problem = f"'{key.value}' is there already, in line {lines[key.value]}"
                raise ConstructorError(None, None, problem, key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                lines[key.value] = line
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, where: str) -> dict[str, object]:
    """The mapping in a text.

    Args:
        text: YAML.
        where: what it is from, for messages.

    Raises:
        UserError: it is no YAML, has a key twice or an alias, or is no mapping.
    """
    try:
        content = yaml.load(text, _Loader)  # a safe loader that takes less
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{where}{line}: {error.problem or 'not YAML'}", REMEDY) from None
    except (yaml.YAMLError, RecursionError):
        raise UserError(f"{where}: not YAML", REMEDY) from None
    except ValueError:  # a date that is none, or an integer of thousands of digits
        raise UserError(f"{where}: a value in it can't be read", REMEDY) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{where}: not a mapping of settings", REMEDY)
    return {str(key): value for key, value in content.items()}
