"""Leaving the app while a run is going, by keys, by signals and by a broken connection."""

from __future__ import annotations

import os
import shlex
import signal
import time

from tests.programs import wait_for
from tests.pty.conftest import ENDLESS, PROGRAM, SETTINGS, Machine
from tests.pty.terminal import Terminal
from tui_finetune.runs.checkpoints import committed, verify
from tui_finetune.system.stopping import BURST_SECONDS


def assert_saved(machine: Machine) -> None:
    """The run was stopped and everything of it saved."""
    state = machine.state
    assert state.status == "stopped"
    newest = committed(machine.run.checkpoints_dir)[-1]
    assert verify(newest).step == state.step
    assert (machine.run.final_dir / "model.safetensors").is_file()


def test_quitting_while_training_asks_and_can_stay_or_save_and_stop(machine: Machine) -> None:
    terminal = machine.training()
    terminal.press("ctrl+q")
    asked = terminal.wait("What should happen to it(?s:.*)Stay")
    assert "Detach" in asked
    assert "Save and stop" in asked
    terminal.press("escape")
    terminal.wait("What should happen to it", gone=True)
    step = machine.state.step
    wait_for(lambda: machine.state.step > step, "staying, the run does not go on")

    terminal.press("ctrl+q")
    terminal.wait("Save and stop")
    terminal.press("s")
    assert terminal.status() == 0
    assert terminal.is_as_before()
    assert "stopped at step" in terminal.text()
    assert_saved(machine)
    assert machine.processes() == []


def test_detached_the_shell_has_its_prompt_and_the_run_goes_on(machine: Machine) -> None:
    program = shlex.join(PROGRAM)
    shell = machine.terminal(command=("bash", "--norc", "-i"), PS1="ready> ")
    shell.wait("ready>")
    shell.write(f"{program}\n")
    machine.choose_tiny_model(shell)
    shell.press("ctrl+r")
    shell.wait(r"step +[1-9]")
    shell.press("ctrl+d")
    shell.wait("keeps running in the background(?s:.*)ready>")
    shell.write("echo status=$?\n")
    shell.wait("status=0")

    trainer = machine.trainer()
    assert [process for process in machine.processes() if process.name() != "bash"] == [trainer]
    assert os.getsid(trainer.pid) == trainer.pid
    step = machine.state.step
    wait_for(lambda: machine.state.step > step, "the run does not go on")

    shell.write(f"clear; {program} attach\n")
    shell.wait(r"● Training +tiny(?s:.*)step +[1-9]")
    shell.press("ctrl+c")
    shell.wait("Stopped at step")
    shell.press("ctrl+q")
    shell.wait("ready>")
    wait_for(lambda: trainer not in machine.processes(), "the trainer does not end")
    assert_saved(machine)


def test_fault_03_a_broken_connection_leaves_the_run_to_finish_alone(machine: Machine) -> None:
    machine.suit(SETTINGS + "max_steps: 100\n")
    terminal = machine.training()
    terminal.hang_up()
    terminal.status()
    wait_for(lambda: machine.state.is_over, "the run does not end")
    assert machine.state.status == "finished"
    assert machine.state.step == 100
    # Nothing stays behind that could use up the processor.
    wait_for(lambda: machine.processes() == [], "a process stays behind")


def press_again(terminal: Terminal) -> None:
    """Press ctrl+c once more, and not so soon that it were the same press."""
    time.sleep(1.5 * BURST_SECONDS)
    terminal.press("ctrl+c")


def test_the_second_ctrl_c_asks_and_the_third_ends_at_once(machine: Machine) -> None:
    # A step that takes long: stopping waits for its end.
    machine.suit(ENDLESS + "per_device_train_batch_size: 1\ngradient_accumulation_steps: 60000\n")
    terminal = machine.app_with_tiny_model()
    terminal.press("ctrl+r")
    terminal.wait("the first loss comes soon")
    terminal.press("ctrl+c")
    terminal.wait("Stopping after this step")
    press_again(terminal)
    terminal.wait("e +End at once")
    terminal.press("w")
    terminal.wait("e +End at once", gone=True)
    press_again(terminal)
    terminal.wait("e +End at once")
    press_again(terminal)  # also while the dialog has the focus
    assert terminal.status() == 130
    assert terminal.is_as_before()
    assert "was ended at once" in terminal.text()
    assert machine.processes() == []


def test_the_question_goes_when_the_run_has_ended_meanwhile(machine: Machine) -> None:
    # A step of some seconds: long enough for a second ctrl+c, and soon over.
    machine.suit(ENDLESS + "per_device_train_batch_size: 1\ngradient_accumulation_steps: 1500\n")
    terminal = machine.app_with_tiny_model()
    terminal.press("ctrl+r")
    terminal.wait("the first loss comes soon")
    terminal.press("ctrl+c")
    terminal.wait("Stopping after this step")
    press_again(terminal)
    terminal.wait("e +End at once")
    terminal.wait("Stopped at step")
    terminal.wait("e +End at once", gone=True)
    terminal.press("ctrl+q")
    assert terminal.status() == 0
    assert_saved(machine)


def test_ctrl_c_just_after_the_start_is_not_lost(machine: Machine) -> None:
    terminal = machine.app_with_tiny_model()
    terminal.press("ctrl+r", "ctrl+c")
    terminal.wait("Stopped")
    terminal.press("ctrl+q")
    assert terminal.status() == 0
    assert machine.state.status == "stopped"


def test_fault_02_a_signal_saves_ends_and_puts_the_terminal_in_order(machine: Machine) -> None:
    terminal = machine.training()
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.status() == 143
    assert terminal.is_as_before()
    assert_saved(machine)
    assert machine.processes() == []


def test_killed_the_terminal_is_put_in_order_all_the_same(machine: Machine) -> None:
    terminal = machine.terminal()
    terminal.wait("Choose")
    (program,) = [process for process in machine.processes() if process.pid != terminal.process.pid]
    program.kill()
    assert terminal.status() == 137
    assert terminal.is_as_before()


def test_fault_22_a_terminal_that_nobody_reads_holds_up_neither_the_run_nor_its_end(machine: Machine) -> None:
    terminal = machine.training()
    terminal.stall()
    # Far more than the buffers between program and reader can hold is drawn while so many steps are trained.
    step = machine.state.step
    began = machine.state.updated or 0.0
    wait_for(
        lambda: machine.state.step >= step + 50 and (machine.state.updated or 0.0) > began + 5, "the run is held up"
    )
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.status() == 143
    assert_saved(machine)
    assert machine.processes() == []
