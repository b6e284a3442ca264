"""The whole loop, as a person goes through it with the starter: train, watch, stop, talk, quit."""

from __future__ import annotations

import re

from tests.pty.conftest import Machine
from tui_finetune.runs.checkpoints import verify

TRIES = 6
"""The starter may end a reply before it can be stopped."""


def test_from_opening_to_a_chat_with_what_was_trained(machine: Machine) -> None:
    terminal = machine.terminal()
    terminal.wait("Choose")
    terminal.press("ctrl+r")
    terminal.wait("● Training +starter-sea-tales-1")
    terminal.wait(r"step +[1-9]")
    terminal.wait(r"┤(?s:.*)loss +\d\.\d+")

    terminal.press("ctrl+c")
    screen = terminal.wait("Stopped at step")
    assert "everything is saved" in screen
    run = machine.run
    step = machine.state.step
    terminal.wait(f"checkpoint {step}")
    terminal.wait(f"runs/{run.name}/checkpoints/checkpoint-{step}")
    terminal.wait(f"runs/{run.name}/final")
    verify(run.checkpoints_dir / f"checkpoint-{step}")
    names = {path.name for path in run.final_dir.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "training_plot.png", "README.md"} <= names

    terminal.press("5")
    terminal.wait(rf"with +{run.name}")
    terminal.wait("The beginning of a text")
    for _ in range(TRIES):
        terminal.write("The old lighthouse")
        terminal.press("enter")
        terminal.wait(r"The old lighthouse\S* \S+")  # the reply comes while it is being written
        terminal.press("ctrl+c")
        terminal.wait("ctrl.c stops", gone=True)
        if re.search(r"tokens/s .*· +stopped", terminal.wait("tokens/s")):
            break
        terminal.press("ctrl+n")
        terminal.wait("The beginning of a text")
    else:
        raise AssertionError(f"ctrl+c stopped no reply:\n{terminal.text()}")

    terminal.press("ctrl+q")
    assert terminal.status() == 0
    assert terminal.is_as_before()
    said = terminal.text()
    assert f"finetune-tui resume {run.name}" in said
    assert f"finetune-tui chat {run.name}" in said
    assert machine.processes() == []
