"""A run that is talked to answers between its steps, and trains on as if nobody had said a word."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.training.compare import assert_same
from tests.training.conftest import Trained
from tui_finetune.chat.live import LiveRun
from tui_finetune.chat.reply import Reply
from tui_finetune.chat.sampling import Sampling
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.replies import ReplyPaths, ReplyReader

SHORT = {"max_new_tokens": 12, "temperature": 1.0, "seed": 1}


def ask(run: RunDirectory, words: str = "the old lamp", **sampling: Any) -> str:
    return run.request("chat", prompt=words, sampling={**SHORT, **sampling})


def lines(run: RunDirectory, request: str) -> list[dict[str, Any]]:
    return [dict(line) for line in ReplyReader(ReplyPaths(run.replies_dir, request)).poll()]


def test_a_run_that_was_talked_to_twenty_times_is_bitwise_the_one_that_was_not(train: Any) -> None:
    asked: list[str] = []

    def chatter(run: RunDirectory) -> None:
        asked.extend(ask(run) for _ in range(5))
        run.request("chat", messages=[{"role": "user", "content": "and?"}], sampling={"max_new_tokens": 3})

    def cancelled(run: RunDirectory) -> None:
        asked.append(request := ask(run, max_new_tokens=40))
        ReplyPaths(run.replies_dir, request).ask_to_end()
        asked.append(run.request("chat", sampling={"temperature": "hot"}))

    at = {1: chatter, 2: chatter, 3: chatter, 4: cancelled, 5: chatter}
    quiet: Trained = train("quiet", max_steps=6)
    talked: Trained = train("talked", at=at, max_steps=6)
    assert_same(quiet, talked)
    ends = [lines(talked.run, request)[-1] for request in asked]
    assert len(ends) == 22
    assert all(end["end"] in {"length", "end"} for end in ends[:15])
    assert [end["end"] for end in ends[15:17]] == ["cancelled", "failed"]
    assert all(end["cost"] >= 0 and end["step"] >= 1 for end in ends)
    told = [event for event in talked.events if event["type"] == "reply_end"]
    assert {event["id"] for event in told} >= set(asked)


def test_a_long_reply_is_written_in_slices_while_training_goes_on(train: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("tui_finetune.training.talk.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("tui_finetune.training.talk.MOST_SECONDS", 0.0)  # a token between two steps
    asked: list[str] = []
    quiet: Trained = train("quiet", max_steps=8)
    sliced: Trained = train("sliced", at={1: lambda run: asked.append(ask(run, max_new_tokens=5))}, max_steps=8)
    assert_same(quiet, sliced)
    found = lines(sliced.run, asked[0])
    assert found[-1]["step"] >= 3
    assert found[-1]["tokens"] <= 5


def test_the_app_and_the_command_ask_and_hear_pieces_as_they_are_written(train: Any) -> None:
    heard: list[Reply] = []
    pieces: list[str] = []

    def from_elsewhere(run: RunDirectory) -> None:
        def talk() -> None:
            live = LiveRun(run, "it")
            assert not live.has_chat_template
            heard.append(live.reply("the old lamp", Sampling(max_new_tokens=12, seed=1), pieces.append))

        threading.Thread(target=talk).start()
        time.sleep(0.5)

    train("asked", at={2: from_elsewhere}, max_steps=5)
    end = time.monotonic() + 10
    while not heard and time.monotonic() < end:
        time.sleep(0.05)
    reply = heard[0]
    assert reply.text == "".join(pieces)
    assert reply.tokens > 0
    assert reply.cost is not None
    assert reply.step is not None
