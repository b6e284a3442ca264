"""A model is talked to as it was trained, in the terminal as in the app."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.session import open_chat
from tui_finetune.chat.targets import resolve_chat_target
from tui_finetune.cli.main import main
from tui_finetune.config.resolve import resolve
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.naming import new_run_path
from tui_finetune.training.session import TrainingSession

TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}<|endoftext|>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
WORDS = "the old lamp"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that has a chat template, and one run of it on chats and one on plain text."""
    base = tmp_path_factory.mktemp("chats")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        patch.setenv("FINETUNE_TUI_STATE", str(base / "state"))
        make_model(base / "tiny")
        (base / "tiny" / "chat_template.jinja").write_text(TEMPLATE)
        turns = [
            {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": text[:40]}]}
            for n, text in enumerate(sentences(30))
        ]
        (base / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turns))
        write_jsonl(base / "plain.jsonl", sentences(30))
        for data in ("chats", "plain"):
            train(base, data)
    return base


def train(base: Path, data: str) -> None:
    resolved = resolve({"model": "./tiny", "dataset": f"{data}.jsonl", "max_steps": 1, "output_dir": f"runs/{data}"})
    run = RunDirectory(new_run_path(resolved.config))
    run.create()
    outcome = TrainingSession(resolved, run).run()
    assert outcome.error is None


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(place / "state"))
    return place


def printed(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["chat", name, "--prompt", WORDS, "--seed", "3", "--max-new-tokens", "12"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("name", "style"), [("chats", "turns"), ("plain", "text"), ("./tiny", "turns")])
def test_the_terminal_sends_what_the_app_sends(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, style: str
) -> None:
    engine, conversation = open_chat(resolve_chat_target(name))
    assert conversation.style == style
    prompt = conversation.prompt_for(WORDS)
    assert prompt == (WORDS if style == "text" else [{"role": "user", "content": WORDS}])
    reply = engine.reply(prompt, Sampling(seed=3, max_new_tokens=12)).text
    shown = printed(name, capsys).removesuffix("\n")
    assert reply
    assert shown == (WORDS + reply if style == "text" else reply)


def test_each_prompt_is_a_conversation_of_its_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once = printed("chats", capsys)
    main(["chat", "chats", "--prompt", WORDS, "--prompt", WORDS, "--seed", "3", "--max-new-tokens", "12"])
    assert capsys.readouterr().out == f"{once}\n{once}"
