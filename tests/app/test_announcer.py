"""What is told to a person who looks elsewhere: the title while a run goes, a notification when it ends or goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.fake_run import FakeRun, half_way
from tests.app.stand_ins import Clock
from tui_finetune.errors import Notice
from tui_finetune.runs.lock import RunLock
from tui_finetune.runs.watch import Watch
from tui_finetune.system.announce import KEEP_TITLE, RESTORE_TITLE
from tui_finetune.tui.announcer import Announcer


def watched(fake: FakeRun) -> Watch:
    watch = Watch(fake.run, lambda: True)
    watch.poll()
    return watch


def test_the_title_says_how_far_it_is_and_is_given_back_at_the_end(home: Path) -> None:
    fake, sent = half_way(home / "runs" / "tales-1"), list[str]()
    watch, announcer = watched(fake), Announcer(sent.append, {"TERM": "xterm"})
    announcer.look(watch)
    assert sent[0].startswith(KEEP_TITLE)
    assert "60 % loss 1." in sent[0]
    announcer.look(watch)
    assert len(sent) == 1
    fake.train(240)
    fake.finish()
    watch.poll()
    announcer.look(watch)
    assert sent[1] == RESTORE_TITLE
    assert "Finished" in sent[2]
    announcer.look(watch)
    announcer.leave()
    assert len(sent) == 3


@pytest.mark.parametrize(("notify", "told"), [("terminal", True), ("none", False)])
def test_a_failure_is_told_unless_that_is_not_wanted(home: Path, notify: str, told: bool) -> None:
    fake, sent = half_way(home / "runs" / "tales-1", notify=notify), list[str]()
    watch, announcer = watched(fake), Announcer(sent.append, {"TERM": "xterm"})
    announcer.look(watch)
    fake.status("failed", reason="the device's memory is full")
    watch.poll()
    announcer.look(watch)
    assert any("the device's memory is full" in sequence for sequence in sent) is told


def test_a_run_that_was_over_when_it_was_opened_is_not_announced(home: Path) -> None:
    fake, sent = half_way(home / "runs" / "tales-1"), list[str]()
    fake.finish()
    Announcer(sent.append, {}).look(watched(fake))
    assert sent == []


def test_an_error_of_health_is_told_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_finetune.runs.health.diagnose", lambda state: [Notice("error", "The loss has diverged.")])
    fake, sent, clock = half_way(home / "runs" / "tales-1"), list[str](), Clock()
    with RunLock(fake.run.lock_path):
        watch, announcer = watched(fake), Announcer(sent.append, {"TERM": "xterm"}, clock)
        for _ in range(3):
            announcer.look(watch)
            clock.seconds += 40
    assert sum("diverged" in sequence for sequence in sent) == 1
