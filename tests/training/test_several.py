"""Several processes train one run: by the same rows, to the same losses, and to the same bit when it is stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.events import raw_events
from tests.programs import Programs
from tests.ranks import at_step, start_ranks
from tests.tiny import make_model, sentences, write_jsonl
from tests.training.compare import assert_same
from tests.training.conftest import Trained, make_place
from tui_finetune.runs.directory import RunDirectory


class Undecided(Trained):
    """A run, without the evaluations that were asked for on the side."""

    def eval_losses(self) -> list[tuple[int, float]]:
        return [(e["step"], e["eval_loss"]) for e in self.events if "eval_loss" in e and not e.get("asked_for")]


TrainRanks = Callable[..., Trained]


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without dropout, whose losses depend on the rows alone; and one with it."""
    folder = tmp_path_factory.mktemp("models")
    make_model(folder / "steady", dropout=0.0)
    make_model(folder / "dropping", dropout=0.1)
    return folder


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A place for the runs of this module, with data of 43 texts."""
    with pytest.MonkeyPatch.context() as patch:
        folder = make_place(tmp_path_factory.mktemp("place"), patch)
        write_jsonl(folder / "data.jsonl", sentences(43))
        yield folder


@pytest.fixture(scope="module")
def ranks(programs: Programs, room: Path, steady: Path) -> TrainRanks:
    """Train a run on so many processes, to its end; `resume` goes on with it."""

    def train(name: str, size: int, *, before: str = "", resume: bool = False, **settings: Any) -> Trained:
        chosen = {
            "model_name_or_path": str(steady / "steady"),
            "dataset_name": str(room / "data.jsonl"),
            "learning_rate": 1e-3,
            "logging_steps": 1,
            "max_length": 64,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 6 // size,
            "num_train_epochs": 2,
            "packing": False,
            "sample_prompts": "off",
            "precision": "fp32",
            **settings,
        }
        flags = [word for key, value in chosen.items() for word in (f"--{key}", str(value))]
        started = start_ranks(programs, size, room / name, *([] if resume else flags), before=before)
        statuses = started.wait()
        assert statuses == [0] * size, started.words()
        return Trained(started.run, None)

    return train


@pytest.fixture(scope="module")
def alone(ranks: TrainRanks) -> Trained:
    return ranks("alone", 1)


@pytest.fixture(scope="module")
def two(ranks: TrainRanks) -> Trained:
    return ranks("two", 2, gradient_accumulation_steps=3)


def close(ours: list[tuple[int, float]], theirs: list[tuple[int, float]]) -> bool:
    return [step for step, _ in ours] == [step for step, _ in theirs] and [value for _, value in ours] == pytest.approx(
        [value for _, value in theirs], abs=1e-6
    )


def test_two_processes_train_as_one_that_accumulates_twice_as_many(alone: Trained, two: Trained) -> None:
    assert close(two.losses(), alone.losses())
    assert close(two.eval_losses(), alone.eval_losses())
    tokens = [event["num_tokens"] for event in two.events if "num_tokens" in event]
    assert tokens == [event["num_tokens"] for event in alone.events if "num_tokens" in event]
    state = two.state
    assert state.status == "finished"
    assert two.run.read_config().num_processes == 2
    assert (two.run.final_dir / "model.safetensors").is_file()


def test_three_processes_share_rows_that_do_not_divide(ranks: TrainRanks, alone: Trained) -> None:
    three = ranks("three", 3)
    assert close(three.losses(), alone.losses())
    assert close(three.eval_losses(), alone.eval_losses())


def test_the_loss_of_each_data_set_is_that_of_one_process(ranks: TrainRanks, room: Path) -> None:
    write_jsonl(room / "others.jsonl", sentences(31, 7))
    both = {"datasets": f"{room / 'data.jsonl'},{room / 'others.jsonl'}", "validation_split": 0.2, "max_steps": 2}
    one, shared = ranks("mixed-one", 1, **both), ranks("mixed-two", 2, **both)

    def by_source(run: Trained) -> dict[str, float]:
        told = [event for event in run.events if event["type"] == "metrics" and "eval_loss" in event]
        return {name: value for name, value in told[-1].items() if name.startswith("eval_") and name.endswith("_loss")}

    assert set(by_source(one)) == {"eval_loss", "eval_data_loss", "eval_others_loss"}
    assert by_source(shared) == pytest.approx(by_source(one), abs=1e-6)


def test_what_is_told_is_told_once(two: Trained) -> None:
    notices = [event["message"] for event in raw_events(two.run.events_path) if event["type"] == "notice"]
    assert len(notices) == len(set(notices))
    starts = [event for event in two.events if event.get("status") == "starting"]
    assert len(starts) == 1


@pytest.mark.parametrize("packing", [pytest.param(False), pytest.param(True, marks=pytest.mark.long)])
def test_a_run_that_is_asked_for_everything_and_resumed_is_the_one_left_alone(
    ranks: TrainRanks, steady: Path, packing: bool
) -> None:
    model = str(steady / "dropping")
    settings = {
        "gradient_accumulation_steps": 2,
        "model_name_or_path": model,
        "packing": packing,
        "num_train_epochs": 3,
    }
    left = ranks(f"left-{packing}", 2, **settings)
    asked = "[run.request(a) for a in ('evaluate', 'sample', 'pause', 'continue', 'save')]; "
    stopped = ranks(
        f"asked-{packing}",
        2,
        before=at_step(3, f"{asked}run.request('chat', prompt='the'); run.request('stop')"),
        **settings,
    )
    state = stopped.state
    assert (state.status, state.step) == ("stopped", 3)
    assert state.result.checkpoint_step == 3
    assert {"reply_end", "sample", "metrics"} <= {event["type"] for event in stopped.events}
    resumed = ranks(f"asked-{packing}", 2, resume=True)
    assert resumed.state.status == "finished"
    assert_same(Undecided(resumed.run, None), Undecided(left.run, None))


def test_a_run_of_two_is_resumed_on_one_with_the_same_updates(
    ranks: TrainRanks, two: Trained, programs: Programs, room: Path
) -> None:
    stopped = ranks("less", 2, before=at_step(4, "run.request('stop')"), gradient_accumulation_steps=3)
    assert stopped.state.step == 4
    done = programs.run("resume", str(room / "less"), "--num_processes", "1", folder=room)
    assert done.status == 0, done.err
    assert close(Trained(stopped.run, None).losses(), two.losses())
    config = RunDirectory(room / "less").read_config()
    assert (config.num_processes, config.gradient_accumulation_steps) == (1, 6)
