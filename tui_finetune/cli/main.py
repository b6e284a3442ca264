"""The commands, one file each. This module loads neither torch nor textual; a command loads what it needs when it runs."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import NoReturn, Protocol

from tui_finetune.errors import UserError

DESCRIPTION = "Fine-tune language models in the terminal. Without a command it opens the app."


class Command(Protocol):
    """What the file of a command has."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what the command takes."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit status; raises UserError where it can't be done."""


class _Parser(argparse.ArgumentParser):
    """Complains as the rest of the program does: one line with the cause, one with the remedy, exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"`{self.prog} --help` shows how it is used")


def commands() -> Mapping[str, Command]:
    """The commands by name, in the order in which the help lists them."""
    from tui_finetune.cli import (
        attach,
        chat,
        check,
        convert,
        doctor,
        estimate,
        export,
        preview,
        queue,
        resume,
        runs,
        stop,
        sweep,
        train,
    )

    return {
        "train": train,
        "resume": resume,
        "attach": attach,
        "stop": stop,
        "sweep": sweep,
        "queue": queue,
        "runs": runs,
        "chat": chat,
        "preview": preview,
        "estimate": estimate,
        "check": check,
        "export": export,
        "convert": convert,
        "doctor": doctor,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    from tui_finetune.cli.output import write_error
    from tui_finetune.system.environment import prepare_environment
    from tui_finetune.system.output import one_gate, open_missing

    prepare_environment()
    open_missing()
    with one_gate():
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        except UserError as error:
            write_error(error)
            return 2
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            return 141
        except (SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # the panics of libraries in Rust are no Exceptions
            from tui_finetune.system.reports import bug

            write_error(bug(error))
            return 1


QUIET = frozenset({"chat", "preview", "estimate", "check", "doctor", "runs", "stop", "sweep"})
"""Commands on whose terminal libraries have nothing to say. The others lead their output to a log themselves."""


def _run(argv: list[str]) -> int:
    from tui_finetune.system.output import libraries_apart

    if not argv:  # the usual way in: no parser before the first frame
        return _open_app()
    known = commands()
    if not argv[0].startswith("-") and argv[0] not in known:
        nearest = difflib.get_close_matches(argv[0], known, n=1, cutoff=0.5)
        remedy = f"did you mean `finetune-tui {nearest[0]}`?" if nearest else "`finetune-tui --help` lists the commands"
        raise UserError(f"there is no command '{argv[0]}'", remedy)
    arguments, unknown = build_parser(argv[0]).parse_known_args(argv)
    if unknown:
        _refuse(unknown[0], arguments)
    if arguments.command is None:
        return _open_app()
    with libraries_apart() if arguments.command in QUIET else nullcontext():
        return known[arguments.command].run(arguments)


def _open_app() -> int:
    from tui_finetune.cli.open_app import open_app

    return open_app()


def _refuse(word: str, arguments: argparse.Namespace) -> NoReturn:
    """Say that a word is not understood; where it may be a setting, with the nearest one."""
    from tui_finetune.cli.flags import takes_settings
    from tui_finetune.config.aliases import key_of

    if word.startswith("--") and takes_settings(arguments):
        key_of(word[2:].split("=")[0])
    command = f"{arguments.command} " if arguments.command else ""
    raise UserError(f"'{word}' is not understood", f"`finetune-tui {command}--help` shows how it is used")


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands.

    Args:
        command: the one that is going to be parsed. Only its arguments are declared, since the flags of all settings take
            time to make. Where it is left out, or is no command, those of all are.
    """
    parser = _Parser(prog="finetune-tui", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"finetune-tui {_version()}")
    known = commands()
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, module in known.items():
        added = subparsers.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        if command not in known or name == command:
            module.add_arguments(added)
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("finetune-tui")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    raise SystemExit(main())
