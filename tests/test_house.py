"""The house is in order: every file in its room and short, every function short, hardly an Any, the news kept."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tui_finetune"

LONGEST_FUNCTION = 60
LONGEST_FILE = 400
MOST_ANYS = 40

ROOMS = frozenset(
    ["cli", "tui", "planning", "training", "chat", "export", "data", "models", "runs", "config", "starter", "system"],
)
ON_THE_STAIRS = frozenset({"__init__.py", "__main__.py", "errors.py", "formatting.py"})
"""What stands beside the rooms."""

FOLDERS = {
    "tui": {"screens", "dialogs", "widgets"},
    "tui/screens": {"model", "dataset", "settings", "training", "chat", "runs"},
    "tui/widgets": {"chart"},
    "training": {"packing", "preferences"},
    "export": {"gguf", "script"},
    "models": {"methods"},
    "data": {"readers", "formats", "chat_template", "tokens", "preferences"},
    "runs": {"findings"},
    "config": {"other_tools"},
    "starter": {"model", "samples", "recipe"},
}
"""The folders in a room; where none are named there are none."""

DECLARATIONS = frozenset({"config/schema.py"})
"""Files that only declare, which may be long."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> Iterator[tuple[str, str]]:
    """Every module by its path in the package, with its text; not the recipe, which is no part of the program."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("starter/recipe/"):
            yield name, path.read_text()


def functions(text: str) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))


def test_every_module_is_in_a_room() -> None:
    folders = {path.relative_to(PACKAGE).parent.as_posix() for path in PACKAGE.rglob("*.py")}
    known = {*ROOMS, *(f"{room}/{name}" for room, names in FOLDERS.items() for name in names)}
    strangers = {folder for folder in folders if folder != "." and not folder.startswith("starter/recipe")} - known
    assert not strangers
    assert {path.name for path in PACKAGE.glob("*.py")} == ON_THE_STAIRS


def test_no_file_is_long() -> None:
    lengths = {name: len(text.splitlines()) for name, text in sources() if name not in DECLARATIONS}
    long = {name: length for name, length in lengths.items() if length > LONGEST_FILE}
    assert not long


def test_no_function_is_long() -> None:
    lengths = {
        f"{name}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for name, text in sources()
        for function in functions(text)
    }
    long = {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION}
    assert not long


def anys(function: Function) -> int:
    """The annotations in a signature that contain Any."""
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    annotations = [function.returns, *(argument.annotation for argument in arguments if argument)]
    return sum(
        any(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(annotation))
        for annotation in annotations
        if annotation
    )


def test_signatures_say_what_they_take() -> None:
    found = {name: count for name, text in sources() if (count := sum(map(anys, functions(text))))}
    assert sum(found.values()) <= MOST_ANYS, dict(sorted(found.items(), key=lambda item: -item[1]))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("def f(a: int) -> str: ...", 0),
        ("def f(a: Any, *b: Any, c: dict[str, Any] = {}, **d: Any) -> list[Any]: ...", 5),
        ("async def f(a: 'int') -> Any: ...", 1),
    ],
)
def test_an_any_is_counted_wherever_it_is(text: str, count: int) -> None:
    assert sum(map(anys, functions(text))) == count


def test_the_news_are_kept() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    headings = re.findall(r"^## \[?([^\]\s]+)\]?", (ROOT / ".github" / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert version[1] in headings
