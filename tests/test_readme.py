"""The README is true."""

from __future__ import annotations

import re

from tests.readme import README, filled
from tui_finetune.cli.main import build_parser


def test_the_reference_is_that_of_the_code():
    text = README.read_text()
    assert text == filled(text), "run: python -m tests.readme"


def test_every_command_is_described():
    text = README.read_text()
    parser = build_parser()
    commands = next(action.choices for action in parser._actions if action.dest == "command")
    for name in commands:
        assert f"`finetune-tui {name}" in text, name


def test_there_are_exactly_two_commands_for_a_fresh_machine():
    commands = re.findall(r"^    (python3 -m venv .*)$", README.read_text(), re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("finetune-tui")
    assert ".venv/bin/python -m pytest" in commands[1]


def test_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text())
    assert pictures
    for picture in pictures:
        assert (README.parent / picture).is_file(), picture
