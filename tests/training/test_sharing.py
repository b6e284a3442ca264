"""Rows and settings of several processes, without starting one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui_finetune.config.form import update_size
from tui_finetune.config.resolve import resolve
from tui_finetune.config.schema import RunConfig
from tui_finetune.config.steps import count_steps, rows_per_update
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training.batches import RememberedRows
from tui_finetune.training.launch import launch, with_processes
from tui_finetune.training.rank_failures import (
    ENDED,
    RankFailure,
    failure_words,
    forget,
    is_loss_of_another,
    note,
    noted,
)
from tui_finetune.training.ranks import Group, Ranks, interface_to
from tui_finetune.training.resume import changed_config, determining
from tui_finetune.training.sharing import SharedBatches, evaluated_batches


class InOrder:
    """Rows in their order, from another one on in each epoch."""

    def __init__(self, rows: int) -> None:
        self._rows, self._epoch = rows, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __iter__(self):
        return iter([(row + self._epoch) % self._rows for row in range(self._rows)])


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("rows", [1, 4, 17, 24])
def test_no_row_is_computed_twice_or_left_out_and_all_have_as_many_batches(size: int, rows: int) -> None:
    shared = [SharedBatches(InOrder(rows), rows, 2, rank, size) for rank in range(size)]
    for batches in shared:
        batches.set_epoch(1)
    found = [list(batches) for batches in shared]
    assert {len(batches) for batches in found} == {len(shared[0])}
    assert all(len(batch) == 2 for batches in found for batch in batches)
    flat = [row for number in range(len(shared[0])) for batches in found for row in batches[number]]
    assert flat[:rows] == [*list(InOrder(rows))[1:], 0]
    assert all(row >= rows for row in flat[rows:])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_row_is_evaluated_once(size: int) -> None:
    found = [row for rank in range(size) for batch in evaluated_batches(7, 2, rank, size) for row in batch]
    assert sorted(found) == list(range(7))


def test_rows_that_fill_up_are_not_trained_on_and_not_remembered() -> None:
    from datasets import Dataset

    rows = RememberedRows(Dataset.from_dict({"input_ids": [[5, 6], [7, 8]], "labels": [[5, 6], [7, 8]]}), pad_id=3)
    fetched = rows.__getitems__([1, 2])
    assert fetched == [{"input_ids": [7, 8], "labels": [7, 8]}, {"input_ids": [3], "labels": [-100]}]
    assert rows.batch(0) == [1]


def test_an_update_is_made_of_the_rows_of_all_processes() -> None:
    config = RunConfig(
        per_device_train_batch_size=4, gradient_accumulation_steps=2, num_processes=8, num_train_epochs=1
    )
    assert rows_per_update(config) == 64
    assert update_size(config) == "4 rows × 2 × 8 processes = 64 rows per update"
    assert count_steps(640, config) == 10
    assert determining(config) == determining(
        config.model_copy(update={"num_processes": 4, "gradient_accumulation_steps": 4})
    )


def saved(folder: Path, **settings: object) -> RunDirectory:
    run = RunDirectory(folder / "run")
    run.create()
    run.write_config(resolve({"gradient_accumulation_steps": 3, "num_processes": 2, **settings}).config)
    return run


def test_on_another_number_of_processes_more_batches_are_accumulated(tmp_path: Path) -> None:
    run = saved(tmp_path)
    assert changed_config(run, {"num_processes": 1}).gradient_accumulation_steps == 6
    assert changed_config(run, {"num_processes": 3}).gradient_accumulation_steps == 2
    with pytest.raises(UserError, match="effective batch size"):
        changed_config(run, {"num_processes": 4})
    with pytest.raises(UserError, match="effective batch size"):
        changed_config(run, {"num_processes": 1, "gradient_accumulation_steps": 4})


def test_a_run_of_before_is_one_of_one_process(tmp_path: Path) -> None:
    run = saved(tmp_path)
    lines = [line for line in run.config_path.read_text().splitlines() if "num_processes" not in line]
    run.config_path.write_text("\n".join(lines))
    assert run.read_config().num_processes == 1


def test_one_process_is_trained_in_a_thread_and_several_in_processes_of_their_own(tmp_path: Path) -> None:
    run = saved(tmp_path)
    assert type(launch(run, resolve({"num_processes": 1}))).__name__ == "ThreadLaunch"
    assert type(launch(run, resolve({"num_processes": 2}))).__name__ == "ProcessLaunch"
    assert type(launch(run, None, {"num_processes": 1})).__name__ == "ThreadLaunch"
    assert type(launch(run, None, {})).__name__ == "ProcessLaunch"


def test_machines_must_know_each_other_and_share_the_processes() -> None:
    with pytest.raises(UserError, match="how they find each other"):
        with_processes(resolve({"num_machines": 2, "num_processes": 4}))
    with pytest.raises(UserError, match="shared equally"):
        with_processes(resolve({"num_machines": 2, "num_processes": 3, "main_process_ip": "10.0.0.1"}))


def test_alone_there_is_nobody_to_ask() -> None:
    ranks = Ranks()
    with ranks.together(leaders_first=True):
        assert ranks.share(1) == 1
    assert ranks.gather(2) == [2]
    assert ranks.agree(True, False) == (True, False)
    assert ranks.is_first
    assert not ranks.are_several


def test_a_launcher_that_says_too_little_is_named() -> None:
    with pytest.raises(UserError, match="MASTER_ADDR and MASTER_PORT"):
        Group(10, {"WORLD_SIZE": "2", "RANK": "0"})


def test_the_interface_is_found_from_the_route() -> None:
    assert interface_to("127.0.0.1").startswith("lo")
    assert interface_to("no such host") == ""


def test_the_one_that_failed_is_named_and_not_those_that_lost_it(tmp_path: Path) -> None:
    run = saved(tmp_path)
    lost = is_loss_of_another(RuntimeError("Connection closed by peer [127.0.0.1]:1"))
    assert lost
    assert not is_loss_of_another(RuntimeError("a bug"))
    note(run, RankFailure(0, "Connection closed by peer", lost=lost, time=1))
    assert failure_words(run, 2).message == f"rank 1 of 2 {ENDED} without a word, or its machine is gone"
    note(run, RankFailure(1, "RuntimeError: a bug", time=2))
    assert failure_words(run, 2).message == "rank 1 of 2 failed: RuntimeError: a bug"
    (run.failures_dir / "rank-2.json").write_text("[]")
    assert [failure.rank for failure in noted(run)] == [0, 1]
    forget(run)
    assert not run.failures_dir.exists()
