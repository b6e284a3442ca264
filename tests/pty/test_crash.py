"""A bug in the app: the run that it trains goes on."""

from __future__ import annotations

import sys

from tests.programs import wait_for
from tests.pty.conftest import Machine

# The program, in which a key of the Training screen meets a bug.
BROKEN = (
    "from tui_finetune.tui.screens.training.screen import TrainingScreen; "
    "TrainingScreen.action_next_pane = lambda self: {}['nowhere']; "
    "from tui_finetune.cli.main import main; import sys; sys.exit(main())"
)


def test_a_bug_in_a_screen_leaves_the_run_going_in_the_background(machine: Machine) -> None:
    terminal = machine.app_with_tiny_model(command=(sys.executable, "-c", BROKEN))
    terminal.press("ctrl+r")
    terminal.wait(r"step +[1-9]")
    terminal.press("v")
    assert terminal.status() == 1
    assert terminal.is_as_before()
    text = terminal.text()
    assert "error: a bug in finetune-tui: KeyError: 'nowhere'" in text
    assert "hint: please open an issue and attach" in text
    assert "keeps running in the background: `finetune-tui attach" in text
    assert "Traceback" not in text
    [report] = (machine.base / "state" / "reports").iterdir()
    assert "Traceback" in report.read_text()
    step = machine.state.step
    wait_for(lambda: machine.state.step > step, "the run does not go on")
    machine.run.request("stop")
    wait_for(lambda: machine.processes() == [], "it does not end")
    assert machine.state.status == "stopped"
