"""The tests are the same wherever they are started."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.environment import TRACKERS, is_foreign, without_foreign

ROOT = Path(__file__).parents[1]

SAMPLE = (
    "tests/cli/test_main.py::test_help_names_every_command_and_setting",
    "tests/cli/test_train.py::test_what_cannot_be_done_is_one_line_and_a_hint_and_leaves_nothing",
    "tests/app/test_help.py::test_picture_of_the_help_on_settings",
    "tests/data/test_hub_served.py",
)
"""Tests that look at what these variables and packages could change, of the app, the commands and the hub."""


def test_nothing_foreign_is_left_in_this_process() -> None:
    ours = {"HF_HUB_OFFLINE", "HF_HOME"} | {name for name in os.environ if name.startswith("TEXTUAL_")}
    assert not {name for name in os.environ if is_foreign(name)} - ours
    assert not any(find_spec(name) for name in TRACKERS)
    kept = without_foreign({"PATH": "/bin", "COLUMNS": "37", "HTTPS_PROXY": "x", "no_proxy": "y", "HF_TOKEN": "z"})
    assert kept == {"PATH": "/bin"}


@pytest.mark.long
def test_no_test_depends_on_the_environment_it_is_started_in(tmp_path: Path) -> None:
    for name in TRACKERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise AssertionError('a test uses an installed tracker')\n")
    foreign = {
        "COLUMNS": "37",
        "LINES": "5",
        "NO_COLOR": "1",
        "SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path / "hub"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "OMP_NUM_THREADS": "3",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]),
    }
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *SAMPLE]
    done = subprocess.run(tests, cwd=ROOT, env={**os.environ, **foreign}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
