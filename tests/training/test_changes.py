"""Going on with other settings: those that would make another run are refused, the others are taken up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.programs import Programs
from tests.training.compare import assert_same
from tests.training.conftest import Trained
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state

Train = Callable[..., Trained]


def stop(run: RunDirectory) -> None:
    run.request("stop")


@pytest.fixture
def stopped(train: Train) -> RunDirectory:
    return train("run", at={2: stop}, max_steps=6, gradient_accumulation_steps=2).run


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"batch_size": 4}, "effective batch size is 4 in this run, not 8"),
        ({"gradient_accumulation_steps": 1}, "effective batch size is 4 in this run, not 2"),
        ({"seed": 7}, "seed is 42 in this run, not 7"),
        ({"model": "distilgpt2"}, "in this run, not distilgpt2"),
        ({"lr": 0.5}, "learning_rate is 0.001 in this run, not 0.5"),
        ({"validation_split": 0}, "validation_split is 0.1 in this run, not 0"),
        ({"packing": "false"}, "packing is true in this run, not false"),
        ({"precision": "bf16"}, "precision is fp32 in this run, not bf16"),
    ],
)
def test_what_would_make_another_run_is_refused_with_the_difference(
    train: Train, stopped: RunDirectory, changes: dict[str, object], difference: str
) -> None:
    events = stopped.events_path.read_bytes()
    with pytest.raises(UserError, match=difference) as caught:
        train("run", resume=True, changes=changes)
    assert caught.value.remedy
    assert stopped.events_path.read_bytes() == events


def test_a_configuration_changed_by_hand_is_refused_with_all_differences(train: Train, stopped: RunDirectory) -> None:
    config = yaml.safe_load(stopped.config_path.read_text())
    stopped.config_path.write_text(yaml.safe_dump(config | {"seed": 7, "weight_decay": 0.5, "logging_steps": 3}))
    outcome = train("run", resume=True).outcome
    assert (outcome.status, outcome.began) == ("failed", False)
    assert "seed is 42 in this run, not 7" in outcome.error.message
    assert "weight_decay is 0.01 in this run, not 0.5" in outcome.error.message
    assert "logging_steps" not in outcome.error.message


def test_data_that_was_moved_may_be_named_anew_and_other_data_not(
    train: Train, stopped: RunDirectory, place: Path
) -> None:
    (place / "data.jsonl").rename(place / "moved.jsonl")
    assert train("run", resume=True, changes={"dataset": "moved.jsonl"}).outcome.status == "finished"
    assert stopped.read_config().dataset_name == str(place / "moved.jsonl")


def test_a_finished_run_that_is_extended_is_the_longer_run(train: Train) -> None:
    settings = {"lr_scheduler_type": "constant", "early_stopping_patience": 0}
    whole = train("whole", num_train_epochs=2, **settings)
    train("run", num_train_epochs=1, **settings)
    extended = train("run", resume=True, changes={"num_train_epochs": 2})
    assert extended.outcome.status == "finished"
    assert_same(extended, whole)
    assert extended.run.read_config().num_train_epochs == 2


def test_no_step_of_an_extended_run_is_lost_to_the_old_schedule(train: Train) -> None:
    short = train("run", max_steps=3)
    assert short.outcome.status == "finished"
    extended = train("run", resume=True, changes={"max_steps": 6})
    rates = {
        event["step"]: event["learning_rate"]
        for event in extended.events
        if event["type"] == "metrics" and "learning_rate" in event
    }
    # Linear over six steps from the fourth on.
    assert [rates[step] for step in (4, 5, 6)] == pytest.approx([1e-3 * left / 6 for left in (3, 2, 1)])


def test_a_run_that_ended_early_goes_on_with_more_patience(train: Train) -> None:
    # The first evaluation is the best: the weights are thrown about from then on.
    settings = {
        "max_steps": 12,
        "learning_rate": 0.3,
        "lr_scheduler_type": "constant",
        "eval_strategy": "steps",
        "eval_steps": 2,
        "save_strategy": "steps",
        "save_steps": 2,
    }
    whole = train("whole", **settings, early_stopping_patience=4)
    early = train("run", **settings, early_stopping_patience=1)
    assert early.outcome.early_stopped
    assert whole.outcome.step > early.outcome.step
    with pytest.raises(UserError, match="ended early") as caught:
        train("run", resume=True)
    assert "--early_stopping_patience 3" in caught.value.remedy
    assert_same(train("run", resume=True, changes={"early_stopping_patience": 4}), whole)


def test_new_intervals_are_taken_up(train: Train) -> None:
    train("run", at={2: stop}, max_steps=8, eval_strategy="no", save_strategy="no", logging_steps=8)
    changes = {
        "logging_steps": 3,
        "eval_strategy": "steps",
        "eval_steps": 4,
        "save_strategy": "steps",
        "save_steps": 5,
        "early_stopping_patience": 5,
    }
    state = train("run", resume=True, changes=changes).state
    assert state.status == "finished"
    assert list(state.losses.steps) == [3, 6]
    assert list(state.eval_losses.steps) == [4, 8]
    assert {4, 5, 8} <= {saved.step for saved in state.checkpoints}


def test_a_batch_divided_by_more_accumulation_is_the_same_step(train: Train, models: Path) -> None:
    from tests.tiny import make_model

    model = str(make_model(models / "without-dropout", dropout=0.0))
    settings = {"model_name_or_path": model, "max_steps": 6, "per_device_train_batch_size": 4, "eval_strategy": "no"}
    whole = train("whole", **settings)
    train("run", at={3: stop}, **settings)
    changes = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    divided = train("run", resume=True, changes=changes)
    assert [step for step, _ in divided.losses()] == [step for step, _ in whole.losses()]
    assert [loss for _, loss in divided.losses()] == pytest.approx([loss for _, loss in whole.losses()], abs=1e-4)


def test_where_nothing_is_left_to_do_it_says_how_to_extend(programs: Programs, train: Train, place: Path) -> None:
    run = train("run", max_steps=2).run
    events = run.events_path.read_bytes()
    for flags, words in (
        ((), "--max_steps 4"),
        (("--logging_steps", "5"), "--max_steps 4"),
        (("--max_steps", "1"), "at step 2"),
        (("--seed", "7", "--batch-size", "1"), "seed is 42 in this run, not 7"),
        (("--sed", "7"), "did you mean 'seed'"),
    ):
        done = programs.run("resume", "run", *flags, folder=place)
        assert (done.status, done.words) == (2, ["error", "hint"]), done.err
        assert words in done.err
        assert done.out == ""
    assert run.events_path.read_bytes() == events

    done = programs.run("resume", "run", "--max-steps", "4", "--json", folder=place)
    assert done.status == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["status"] == "finished"
    assert (load_state(run).step, load_state(run).starts) == (4, 2)
