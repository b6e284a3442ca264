"""Configuration files: read, with whatever is wrong in them named, and written in groups."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from pathlib import Path

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.errors import UserError
from tui_finetune.system.paths import refuse_strange, user_path

MAX_CONFIG_BYTES = 100_000
MAX_DEPTH = 20
"""Lists in lists; a setting needs two."""

_REMEDY = "a configuration has one `key: value` a line"


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


def read_yaml(path: Path) -> dict[str, object]:
    """The mapping in a YAML file, by key as it is written; raises UserError for whatever is wrong with it."""
    path = user_path(str(path))
    refuse_strange(path, str(path))
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UserError(
                f"{path}: too large for a configuration (more than {MAX_CONFIG_BYTES // 1000} kB)",
                "name a YAML file with settings",
            )
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file", "check the path; `finetune-tui train` alone uses the starter"
        ) from None
    except IsADirectoryError:
        raise UserError(f"{path} is a directory", "name the YAML file in it") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "check the file's permissions") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    return parse_yaml(text, str(path))


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
        raise UserError(f"{where}{line}: {error.problem or 'not YAML'}", _REMEDY) from None
    except (yaml.YAMLError, RecursionError):
        raise UserError(f"{where}: not YAML", _REMEDY) from None
    except ValueError:  # a date that is none, or an integer of thousands of digits
        raise UserError(f"{where}: a value in it can't be read", _REMEDY) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{where}: not a mapping of settings", _REMEDY)
    return {str(key): value for key, value in content.items()}


def to_yaml(
    config: RunConfig, *, only: Collection[str] | None = None, comments: Mapping[str, str] | None = None
) -> str:
    """The configuration as YAML, in groups.

    Args:
        config: the settings.
        only: the keys that are written; left out, all.
        comments: what is written behind a setting, by key.
    """
    lines: list[str] = []
    group = ""
    for key, item in settings().items():
        if only is not None and key not in only:
            continue
        if item.group != group:
            group = item.group
            lines += ["", f"# {group}"] if lines else [f"# {group}"]
        value = yaml.safe_dump(getattr(config, key), default_flow_style=True, allow_unicode=True, width=10_000)
        comment = f"  # {comments[key]}" if comments and key in comments else ""
        lines.append(f"{key}: {value.removesuffix(chr(10) + '...' + chr(10)).strip()}{comment}")
    return "\n".join(lines) + "\n"
