"""No false alarm on thirty healthy runs, no miss on thirty sick ones."""

from __future__ import annotations

import pytest

from tests.events import event
from tests.runs.curves import HEALTHY, SICK, Case, falls, line, turns
from tui_finetune.runs.health import diagnose, judge
from tui_finetune.runs.state import RunState
from tui_finetune.runs.verdict import Verdict

SEEDS = range(5)


def alarms(case: Case, seed: int) -> set[str]:
    found = diagnose(case.state(seed), case.config(), case.now)
    return {finding.kind for finding in found if finding.level in {"warning", "error"}}


def judged(case: Case, seed: int = 0) -> Verdict:
    return judge(case.state(seed), case.config(), case.now)


def test_there_are_thirty_of_each() -> None:
    assert len(HEALTHY) >= 30 <= len(SICK)


@pytest.mark.parametrize("number", range(len(HEALTHY)))
def test_a_healthy_run_has_no_alarm(number: int) -> None:
    assert [alarms(HEALTHY[number], seed) for seed in SEEDS] == [set()] * len(SEEDS)


@pytest.mark.parametrize("number", range(len(SICK)))
def test_what_is_wrong_with_a_sick_run_is_found(number: int) -> None:
    case = SICK[number]
    missed = [case.finds - alarms(case, seed) for seed in SEEDS]
    assert missed == [frozenset()] * len(SEEDS)


@pytest.mark.parametrize("number", range(len(SICK)))
def test_every_alarm_gives_its_evidence_and_one_thing_to_do(number: int) -> None:
    case = SICK[number]
    for finding in diagnose(case.state(1), case.config(), case.now):
        if finding.level in {"warning", "error"}:
            assert finding.message.endswith(".")
            assert finding.remedy


def test_a_run_that_went_wrong_says_from_where_to_where_and_why() -> None:
    wrong = judged(SICK[0])
    assert wrong.went_wrong
    start = "went wrong: the loss rose from 15.3 to 82.5"
    assert wrong.headline.startswith(start)
    assert wrong.headline.endswith("; a learning rate of 1 is 500 times what suits this model")
    assert wrong.way is not None
    assert wrong.way.words == "again with learning_rate 0.002"


def test_overfitting_says_since_when_and_how_far_apart_the_losses_are() -> None:
    case = Case(falls(3.0, 0.6), turns(3.1, 1.8, 0.4, 2.3), points=100, evaluations=5, finds=frozenset({"overfitting"}))
    verdict = judged(case)
    finding = verdict.finding("overfitting")
    assert finding is not None
    assert finding.since == 200
    assert "a gap of" in finding.message
    assert verdict.plain == "It went from 3.10 to 1.80 on text it never saw; after step 200 it only memorized."
    assert not verdict.went_wrong


def test_overfitting_is_withdrawn_on_a_new_best() -> None:
    case = Case(falls(3.0, 0.6), turns(3.1, 1.8, 0.4, 2.3), status="running")
    state = case.state(1)
    assert judge(state, case.config()).finding("overfitting") is not None
    again(state, "metrics", step=state.step + 1, eval_loss=1.5)
    assert judge(state, case.config()).finding("overfitting") is None


def test_divergence_is_withdrawn_when_the_loss_comes_back() -> None:
    case = Case(line(2.0, 3.5), status="running", points=20, evaluations=0)
    state = case.state(1)
    assert judge(state, case.config()).went_wrong
    for step in range(state.step + 1, state.step + 15):
        again(state, "metrics", step=step, loss=1.9)
    assert not judge(state, case.config()).went_wrong


def test_a_run_that_was_still_improving_offers_more_epochs() -> None:
    way = judged(Case(line(3.0, 1.5), evaluations=5)).way
    assert way is not None
    assert way.words == "extend it: num_train_epochs 6"
    way = judged(Case(line(3.0, 1.5), evaluations=5, settings={"max_steps": 600})).way
    assert way is not None
    assert way.changes == {"max_steps": 1200}


def test_a_run_that_is_going_is_not_told_to_be_extended() -> None:
    assert judged(Case(line(3.0, 1.5), evaluations=5, status="running")).finding("still-improving") is None


def test_a_spike_names_its_rows() -> None:
    case = Case(falls(3.0, 1.5), spikes={100: 4.0}, status="running")
    state = case.state(1)
    again(state, "spike", step=500, loss=6.1, usual=1.6, rows=[12, 40, 1041])
    finding = judge(state, case.config()).finding("spike")
    assert finding is not None
    assert "at step 500 it was 6.10, where 1.60 is usual; rows 12, 40, 1,041 of the data set" in finding.message


def test_the_verdict_is_the_same_when_it_is_read_from_the_log() -> None:
    for case in SICK:
        verdict = judged(case)
        assert Verdict.from_fields(verdict.to_fields()) == verdict


def again(state: RunState, kind: str, **fields: object) -> None:
    state.apply(event(kind, **fields))


def test_a_run_that_compares_replies_says_how_many_pairs_it_tells_apart() -> None:
    case = Case(falls(0.69, 0.2), falls(0.69, 0.3), settings={"task": "dpo", "learning_rate": 1e-6})
    state = case.state(0)
    for step in state.eval_losses.steps:
        state.curves.add(step, {"eval_rewards/accuracies": 0.5 if step < state.step else 0.875})
    assert judge(state, case.config()).plain == "It prefers the better reply in 88% of the pairs it never saw."
