"""A run from its first look at the data to the final model."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.events import raw_events
from tests.tiny import sentences, write_jsonl
from tests.training.conftest import Train
from tui_finetune.errors import UserError
from tui_finetune.models.weights import read_weights
from tui_finetune.runs import checkpoints, registry
from tui_finetune.runs.summary import summarize
from tui_finetune.training.reporting import Phases

TYPES = {
    "status",
    "phase",
    "progress",
    "metrics",
    "checkpoint",
    "sample",
    "resources",
    "notice",
    "facts",
    "spike",
    "check",
}
PHASES = [
    "checking",
    "loading_model",
    "loading_data",
    "preparing_data",
    "loading_model",
    "checking",
    "checking",
    "training",
]


def test_a_run_leaves_everything_that_was_promised(train: Train, place: Path) -> None:
    trained = train(num_train_epochs=2)
    run, outcome = trained.run, trained.outcome
    assert outcome.status == "finished"

    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(run.final_dir)
    assert AutoTokenizer.from_pretrained(run.final_dir).pad_token is not None
    assert model.dtype == torch.float32
    assert (run.final_dir / "training_plot.png").read_bytes().startswith(b"\x89PNG")
    card = (run.final_dir / "README.md").read_text()
    assert f"{trained.state.best_eval_loss:.4f}" in card
    assert "learning_rate" in card

    assert run.read_config().max_length == 64
    assert [r.path for r in registry.known_runs()] == [run.path]
    summary = summarize(run)
    assert (summary.status, summary.step) == ("finished", trained.state.total_steps)
    assert summary.best_eval_loss == trained.state.best_eval_loss


def test_events_are_those_promised(train: Train) -> None:
    trained = train()
    events = raw_events(trained.run.events_path)
    assert len(events) == len(trained.run.events_path.read_bytes().splitlines())
    assert {event["type"] for event in events} <= TYPES
    assert all(isinstance(event["time"], float) for event in events)
    begun = [event["phase"] for event in events if event["type"] == "phase"]
    assert begun[: len(PHASES)] == PHASES
    assert begun[-1] == "finishing"
    statuses = [event["status"] for event in events if event["type"] == "status"]
    assert statuses == ["starting", "running", "finished"]
    logged = [event for event in events if event["type"] == "metrics" and "loss" in event]
    assert {"step", "epoch", "loss", "learning_rate", "grad_norm", "tokens_per_second", "num_tokens"} <= set(logged[0])
    assert [event["step"] for event in logged] == list(range(1, trained.state.total_steps + 1))
    for event in (e for e in events if e["type"] == "checkpoint"):
        assert {"step", "path", "seconds", "bytes", "best"} <= set(event)


def test_a_run_is_private_and_holds_no_secret(train: Train, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_verysecrettoken")
    trained = train()
    assert stat.S_IMODE(trained.run.path.stat().st_mode) == 0o700
    for path in trained.run.path.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert b"hf_verysecrettoken" not in path.read_bytes(), path


def test_the_best_checkpoint_becomes_the_final_model(train: Train, place: Path) -> None:
    # Few rows and a high learning rate: it overfits, and the evaluation loss turns up.
    write_jsonl(place / "data.jsonl", sentences(24))
    trained = train(num_train_epochs=12, learning_rate=2e-2, early_stopping_patience=2, lr_scheduler_type="constant")
    state, end = trained.state, trained.outcome
    assert end.early_stopped
    assert end.step < state.total_steps
    assert end.final_step == state.best_step < end.step
    best = trained.run.checkpoints_dir / f"checkpoint-{state.best_step}"
    weights = [load_file(path / "model.safetensors") for path in (best, trained.run.final_dir)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_old_checkpoints_go_the_best_and_the_two_newest_stay(train: Train) -> None:
    trained = train(num_train_epochs=5, learning_rate=1e-4, early_stopping_patience=0)
    left = [checkpoints.step_of(path) for path in checkpoints.committed(trained.run.checkpoints_dir)]
    saved = sorted(saved.step for saved in trained.state.checkpoints)
    assert len(saved) == 5
    assert left == sorted({trained.state.best_step, *saved[-2:]})


@pytest.mark.parametrize(
    "settings",
    [
        {"validation_split": 0, "eval_strategy": "epoch"},
        {"eval_strategy": "no", "save_strategy": "no"},
        {"eval_strategy": "steps", "eval_steps": 3, "save_strategy": "epoch"},
        {"eval_strategy": "epoch", "save_strategy": "steps", "save_steps": 4},
        {"logging_steps": 100},
        {"max_steps": 5},
        {"packing": False},
        {"packing": False, "padding": "max_length", "excess_length_strategy": "truncate"},
        {"gradient_checkpointing": True, "max_steps": 3},
        {"precision": "bf16", "max_steps": 3},
        {"optim": "adafactor", "lr_scheduler_type": "cosine", "warmup_steps": 0.1, "max_steps": 3},
    ],
    ids=lambda settings: ",".join(f"{key}={value}" for key, value in settings.items()),
)
def test_settings_of_every_kind_train_to_the_end(train: Train, settings: dict[str, Any]) -> None:
    trained = train(**settings)
    assert trained.outcome.status == "finished", trained.outcome.error
    assert checkpoints.newest_sound(trained.run.checkpoints_dir)[0] is not None
    assert (trained.run.final_dir / "training_plot.png").is_file()


def test_checkpoints_of_the_model_alone_are_sound_and_say_that_they_cannot_be_resumed(train: Train) -> None:
    trained = train(max_steps=4, eval_strategy="steps", eval_steps=2, save_only_model=True)
    assert trained.outcome.status == "finished"
    run = trained.run
    checkpoint, unsound = checkpoints.newest_sound(run.checkpoints_dir)
    assert checkpoint is not None
    assert not unsound
    assert checkpoints.read_manifest(checkpoint).holds_only_model
    assert not (checkpoint / "optimizer.pt").exists()
    assert (run.final_dir / "model.safetensors").is_file()
    with pytest.raises(UserError, match="hold only the model") as refused:
        train(resume=True, changes={"max_steps": 8})
    assert f"--model {checkpoint}" in refused.value.remedy


def test_of_several_gpus_trainer_uses_one(tmp_path: Path) -> None:
    from transformers import TrainingArguments

    from tui_finetune.training.arguments import on_one_device

    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=4)
    _ = arguments.device
    arguments._n_gpu = 3
    assert arguments.train_batch_size == 12
    assert on_one_device(arguments).train_batch_size == 4


def test_pausing_keeps_everything_and_stopping_ends_a_pause(train: Train, soon: Any) -> None:
    def pause(run):
        run.request("pause")
        soon(0.6, lambda: run.request("stop"))

    trained = train(at={3: pause})
    statuses = [event["status"] for event in trained.events if event["type"] == "status"]
    assert statuses == ["starting", "running", "paused", "stopping", "stopped"]
    assert trained.outcome.checkpoint_step == 3


def test_a_stop_before_the_first_step_leaves_nothing_to_save(
    place: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui_finetune.config.resolve import resolve
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.training.session import TrainingSession

    run = RunDirectory(place / "early")
    run.create()
    # The lock is there before the data is read: leave the request as soon as the run says that it has started.
    session = TrainingSession(resolve({"model": str(models / "llama"), "dataset": "data.jsonl"}), run)

    def stop_when_started():
        while not run.events_path.exists() or b"starting" not in run.events_path.read_bytes():
            time.sleep(0.001)
        run.request("stop")

    thread = threading.Thread(target=stop_when_started)
    usual = Phases.__call__

    def after_the_request(phases, *given):
        thread.join()
        return usual(phases, *given)

    monkeypatch.setattr(Phases, "__call__", after_the_request)
    thread.start()
    outcome = session.run()
    assert (outcome.status, outcome.began) == ("stopped", False)
    assert not run.is_live


def test_fault_19_one_directory_is_trained_by_one_process(train: Train, place: Path) -> None:
    from tui_finetune.runs.lock import RunLock

    trained = train(max_steps=2)
    with RunLock(trained.run.lock_path), pytest.raises(UserError, match="trained already"):
        train(resume=True, changes={"max_steps": 4})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model_name_or_path": "./nowhere"}, "nowhere"),
        ({"dataset_name": "nowhere.jsonl"}, "nowhere.jsonl"),
        ({"dataset_text_field": "body"}, "body"),
        ({"max_length": 65}, "64"),
        ({"report_to": "trackio"}, "trackio"),
        ({"validation_split": 60}, "60"),
    ],
)
def test_what_cannot_be_done_fails_before_a_step_in_plain_words(
    train: Train, settings: dict[str, Any], words: str
) -> None:
    outcome = train(**settings).outcome
    assert (outcome.status, outcome.began) == ("failed", False)
    assert words in outcome.error.message
    assert outcome.error.remedy


def test_a_final_folder_elsewhere_is_never_overwritten(train: Train, place: Path) -> None:
    first = train("first", max_steps=2, final_model_dir=str(place / "mine"))
    assert (place / "mine" / "model.safetensors").is_file()
    assert first.outcome.final_dir == str(place / "mine")
    before = {path.name: path.read_bytes() for path in (place / "mine").iterdir()}
    second = train("second", max_steps=2, final_model_dir=str(place / "mine"))
    assert second.outcome.status == "failed"
    assert "belongs to another run" in second.outcome.error.message
    assert {path.name: path.read_bytes() for path in (place / "mine").iterdir()} == before


def test_a_model_that_cannot_keep_documents_apart_is_padded_instead(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui_finetune.training import inputs

    monkeypatch.setattr(inputs, "keeps_documents_apart", lambda *_: False)
    trained = train(max_steps=2)
    assert trained.outcome.status == "finished"
    assert any("padded instead" in event["message"] for event in trained.events if event["type"] == "notice")


def test_leaking_documents_are_seen(models: Path) -> None:
    from transformers import AutoModelForCausalLM

    from tui_finetune.training.packing.check import keeps_documents_apart

    for name in ("llama", "gpt2"):
        model = AutoModelForCausalLM.from_pretrained(models / name)
        assert keeps_documents_apart(model, model.config.vocab_size)
        forward = model.forward

        def leaking(*, input_ids, position_ids=None, forward=forward, **kwargs):
            # What a model does that is not told where documents begin: all of the row is one.
            return forward(input_ids=input_ids, **kwargs)

        model.forward = leaking
        assert not keeps_documents_apart(model, model.config.vocab_size)


def test_settings_that_suit_a_model_go_on_with_its_descendants(train: Train, models: Path, place: Path) -> None:
    import shutil

    shutil.copytree(models / "llama", place / "model")
    (place / "model" / "finetune-tui.yaml").write_text("learning_rate: 3.0e-3\n")
    trained = train(model_name_or_path="model", max_steps=1)
    assert (trained.run.final_dir / "finetune-tui.yaml").read_text() == "learning_rate: 3.0e-3\n"


def test_what_libraries_log_is_in_train_log_and_not_on_the_terminal(
    train: Train, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging

    trained = train(max_steps=1, at={1: lambda run: logging.getLogger("transformers.trainer").warning("a word")})
    assert "a word" in trained.run.log_path.read_text()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_json_of_every_event_is_strict(train: Train) -> None:
    trained = train(max_steps=2)
    for line in trained.run.events_path.read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_the_process_has_no_descriptor_of_the_run_left_open(train: Train) -> None:
    trained = train(max_steps=1)
    open_files = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _readable(fd)]
    assert not [path for path in open_files if path.startswith(str(trained.run.path))]


def _readable(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


@pytest.mark.parametrize(
    ("base", "wanted", "saved"),
    [("bfloat16", "auto", "BF16"), ("float32", "auto", "F32"), ("bfloat16", "fp32", "F32"), ("float32", "fp16", "F16")],
)
def test_the_final_model_is_saved_in_the_format_of_its_base(
    train: Train, models: Path, tmp_path: Path, base: str, wanted: str, saved: str
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(models / "llama", folder)
    AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, base)).save_pretrained(folder)
    trained = train("run", model_name_or_path=str(folder), max_steps=2, save_dtype=wanted)
    final = trained.run.final_dir
    assert {tensor.dtype for tensor in read_weights(final)} == {saved}
    assert {tensor.dtype for tensor in read_weights(trained.run.checkpoints_dir / "checkpoint-2")} == {"F32"}
    config = json.loads((final / "config.json").read_text())
    assert config.get("use_cache", True) is True
    for path in final.glob("*.json"):
        assert "local_files_only" not in path.read_text()
        assert str(tmp_path) not in path.read_text()
    card = (final / "README.md").read_text()
    assert str(tmp_path) not in card
    assert "stopped |" not in card


def test_a_weight_too_large_for_fp16_keeps_all_in_fp32(train: Train, models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(models / "llama", folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.model.norm.weight[0] = 1e6
    model.save_pretrained(folder)
    trained = train("run", model_name_or_path=str(folder), max_steps=1, save_dtype="fp16", learning_rate=1e-6)
    assert {tensor.dtype for tensor in read_weights(trained.run.final_dir)} == {"F32"}
    assert any("too large for fp16" in told.notice.message for told in trained.state.notices)
