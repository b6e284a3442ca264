"""What happens to a run of several processes when one of them fails, is killed, or can't save."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Programs, wait_for
from tests.ranks import Ranks, at_step, start_ranks
from tests.tiny import make_model, sentences, write_jsonl
from tests.training.compare import assert_same
from tests.training.conftest import Trained, make_place
from tui_finetune.runs.summary import load_state


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        folder = make_place(tmp_path_factory.mktemp("place"), patch)
        write_jsonl(folder / "data.jsonl", sentences(43))
        make_model(folder / "llama", dropout=0.1)
        yield folder


def begin(programs: Programs, room: Path, name: str, before: str = "", **settings: Any) -> Ranks:
    chosen = {
        "model_name_or_path": str(room / "llama"),
        "dataset_name": str(room / "data.jsonl"),
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "max_length": 64,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "num_train_epochs": 1,
        "packing": False,
        "sample_prompts": "off",
        "save_steps": 2,
        "precision": "fp32",
        **settings,
    }
    flags = [word for key, value in chosen.items() for word in (f"--{key}", str(value))]
    return start_ranks(programs, 2, room / name, *flags, before=before)


@pytest.fixture(scope="module")
def left(programs: Programs, room: Path) -> Trained:
    """A run that was left alone."""
    ranks = begin(programs, room, "left")
    assert ranks.wait() == [0, 0], ranks.words()
    return Trained(ranks.run, None)


KILL = "os.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("rank", "step"),
    [pytest.param(1, 4)]
    + [pytest.param(r, s, marks=pytest.mark.long) for r in (0, 1) for s in (1, 2, 3, 5) if (r, s) != (1, 4)],
)
def test_a_killed_process_costs_what_came_after_the_checkpoint_and_nothing_else(
    programs: Programs, room: Path, left: Trained, rank: int, step: int
) -> None:
    # A launcher that starts all of them again, as torchrun does.
    restarts = {"TORCHELASTIC_MAX_RESTARTS": "3"}
    name = f"killed-{rank}-{step}"
    environment = {**restarts, "TORCHELASTIC_RESTART_COUNT": "0"}
    before = f"import os; os.environ.update({environment})\n{at_step(step, KILL, rank)}"
    ranks = begin(programs, room, name, before)
    statuses = ranks.wait()
    assert statuses[rank] == 128 + signal.SIGKILL
    assert statuses[1 - rank] == 1
    assert load_state(ranks.run).status not in {"failed", "finished"}
    again = start_ranks(programs, 2, room / name, environment={**restarts, "TORCHELASTIC_RESTART_COUNT": "1"})
    assert again.wait() == [0, 0], again.words()
    assert_same(Trained(again.run, None), left)
    told = [e["message"] for e in Trained(again.run, None).events if e["type"] == "notice"]
    [restarted] = [message for message in told if "started again" in message]
    assert f"Rank {rank} of 2 was ended" in restarted
    saved = 2 * ((step - 1) // 2)
    assert (f"from step {saved}" if saved else "from the beginning") in restarted
    assert not ranks.run.failures_dir.exists()


def test_without_a_launcher_that_starts_them_again_the_run_has_failed_by_the_reason_of_the_one_that_failed(
    programs: Programs, room: Path
) -> None:
    ranks = begin(programs, room, "failing", at_step(3, "raise KeyError('a bug of mine')", 1))
    assert ranks.wait() == [1, 1]
    result = load_state(ranks.run).result
    assert result is not None
    assert result.status == "failed"
    assert "rank 1 of 2 failed: KeyError: 'a bug of mine'" in result.reason


FAIL_TO_SAVE = """
import errno
from tui_finetune.runs import checkpoints
commit = checkpoints.commit
def failing(folder, facts):
    if folder.name == "checkpoint-2":
        raise OSError(errno.ENOSPC, "No space left on device")
    return commit(folder, facts)
checkpoints.commit = failing
"""


def test_a_save_that_fails_is_told_and_all_train_on_to_the_same_end(
    programs: Programs, room: Path, left: Trained
) -> None:
    ranks = begin(programs, room, "full", FAIL_TO_SAVE)
    assert ranks.wait() == [0, 0], ranks.words()
    trained = Trained(ranks.run, None)
    [told] = [e for e in trained.events if e["type"] == "notice" and e["level"] == "error"]
    assert "Step 2 could not be saved" in told["message"]
    assert_same(trained, left)


POISON = "self._trainer.language_model.get_input_embeddings().weight.data.fill_(float('nan'))"


def test_a_loss_that_is_no_number_on_one_process_stops_all_at_that_step(programs: Programs, room: Path) -> None:
    ranks = begin(programs, room, "nan", at_step(3, POISON, 1))
    assert ranks.wait() == [1, 1]
    result = load_state(ranks.run).result
    assert result is not None
    assert result.not_finite
    assert "after step 2" in result.reason


def test_a_process_that_hangs_ends_all_within_the_timeout(programs: Programs, room: Path) -> None:
    ranks = begin(programs, room, "hanging", at_step(3, "os.kill(os.getpid(), 19)", 1), ddp_timeout=3)
    assert ranks.processes[0].wait().status == 1
    os.kill(ranks.processes[1].pid, signal.SIGKILL)
    ranks.processes[1].wait()
    result = load_state(ranks.run).result
    assert result is not None
    assert result.status == "failed"
    assert "rank 1 of 2" in result.reason


def test_a_process_that_is_told_to_end_has_all_of_them_save_and_stop(programs: Programs, room: Path) -> None:
    ranks = begin(programs, room, "told", num_train_epochs=10_000, eval_strategy="no", save_strategy="no")
    wait_for(lambda: ranks.run.events_path.exists() and load_state(ranks.run).step > 1, "it does not begin to train")
    ranks.processes[1].send(signal.SIGTERM)
    assert ranks.wait() == [0, 0], ranks.words()
    state = load_state(ranks.run)
    assert state.status == "stopped"
    assert state.result is not None
    assert state.result.checkpoint_step == state.step
