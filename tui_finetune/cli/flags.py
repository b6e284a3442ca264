"""Settings and flags: every setting of a run is a flag, and what is given is read back as settings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from tui_finetune.config.fields import Setting
    from tui_finetune.config.resolve import Resolved

_PREFIX = "setting_"


class _Switch(TypedDict, total=False):
    """How argparse takes a flag that may stand alone."""

    nargs: str
    const: str


_ALONE: _Switch = {"nargs": "?", "const": "true"}


def spellings(*names: str) -> list[str]:
    """The flags of these names, each with underscores and with dashes, none twice."""
    return list(dict.fromkeys(flag for name in names for flag in (f"--{name}", f"--{name.replace('_', '-')}")))


def add_settings(parser: argparse.ArgumentParser, *, presets: bool = True) -> None:
    """Add every setting as a flag, and its other names.

    Args:
        parser: that of the command.
        presets: whether the command takes a preset too.
    """
    from tui_finetune.config.aliases import COMBINED
    from tui_finetune.config.presets import PRESETS
    from tui_finetune.config.schema import GROUPS, settings

    if presets:
        parser.add_argument("--preset", choices=list(PRESETS), help="settings to start from")
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    for item in settings().values():
        _add_setting(groups[item.group], item)
    for name in COMBINED:
        parser.add_argument(*spellings(name), dest=_PREFIX + name, help=argparse.SUPPRESS, **_ALONE)


def _add_setting(group: argparse._ArgumentGroup, item: Setting) -> None:
    """Only the key itself is in the help; the other spellings and names are taken all the same."""
    first, *others = spellings(item.key, *item.aliases)
    alone: _Switch = _ALONE if item.kind == "bool" else {}
    metavar = "|".join(item.choices) if 0 < len(item.choices) <= 4 else item.kind.upper()
    text = f"{item.help} [{item.default_shown}]".replace("%", "%%")
    group.add_argument(first, dest=_PREFIX + item.key, metavar=metavar, help=text, **alone)
    for name in others:
        group.add_argument(name, dest=_PREFIX + item.key, help=argparse.SUPPRESS, **alone)


def add_config_file(parser: argparse.ArgumentParser) -> None:
    """Let the command take a configuration file."""
    parser.add_argument("config_file", nargs="?", metavar="CONFIG.yaml", help="settings, one `key: value` a line")


def add_run(parser: argparse.ArgumentParser) -> None:
    """Let the command take a run."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's name or directory; the newest if left out")


def given_settings(arguments: argparse.Namespace) -> dict[str, str]:
    """The settings among parsed arguments, as they were given."""
    found = {name.removeprefix(_PREFIX): value for name, value in vars(arguments).items() if name.startswith(_PREFIX)}
    return {name: value for name, value in found.items() if value is not None}


def takes_settings(arguments: argparse.Namespace) -> bool:
    """Whether the command takes settings as flags."""
    return any(name.startswith(_PREFIX) for name in vars(arguments))


def resolved_from(arguments: argparse.Namespace, **more: str) -> Resolved:
    """The configuration that a command's arguments amount to.

    Args:
        arguments: parsed, with settings, a preset, and a configuration file if the command takes one.
        more: settings that the command was given otherwise.

    Raises:
        UserError: something in it is not allowed.
    """
    from tui_finetune.cli.convert import settings_in
    from tui_finetune.config.resolve import resolve
    from tui_finetune.models.catalog import model_settings

    path: str | None = getattr(arguments, "config_file", None)
    return resolve(
        {**given_settings(arguments), **more},
        settings_in(Path(path))[0] if path else None,
        preset_name=arguments.preset,
        model_settings=model_settings,
        where=path or "",
    )
