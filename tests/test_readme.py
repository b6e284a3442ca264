"""The README is true."""

from __future__ import annotations

import re

from tests.readme import README, filled
from tui_finetune.cli.main import commands


def test_the_reference_is_that_of_the_code() -> None:
    text = README.read_text()
    assert text == filled(text), "run: python -m tests.readme"


def test_every_command_is_described() -> None:
    text = README.read_text()
    for name in commands():
        assert f"`finetune-tui {name}" in text, name


def test_there_are_exactly_two_commands_for_a_fresh_machine() -> None:
    found = re.findall(r"^    (python3 -m venv .*)$", README.read_text(), re.MULTILINE)
    assert len(found) == 2
    assert found[0].endswith("finetune-tui")
    assert ".venv/bin/python -m pytest" in found[1]


def test_pictures_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text())
    assert pictures
    for picture in pictures:
        assert (README.parent / picture).is_file(), picture
