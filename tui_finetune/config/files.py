"""Configuration files: read, with whatever is wrong in them named, and written in groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.config.yaml_text import parse_yaml
from tui_finetune.errors import UserError
from tui_finetune.system.paths import refuse_strange, user_path

MAX_CONFIG_BYTES = 100_000

LISTS = ("datasets", "eval_dataset")
"""Settings whose text may be a list in YAML, which is written as one."""


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
        written = getattr(config, key)
        value = yaml.safe_dump(written, default_flow_style=True, allow_unicode=True, width=10_000)
        if key in LISTS and str(written).startswith("["):
            value = written  # a list in YAML already
        comment = f"  # {comments[key]}" if comments and key in comments else ""
        lines.append(f"{key}: {value.removesuffix(chr(10) + '...' + chr(10)).strip()}{comment}")
    return "\n".join(lines) + "\n"
