"""Faults of the terminal and its keys and signals, as one who trains in the app meets them (faults 1, 4 and 24)."""

from __future__ import annotations

import os
import signal

from tests.pty.conftest import Machine
from tui_finetune.runs.checkpoints import committed, verify


def assert_saved(machine: Machine) -> None:
    state = machine.state
    assert state.status == "stopped"
    assert verify(committed(machine.run.checkpoints_dir)[-1]).step == state.step
    assert (machine.run.final_dir / "model.safetensors").is_file()


def test_fault_01_ctrl_c_finishes_the_step_saves_and_ends_the_run(machine: Machine) -> None:
    terminal = machine.training()
    terminal.press("ctrl+c")
    terminal.wait("Stopped at step")
    assert_saved(machine)
    terminal.press("ctrl+q")
    assert terminal.status() == 0
    assert terminal.is_as_before()
    assert f"finetune-tui resume {machine.run.name}" in terminal.text()
    assert machine.processes() == []


def test_fault_04_a_signal_to_the_whole_group_saves_once(machine: Machine) -> None:
    terminal = machine.training()
    os.killpg(terminal.process.pid, signal.SIGTERM)
    assert terminal.status() == 143
    assert terminal.is_as_before()
    assert_saved(machine)
    steps = [saved.step for saved in machine.state.checkpoints]
    assert steps == sorted(set(steps))
    assert machine.processes() == []


def test_fault_24_twenty_sizes_one_after_the_other_while_it_trains(machine: Machine) -> None:
    terminal = machine.training()
    for number in range(20):
        terminal.resize(*[(1, 1), (20, 5), (200, 60), (40, 12)][number % 4])
    terminal.resize(100, 30)
    terminal.press("ctrl+c")
    terminal.wait("Stopped at step")
    assert_saved(machine)
    terminal.press("ctrl+q")
    assert terminal.status() == 0
