"""An adapter run is compared with its base in one model, whose adapter is switched on and off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.chat.engine import Engine
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.session import ChatSession, compared_with
from tui_finetune.chat.targets import resolve_chat_target
from tui_finetune.config.resolve import resolve
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.naming import new_run_path
from tui_finetune.training.session import TrainingSession


def test_before_and_after_an_adapter_share_one_model_and_write_what_each_writes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    make_model(tmp_path / "tiny")
    write_jsonl(tmp_path / "plain.jsonl", sentences(30))
    chosen = {"model": "./tiny", "dataset": "plain.jsonl", "method": "lora", "learning_rate": 0.05, "max_steps": 3}
    resolved = resolve({**chosen, "output_dir": "runs/adapted"})
    run = RunDirectory(new_run_path(resolved.config))
    run.create()
    assert TrainingSession(resolved, run).run().error is None

    target = resolve_chat_target("adapted")
    session = ChatSession()
    before, after = session.open_all([compared_with(target), target])
    assert isinstance(before, Engine)
    assert isinstance(after, Engine)
    assert before.model is after.model

    def quiet(text: str) -> None:
        pass

    sampling = Sampling(temperature=0, max_new_tokens=20)
    both = session.answer([before, after], "the old lamp", [quiet, quiet], sampling=sampling)
    assert both[0].text != both[1].text
    for place, name in enumerate(("./tiny", "adapted")):
        alone = ChatSession()
        engine = alone.open(resolve_chat_target(name))
        assert engine.reply("the old lamp", sampling).text == both[place].text
    again = session.answer([before, after], "the old lamp", [quiet, quiet], sampling=sampling)
    assert [reply.text for reply in again] == [reply.text for reply in both]
