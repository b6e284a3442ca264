"""`finetune-tui chat`: sets of prompts, several models, commands."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_bytes import tiny_model, tiny_tokenizer
from tui_finetune.chat.commands import change_setting, completions, parse
from tui_finetune.chat.engine import Engine
from tui_finetune.chat.history import PromptHistory
from tui_finetune.chat.prompt_set import Asked, answer_all, judge, read_set
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.saved import load, save
from tui_finetune.chat.session import ChatSession
from tui_finetune.cli.main import main
from tui_finetune.errors import UserError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    for place, name in enumerate(("one", "two")):
        model = tiny_model()
        if place:
            model.model.layers[0].mlp.down_proj.weight.data.mul_(30)
        model.save_pretrained(tmp_path / name)
        tiny_tokenizer(pad_token="</s>").save_pretrained(tmp_path / name)
    return tmp_path


def test_answers_in_batches_are_those_one_by_one() -> None:
    engine = Engine(tiny_model(), tiny_tokenizer(pad_token="</s>"), "tiny")
    asked = [Asked("word " * number, expected="lamp") for number in range(1, 12)]
    for sampling in (Sampling(temperature=0, max_new_tokens=10), Sampling(seed=3, max_new_tokens=10)):
        batched = answer_all(engine, asked, sampling, turns=False, batch_size=4)
        alone = [engine.reply(one.words, sampling).text for one in asked]
        assert [answer.text for answer in batched] == alone
    assert all(answer.loss is not None and answer.loss > 0 for answer in batched)


def test_a_set_is_answered_by_two_models_and_written_down(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"prompt": "The lamp", "expected": " was lit", "check": "regex:."},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}], "check": "json"},
    ]
    (here / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["chat", "./one", "./two", "--prompts", "set.jsonl", "--out", "answers.jsonl", "--max-new-tokens", "5"]
    assert main(command) == 0
    found = [json.loads(line) for line in (here / "answers.jsonl").read_text().splitlines()]
    assert [row["expected"] for row in found] == [" was lit", "Yes"]
    assert set(found[0]["answers"]) == {"one", "two"}
    assert found[0]["answers"]["one"]["loss"] != found[0]["answers"]["two"]["loss"]
    assert found[1]["answers"]["one"]["good"] is False
    assert "## 2" in (here / "answers.md").read_text()
    assert "worse by loss" in capsys.readouterr().out
    assert main(command) == 2  # nothing is overwritten
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "why"),
    [("{", "line 1 is no JSON"), ("{}", "line 1 has no prompt"), ('{"prompt": "a", "check": "regex:("}', "wrong")],
)
def test_a_line_that_is_no_prompt_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(line)
    with pytest.raises(UserError, match=why):
        read_set(path)


def test_checks() -> None:
    assert judge(Asked("a", expected="x", check="exact"), " x\n") is True
    assert judge(Asked("a", check="json"), "{") is False
    assert judge(Asked("a"), "x") is None


def test_a_conversation_on_standard_input_obeys_commands(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "/set temperature 0\n/set max_new_tokens 4\nThe \\\nlamp\n/retry\n/compare ./one ./two\nThe ship\n/save it.md\n/nope\n/quit\nnever"
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    assert main(["chat", "./one"]) == 0
    shown: Any = capsys.readouterr()
    first, second = shown.out.split("The \nlamp")[1:3]
    assert first.split("\n")[0] == second.split("\n")[0]
    assert "── two" in shown.out
    assert "/nope is no command" in shown.err
    assert "never" not in shown.out
    assert (here / "it.md").exists()


def test_saved_conversations_are_gone_on_with_and_damaged_ones_refused(tmp_path: Path) -> None:
    session = ChatSession()
    session.conversation.style = "turns"
    session.conversation.system = "Be brief."
    session.conversation.keep("a", "b\x1b[31m")
    path = save(session, tmp_path / "talk.json")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="is there already"):
        save(session, path)
    other = ChatSession()
    assert load(other, path) == 2
    assert (other.conversation.messages, other.conversation.system) == (session.conversation.messages, "Be brief.")
    for wrong in ("[]", "{", '{"messages": [1]}', '{"messages": [{"role": "system", "content": "x"}]}'):
        path.write_text(wrong)
        with pytest.raises(UserError, match="no saved conversation"):
            load(other, path)


def test_prompts_are_remembered_over_starts_and_damage_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "state" / "prompts.jsonl"
    PromptHistory(path).add("one\ntwo")
    with path.open("a") as file:
        file.write("{\n[]\n")
    history = PromptHistory(path)
    history.add("three")
    assert PromptHistory(path).prompts == ["one\ntwo", "three"]
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    PromptHistory(path).add("four")
    assert not (tmp_path / "elsewhere").exists()


def test_commands_are_completed_and_settings_checked() -> None:
    assert completions("/sa") == ["/save"]
    assert completions("/set temp") == ["/set temperature "]
    assert completions("a /set") == []
    assert parse("/ret") == ("retry", "")
    assert parse("what / why") is None
    assert parse("/etc/passwd") is None
    assert change_setting(Sampling(seed=1), "seed random").seed is None
    for wrong in ("heat 1", "temperature hot", "top_p 2"):
        with pytest.raises(UserError):
            change_setting(Sampling(), wrong)
