"""What learning preferences needs is looked at before anything is loaded."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from tui_finetune.config.resolve import resolve
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.models import tasks


def missing(name: str) -> str:
    raise PackageNotFoundError(name)


def test_without_trl_the_way_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "version", missing)
    tasks.check_task(RunConfig())
    with pytest.raises(UserError, match="package trl is not installed") as error:
        tasks.check_task(RunConfig(task="dpo"))
    assert "pip install 'finetune-tui[preference]'" in error.value.remedy
    assert error.value.setting == "task"


@pytest.mark.parametrize("installed", ["1.15.2", "0.29.0", "2.0.0"])
def test_another_version_is_refused(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "version", lambda name: installed)
    with pytest.raises(UserError, match=f"from 1.16 on and below 2, not {installed}"):
        tasks.check_task(RunConfig(task="orpo"))


def test_what_can_not_be_with_a_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "version", lambda name: "1.16.0")
    with pytest.raises(UserError, match="a batch of one row"):
        tasks.check_task(RunConfig(task="kto", per_device_train_batch_size=1))
    with pytest.raises(UserError, match="Liger"):
        tasks.check_task(RunConfig(task="dpo", use_liger_kernel=True))
    with pytest.raises(UserError, match="one process"):  # as each of several that another launcher has started says
        tasks.check_task(RunConfig(task="dpo", num_processes=2))
    # Where nobody asked for a batch of one row, as the starter's folder does, kto has more.
    tasks.check_task(resolve({"task": "kto"}, model_settings={"per_device_train_batch_size": 1}).config)
