"""`finetune-tui convert`: another tool's configuration as one of ours; and the table of what became of its keys."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tui_finetune.cli.output import write_line
from tui_finetune.cli.tables import table
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from tui_finetune.config.other_tools.conversion import Conversion, KeyOutcome
    from tui_finetune.config.resolve import Values

HELP = "Write another tool's configuration as one of finetune-tui's, and say what became of each key."
_SHOWN = 44


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("config_file", metavar="THEIRS.yaml", help="of axolotl, LLaMA-Factory, torchtune, LitGPT, ...")
    parser.add_argument("--to", metavar="OURS.yaml", help="the file to write; without it, standard output")


def run(arguments: Namespace) -> int:
    from tui_finetune.config.files import read_yaml, to_yaml
    from tui_finetune.config.other_tools.convert import converted
    from tui_finetune.config.resolve import resolve

    path = Path(arguments.config_file)
    conversion = converted(read_yaml(path), path.parent)
    if conversion is None:
        raise UserError(
            f"{path} is not recognized as a configuration of another tool",
            f"if it is one of finetune-tui's, it needs no conversion: `finetune-tui train {path}`",
        )
    show(conversion, sys.stderr, everything=True)
    refuse(conversion, path)
    resolved = resolve(file=conversion.settings, where=str(path))
    text = to_yaml(resolved.config, only=conversion.settings.keys(), comments=_comments(conversion))
    text = f"# From {conversion.tool}'s {path.name}.\n\n{text}"
    if arguments.to is None:
        write_line(text.rstrip("\n"))
        return 0
    try:
        with open(arguments.to, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{arguments.to} already exists", "choose another name; nothing is overwritten") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{arguments.to}: {reason}", "choose another place for the file") from None
    write_line(f"written: {arguments.to}")
    return 0


def settings_in(path: Path) -> tuple[Values, Conversion | None]:
    """The settings in a configuration file, of whatever tool it is.

    Raises:
        UserError: it can't be read, or asks for what does not exist here; the table of that is printed before.
    """
    from tui_finetune.config.files import read_yaml
    from tui_finetune.config.other_tools.convert import converted

    values = read_yaml(path)
    conversion = converted(values, path.parent)
    if conversion is None:
        return values, None
    if conversion.refused:
        show(conversion, sys.stderr)
    refuse(conversion, path)
    return conversion.settings, conversion


def refuse(conversion: Conversion, path: Path) -> None:
    """Raises UserError where the file asks for what does not exist here."""
    if not conversion.refused:
        return
    keys = ", ".join(outcome.key for outcome in conversion.refused[:3])
    more = f" and {len(conversion.refused) - 3} more" if len(conversion.refused) > 3 else ""
    raise UserError(
        f"{path} is a configuration of {conversion.tool}, and asks for what does not exist here: {keys}{more}",
        "remove these keys, or change them as the table above says",
    )


def show(conversion: Conversion, stream: TextIO, *, everything: bool = False) -> None:
    """Print what became of the keys.

    Args:
        conversion: of the file.
        stream: where to.
        everything: also those that are set as they are, and those that ask for nothing; otherwise those that are ignored or
            refused.
    """
    chosen = [each for each in conversion.outcomes if everything or each.outcome in {"ignored", "refused"}]
    if not chosen:
        return
    write_line(f"{conversion.tool}:", stream)
    rows = [(each.key, _short(each.value), _became(each)) for each in chosen]
    for line in table(("key", "value", "becomes"), rows):
        write_line(f"  {line}", stream)


def _became(outcome: KeyOutcome) -> str:
    reason = f"; {outcome.reason}" if outcome.reason else ""
    if outcome.outcome == "set":
        return ", ".join(f"{key}: {_short(value)}" for key, value in outcome.settings.items()) + reason
    if outcome.outcome == "silent":
        return "nothing: it is so anyway, or empty"
    return f"{'✗ ' if outcome.outcome == 'refused' else 'ignored: '}{outcome.reason}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _comments(conversion: Conversion) -> Mapping[str, str]:
    """Which key of theirs each setting is from."""
    found = dict.fromkeys(conversion.settings, "as without it there")
    for outcome in conversion.outcomes:
        found.update(dict.fromkeys(outcome.settings, outcome.key))
    return found
