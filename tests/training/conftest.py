"""Tiny runs: a model, a data set, and a way to train on them and look at what came of it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.events import Raw, raw_events
from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.config.resolve import resolve
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state


@dataclass
class Trained:
    """A run that has ended."""

    run: RunDirectory
    outcome: Any

    @property
    def events(self) -> list[Raw]:
        return raw_events(self.run.events_path)

    @property
    def state(self) -> Any:
        return load_state(self.run)

    def losses(self) -> list[tuple[int, float]]:
        return list(self.state.losses)

    def eval_losses(self) -> list[tuple[int, float]]:
        return list(self.state.eval_losses)


Train = Callable[..., Trained]
"""Trains a tiny run; see `train`."""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models, by architecture."""
    folder = tmp_path_factory.mktemp("models")
    for architecture in ("llama", "gpt2"):
        make_model(folder / architecture, architecture)
    # Trainer collects garbage at each start; what the imports have left is none, and takes most of the time of a tiny run.
    gc.freeze()
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place to work in, with a data set `data.jsonl` of 60 ragged texts."""
    return make_place(tmp_path, monkeypatch)


def make_place(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """A folder made such a place, while the patch lasts."""
    patch.setenv("FINETUNE_TUI_STATE", str(folder / "state"))
    patch.setenv("FINETUNE_TUI_CACHE", str(folder / "cache"))
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.chdir(folder)
    write_jsonl(folder / "data.jsonl", sentences(60))
    return folder


@pytest.fixture
def train(place, models) -> Callable[..., Trained]:
    """Train in `place`: settings as keywords, `name` of the run, `at` a mapping of step to what is called there.

    With `resume=True` the run of that name is gone on with, with `changes` to its settings.
    """
    return train_in(place, models)


def train_in(place: Path, models: Path) -> Callable[..., Trained]:
    """What the fixture `train` gives, in any place."""
    from tui_finetune.training.session import TrainingSession

    def run(
        name: str = "run",
        *,
        resume: bool = False,
        at: dict[int, Callable[[RunDirectory], None]] | None = None,
        preset: str | None = None,
        changes: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Trained:
        directory = RunDirectory(place / name)
        if resume:
            session = TrainingSession.resume(directory, changes)
        else:
            chosen = {
                "model_name_or_path": str(models / "llama"),
                "dataset_name": "data.jsonl",
                "learning_rate": 1e-3,
                "logging_steps": 1,
                "max_length": 64,
                "per_device_train_batch_size": 2,
                **settings,
            }
            directory.create()
            session = TrainingSession(resolve(chosen, preset_name=preset), directory)
        stop_watching = _call_at_steps(session, at or {})
        try:
            return Trained(directory, session.run())
        finally:
            stop_watching()

    return run


def _call_at_steps(session: Any, at: dict[int, Callable[[RunDirectory], None]]) -> Callable[[], None]:
    """Call something in the middle of a step: when it begins, so that what is asked for is seen at its end."""
    from transformers import TrainerCallback

    from tui_finetune.training import build as module
    from tui_finetune.training.callback import RunCallback

    class Watcher(RunCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if (what := at.get(state.global_step + 1)) is not None:
                what(session.directory)

    original = RunCallback
    assert issubclass(original, TrainerCallback)
    if at:
        module.RunCallback = Watcher  # type: ignore[attr-defined]

    def undo() -> None:
        module.RunCallback = original  # type: ignore[attr-defined]

    return undo


@pytest.fixture
def soon() -> Callable[[float, Callable[[], None]], threading.Thread]:
    """Call something a moment later, from another thread."""

    def start(seconds: float, what: Callable[[], None]) -> threading.Thread:
        def work() -> None:
            time.sleep(seconds)
            what()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    return start
