"""The commands. Each imports what it needs when it runs: this module loads neither torch nor textual."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tui_finetune.errors import UserError

DESCRIPTION = "Fine-tune language models in the terminal. Without a command it opens the app."


class _Parser(argparse.ArgumentParser):
    """Complains as the rest of the program does: one line with the cause, one with the remedy, exit status 2."""

    commands: Mapping[str, Any] = {}

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"`{self.prog} --help` shows how it is called")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    from tui_finetune.cli.output import write_error
    from tui_finetune.system.output import open_missing

    open_missing()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        write_error(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141


def _run(argv: list[str]) -> int:
    if not argv:  # the usual way in: no parser, whose flags need all settings, before the first frame
        from tui_finetune.cli.open_app import open_app

        return open_app()
    parser = build_parser(argv[0])
    if not argv[0].startswith("-") and argv[0] not in parser.commands:
        nearest = difflib.get_close_matches(argv[0], parser.commands, n=1, cutoff=0.5)
        remedy = f"did you mean `finetune-tui {nearest[0]}`?" if nearest else "`finetune-tui --help` lists the commands"
        raise UserError(f"there is no command '{argv[0]}'", remedy)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        _refuse(unknown[0], arguments.command)
    if arguments.command is None:
        from tui_finetune.cli.open_app import open_app

        return open_app()
    return int(arguments.handler(arguments))


def _refuse(word: str, command: str | None) -> NoReturn:
    from tui_finetune.config.resolve import key_of

    if word.startswith("--") and command in {"train", "resume", "preview", "estimate"}:
        key_of(word[2:].split("=")[0])
    raise UserError(f"'{word}' is not understood", f"`finetune-tui {command or ''} --help`".replace("  ", " "))


def build_parser(command: str | None = None) -> _Parser:
    """The parser of all commands.

    Args:
        command: the one that is going to be parsed: only this one gets its flags for settings, which take time to make.
            Left out, all do.
    """
    from tui_finetune.cli import handlers

    parser = _Parser(prog="finetune-tui", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"finetune-tui {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    parser.commands = commands.choices

    def add(name: str, help: str, handler: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.set_defaults(handler=handler)
        return added

    def add_settings(parser: argparse.ArgumentParser, *, presets: bool = True) -> None:
        if command is None or parser is commands.choices.get(command):
            _add_settings(parser, presets=presets)

    train = add("train", "Train without the app; with no arguments, the starter on a sample data set.", handlers.train)
    train.add_argument("config_file", nargs="?", metavar="CONFIG.yaml", help="settings, one `key: value` a line")
    train.add_argument("--json", action="store_true", help="write events to standard output, one JSON object a line")
    train.add_argument("--dry-run", action="store_true", help="check everything and stop")
    add_settings(train)

    resume = add(
        "resume", "Go on with a run from its newest checkpoint, also with more epochs or steps.", handlers.resume
    )
    _add_run(resume)
    resume.add_argument("--json", action="store_true", help="write events to standard output, one JSON object a line")
    add_settings(resume, presets=False)

    _add_run(add("attach", "Open the app on a run that is going elsewhere on this machine.", handlers.attach))
    _add_run(add("stop", "Ask a live run to save and end, and wait for it.", handlers.stop))

    runs = add("runs", "List the runs.", handlers.runs)
    runs.add_argument("--json", action="store_true", help="as a JSON list")

    chat = add("chat", "Talk to a model.", handlers.chat)
    chat.add_argument("model", nargs="?", metavar="RUN or MODEL", help="a run, a folder, a hub name or 'starter'")
    chat.add_argument(
        "--prompt", action="append", metavar="TEXT", help="print what follows it, and end; may be repeated"
    )
    for name, kind in (
        ("temperature", float),
        ("top_p", float),
        ("top_k", int),
        ("max_new_tokens", int),
        ("seed", int),
    ):
        chat.add_argument(f"--{name.replace('_', '-')}", f"--{name}", dest=name, type=kind, metavar="N")

    preview = add("preview", "Show what a data set is and what will be learned from it.", handlers.preview)
    preview.add_argument("dataset", metavar="DATASET", help="a sample, a file, a folder or a hub name")
    preview.add_argument("--json", action="store_true", help="as one JSON object")
    add_settings(preview)

    estimate = add(
        "estimate", "Parameters, memory, steps, time and disk of a run, and whether it fits.", handlers.estimate
    )
    estimate.add_argument("config_file", nargs="?", metavar="CONFIG.yaml", help="settings, one `key: value` a line")
    estimate.add_argument("--json", action="store_true", help="as one JSON object")
    add_settings(estimate)

    doctor = add("doctor", "Check device, versions, cache, network and terminal.", handlers.doctor)
    doctor.add_argument("--json", action="store_true", help="as a JSON list")
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("finetune-tui")
    except PackageNotFoundError:
        return "(not installed)"


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's name or directory; the newest if left out")


def _add_settings(parser: argparse.ArgumentParser, *, presets: bool = True) -> None:
    """Every setting as a flag, written with underscores or dashes, and under its aliases."""
    from tui_finetune.config.presets import PRESETS
    from tui_finetune.config.resolve import COMBINED
    from tui_finetune.config.schema import settings

    if presets:
        parser.add_argument("--preset", choices=list(PRESETS), help="settings to start from")
    groups: dict[str, Any] = {}
    for key, item in settings().items():
        group = (
            groups.setdefault(item.group, parser.add_argument_group(item.group))
            if item.group not in groups
            else (groups[item.group])
        )
        names = dict.fromkeys(n for name in (key, *item.aliases) for n in (f"--{name}", f"--{name.replace('_', '-')}"))
        text = f"{item.help} [{item.show(item.default)}]".replace("%", "%%")
        options: dict[str, Any] = {"nargs": "?", "const": "true"} if item.kind == "bool" else {}
        metavar = "|".join(item.choices) if 0 < len(item.choices) <= 4 else item.kind.upper()
        first, *others = names
        group.add_argument(first, dest=f"setting_{key}", metavar=metavar, help=text, **options)
        for name in others:
            group.add_argument(name, dest=f"setting_{key}", help=argparse.SUPPRESS, **options)
    for name in COMBINED:
        flags = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
        parser.add_argument(*flags, dest=f"setting_{name}", nargs="?", const="true", help=argparse.SUPPRESS)


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings among parsed arguments, as they were given."""
    prefix = "setting_"
    return {k.removeprefix(prefix): v for k, v in vars(arguments).items() if k.startswith(prefix) and v is not None}


if __name__ == "__main__":
    raise SystemExit(main())
