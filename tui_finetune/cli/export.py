"""`finetune-tui export`: takes what a run made elsewhere."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.cli.flags import add_run
from tui_finetune.cli.output import write_line, write_text
from tui_finetune.cli.tables import table
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.formatting import size

if TYPE_CHECKING:
    from tui_finetune.export.subject import Subject
    from tui_finetune.export.target import Made, Target

HELP = "Take what a run made elsewhere: as a script, a data set, a GGUF file, to the hub, ..."

NAMES = ("merged", "gguf", "ollama", "hub", "script", "dataset")
KINDS = ("f16", "q8_0", "q5_0", "q4_0")


def add_arguments(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--to", choices=NAMES, help="what to make; left out, what can be made is listed")
    parser.add_argument("--out", metavar="PATH", help="where it goes; a folder `exports` beside the runs if left out")
    parser.add_argument("--checkpoint", metavar="best|N", help="the model of a checkpoint instead of the final one")
    parser.add_argument("--type", choices=KINDS, help="number format of a GGUF file [f16]")
    parser.add_argument("--repo", metavar="NAME", help="repository on the hub, as me/my-model")
    parser.add_argument("--public", action="store_true", help="let everybody see the repository; private if left out")
    parser.add_argument("--dry-run", action="store_true", help="only list the files that would be uploaded")


def run(arguments: Namespace) -> int:
    subject = _subject(arguments.run, arguments.checkpoint)
    if arguments.to is None:
        _list(subject)
        return 0
    return _export(_target(arguments), subject, Path(arguments.out) if arguments.out else None)


def _subject(name: str | None, which: str | None) -> Subject:
    """What is meant by a run's name or directory, or by the folder of its final model or of a checkpoint."""
    from tui_finetune.export.subject import subject_of
    from tui_finetune.models.adapters import holds_model
    from tui_finetune.runs import checkpoints
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.runs.registry import find_run

    folder = Path(name).expanduser().absolute() if name is not None else None
    if folder is not None and holds_model(folder):
        step = checkpoints.step_of(folder)
        run = RunDirectory(folder.parent.parent if step >= 0 else folder.parent)
        if not run.exists:
            raise UserError(
                f"{name} is not the model of a run, and only runs are exported", "`finetune-tui runs` lists them"
            )
        return subject_of(run, str(step) if step >= 0 else which)
    return subject_of(find_run(name), which)


def _target(arguments: Namespace) -> Target:
    """The target that is asked for, with its options; raises UserError where an option is not one of its."""
    from tui_finetune.export.targets import TARGETS

    given = {
        "kind": ("--type", arguments.type),
        "repo": ("--repo", arguments.repo),
        "public": ("--public", arguments.public or None),
        "dry_run": ("--dry-run", arguments.dry_run or None),
    }
    options = {name: value for name, (_, value) in given.items() if value is not None}
    target = TARGETS[arguments.to]
    for name in options:
        if name not in target.OPTIONS:
            raise UserError(
                f"--to {arguments.to} takes no {given[name][0]}", "`finetune-tui export --help` shows how it is used"
            )
    return target(**options)


def _list(subject: Subject) -> None:
    """What can be made of a run, with sizes and times, and what can't, with the reason."""
    from tui_finetune.export.targets import offers

    rows = []
    problems: dict[str, str] = {}
    for offer in offers(subject):
        rows.append((offer.name, offer.size_words, offer.time_words, offer.title))
        if offer.problem is not None:
            words = f"{offer.problem.message}; {offer.problem.remedy}"
            problems[words] = ", ".join(filter(None, (problems.get(words), offer.name)))
    for line in table(("--to", "size", "time", "makes"), rows, right=frozenset({1, 2})):
        write_line(line)
    for words, names in problems.items():
        write_line(f"note: {names}: {words}")


class _Progress:
    """A line of progress on a terminal; ctrl+c ends the work."""

    def __init__(self) -> None:
        self.stopped = False
        self._terminal = sys.stderr.isatty()
        self._width = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def __call__(self, done: int, total: int | None, unit: str) -> None:
        if self.stopped:
            raise Cancelled
        if self._terminal:
            self._write(_progress_words(done, total, unit))

    def clear(self) -> None:
        if self._terminal and self._width:
            self._write("")
            write_text("\r", sys.stderr)

    def _write(self, text: str) -> None:
        text = text[:78]
        write_text("\r" + text.ljust(self._width), sys.stderr)
        self._width = len(text)


def _progress_words(done: int, total: int | None, unit: str) -> str:
    if unit == "B":
        return size(done) + (f" of {size(total)}" if total else "")
    if not done and not total:
        return f"{unit} …"
    return f"{done:,}" + (f" of {total:,}" if total else "") + f" {unit}"


def _export(target: Target, subject: Subject, out: Path | None) -> int:
    from tui_finetune.export.target import export_to
    from tui_finetune.system.libraries import import_libraries, quiet_libraries

    progress = _Progress()
    try:
        progress(0, None, "getting ready")
        import_libraries("torch", "transformers", "datasets")
        quiet_libraries()
        made = export_to(target, subject, out, progress)
    except Cancelled:
        progress.clear()
        write_line("stopped; nothing was written", sys.stderr)
        return 130
    except BaseException:
        progress.clear()
        raise
    progress.clear()
    for line in made_lines(made):
        write_line(line)
    return 0


def made_lines(made: Made) -> list[str]:
    """What was made, in lines."""
    head = f"{made.place} ({size(made.bytes)})" if made.bytes else made.place
    return [*([head] if head else []), *made.notes, *(f"  {command}" for command in made.commands)]
