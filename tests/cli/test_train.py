"""The commands that train, and what they are told: signals, requests, resuming from elsewhere, and bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Done, Programs, Running, wait_for
from tui_finetune.runs.checkpoints import committed, newest_sound, verify
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state

Start = Callable[..., Running]


@pytest.fixture
def start(programs: Programs, place: Path, models: Path) -> Start:
    """Start a command that trains the tiny model, endlessly unless told otherwise."""

    def begin(*arguments: str, command: str = "train", name: str = "run", **options: Any) -> Running:
        usual = (
            "--model",
            str(models / "llama"),
            "--dataset",
            "data.jsonl",
            "--output_dir",
            name,
            "--max_length",
            "64",
            "--logging_steps",
            "1",
            "--learning_rate",
            "1e-3",
            "--batch_size",
            "2",
            "--max_steps",
            "100000",
        )
        return programs.start(command, *usual, *arguments, folder=place, **options)

    return begin


@pytest.fixture
def run(place: Path) -> RunDirectory:
    return RunDirectory(place / "run")


def trained(run: RunDirectory, steps: int = 2) -> None:
    """Wait until the run has taken some steps."""
    wait_for(lambda: load_state(run).step >= steps, f"no step in {run.path}")


def assert_stopped_and_saved(run: RunDirectory) -> None:
    state = load_state(run)
    assert state.status == "stopped"
    assert verify(committed(run.checkpoints_dir)[-1]).step == state.step
    assert (run.final_dir / "model.safetensors").is_file()
    assert not run.is_live


def test_a_run_and_what_is_said_of_it(start: Start, programs: Programs, run: RunDirectory, place: Path) -> None:
    done = start("--max_steps", "6", "--eval_strategy", "steps", "--eval_steps", "3").wait()
    assert done.status == 0, done.err
    assert done.err == ""
    for words in ("Training run", "step 6/6", "loss", "eval loss", "finished at step 6 of 6", str(run.final_dir)):
        assert words in done.out, words

    listed = programs.run("runs", "--json", folder=place)
    (summary,) = json.loads(listed.out)
    assert summary["name"] == "run"
    assert summary["status"] == "finished"
    assert (summary["step"], summary["total_steps"]) == (6, 6)
    assert summary["best_eval_loss"] == load_state(run).best_eval_loss
    assert {"model", "dataset", "path", "updated"} <= summary.keys()
    assert "finished" in programs.run("runs", folder=place).out

    said = programs.run("chat", "run", "--prompt", "the old", "--max-new-tokens", "3", folder=place)
    assert said.status == 0, said.err
    assert said.out.startswith("the old")

    again = start("--max_steps", "6").wait()
    assert again.status == 2
    assert again.words == ["error", "hint"]
    assert "holds a run already" in again.err
    assert load_state(run).starts == 1


def test_json_is_the_events_and_nothing_else(start: Start, run: RunDirectory) -> None:
    done = start("--max_steps", "3", "--json").wait()
    assert done.status == 0
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events == [json.loads(line) for line in run.events_path.read_text().splitlines()]
    assert events[-1]["status"] == "finished"
    assert {"loss", "learning_rate", "step"} <= next(e for e in events if e["type"] == "metrics" and e["step"]).keys()


def test_a_dry_run_says_all_and_writes_nothing(start: Start, place: Path) -> None:
    before = sorted(place.rglob("*"))
    done = start("--dry-run", "--max_steps", "7").wait()
    assert done.status == 0, done.err
    assert "steps        7" in done.out
    assert any(line.split() == ["max_steps", "7", "flag"] for line in done.out.splitlines())
    assert [path for path in sorted(place.rglob("*")) if "cache" not in path.parts] == before


def test_preview_and_estimate_have_the_promised_fields(programs: Programs, place: Path, models: Path) -> None:
    model = str(models / "llama")
    seen = programs.run("preview", "data.jsonl", "--model", model, "--json", folder=place)
    preview = json.loads(seen.out)
    assert preview.keys() >= {
        "format",
        "reason",
        "rows",
        "mapping",
        "examples",
        "lengths",
        "tokens",
        "trained_tokens",
        "duplicates",
        "problems",
    }
    assert preview["rows"] == 60
    assert len(preview["examples"]) == 5
    assert {"text", "trained"} <= preview["examples"][0][0].keys()
    assert preview["lengths"].keys() >= {"mean", "p50", "p95", "max", "over_max_length"}

    told = programs.run("estimate", "--model", model, "--dataset", "data.jsonl", "--json", folder=place)
    estimate = json.loads(told.out)
    assert estimate.keys() >= {
        "parameters",
        "trained_parameters",
        "memory",
        "available",
        "fits",
        "steps",
        "seconds",
        "disk",
    }
    assert estimate["memory"]["total"] == sum(n for part, n in estimate["memory"].items() if part != "total")
    assert seen.err == told.err == ""


def test_data_that_a_terminal_would_obey_is_printed_harmless(programs: Programs, place: Path, models: Path) -> None:
    texts = [f"{n} \x1b]52;c;RVZJTA==\x07 \x9b31m \u202e [red]" for n in range(9)]
    (place / "evil\x1b[31m.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    done = programs.run("preview", "evil\x1b[31m.jsonl", "--model", str(models / "llama"), folder=place)
    assert done.status == 0, done.err
    assert "[red]" in done.out
    assert not set("\x1b\x07\x9b\u202e") & set(done.out + done.err)


@pytest.mark.parametrize(
    ("number", "status", "group"),
    [(signal.SIGINT, 130, False), (signal.SIGTERM, 143, True)],
    ids=["SIGINT", "SIGTERM to the group"],
)
def test_fault_02_a_signal_saves_and_ends_the_run(
    start: Start, run: RunDirectory, number: int, status: int, group: bool
) -> None:
    running = start()
    trained(run)
    running.send(number, group=group)
    done = running.wait()
    assert done.status == status
    assert_stopped_and_saved(run)
    assert "finetune-tui resume run" in done.out
    assert done.err == ""


def test_fault_06_five_signals_at_once_are_one(start: Start, run: RunDirectory) -> None:
    running = start()
    trained(run)
    for _ in range(5):
        running.send(signal.SIGINT)
        time.sleep(0.01)
    assert running.wait().status == 130
    assert_stopped_and_saved(run)


def test_the_third_ctrl_c_ends_at_once_and_harms_nothing(start: Start, run: RunDirectory, programs: Programs) -> None:
    # After the first checkpoint comes a step that would take very long.
    running = start("--save_strategy", "steps", "--save_steps", "1", before=_slow("self.state.global_step >= 2"))
    wait_for(lambda: committed(run.checkpoints_dir), "nothing is saved")
    trained(run)
    for words in ("finishing the step", "once more", None):
        running.send(signal.SIGINT)
        if words:
            wait_for(partial(running.says, words), f"it does not say: {words}")
            time.sleep(0.4)
    assert running.wait().status == 130
    checkpoint, unsound = newest_sound(run.checkpoints_dir)
    assert checkpoint is not None
    assert unsound == []


def _slow(condition: str) -> str:
    """Code that makes steps take an hour as soon as the condition on the Trainer holds."""
    return (
        "import time\nfrom tui_finetune.training.trainer import RunTrainer as T\nstep = T.training_step\n"
        f"def slow(self, *a, **k):\n    time.sleep(3600 if {condition} else 0)\n    return step(self, *a, **k)\n"
        "T.training_step = slow\n"
    )


def test_fault_05_a_signal_while_the_data_is_read_ends_it_before_the_first_step(
    start: Start, run: RunDirectory
) -> None:
    hold = (
        "import time, tui_finetune.data.open as s\noriginal = s.open_dataset\n"
        "def held(config, report=None):\n"
        "    for n in range(10**6):\n        report(n, None, 'rows')\n        time.sleep(0.01)\n"
        "s.open_dataset = held\n"
    )
    running = start(before=hold)
    wait_for(lambda: load_state(run).phase == "loading_data", "it does not come to the data")
    running.send(signal.SIGTERM)
    done = running.wait()
    assert done.status == 143
    assert load_state(run).status == "stopped"
    assert committed(run.checkpoints_dir) == []


def test_fault_03_a_hang_up_lets_the_run_go_on(start: Start, run: RunDirectory) -> None:
    running = start("--max_steps", "40")
    trained(run)
    running.send(signal.SIGHUP)
    done = running.wait()
    assert done.status == 0
    assert load_state(run).status == "finished"
    assert load_state(run).step == 40
    # Output that leads to a file is still written.
    assert "finished at step 40 of 40" in done.out


def test_stop_waits_and_resume_goes_on_from_anywhere(
    start: Start, run: RunDirectory, programs: Programs, place: Path
) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    refused = programs.run("stop", folder=place)
    assert (refused.status, refused.words) == (2, ["error", "hint"])

    running = start("--max_steps", "400", "--early_stopping_patience", "0")
    trained(run)
    run.request("pause")  # so that it is still going when it is stopped, however fast the machine
    second = programs.run("resume", "run", folder=elsewhere)
    assert (second.status, second.words) == (2, ["error", "hint"])
    assert "is being trained already" in second.err
    assert str(running.pid) in second.err

    stopped = programs.run("stop", "run", folder=elsewhere)
    assert stopped.status == 0
    assert "stopped at step" in stopped.out
    assert not run.is_live
    assert running.wait().status == 0
    assert_stopped_and_saved(run)
    step = load_state(run).step
    assert step < 400

    again = programs.run("stop", "run", folder=elsewhere)
    assert (again.status, again.words) == (2, ["error", "hint"])

    resumed = programs.run("resume", "run", folder=elsewhere)
    assert resumed.status == 0, resumed.err
    state = load_state(run)
    assert (state.status, state.step, state.starts) == ("finished", 400, 2)
    assert list(state.losses.steps) == sorted(set(state.losses.steps))
    assert any(
        json.loads(line).get("resumed_from") == step for line in run.events_path.read_text().splitlines() if line
    )
    assert sorted(path.name for path in elsewhere.iterdir()) == []


def test_fault_23_output_that_nobody_reads_ends_nothing(start: Start, run: RunDirectory) -> None:
    closed = (
        "import os\nos.close(0); os.close(1); os.close(2)\nimport sys\nsys.stdin = sys.stdout = sys.stderr = None\n"
    )
    broken = "import os\nr, w = os.pipe(); os.dup2(w, 1); os.dup2(w, 2); os.close(r); os.close(w)\n"
    latin = "import sys\nfor s in (sys.stdout, sys.stderr): s.reconfigure(encoding='latin-1', errors='strict')\n"
    for name, before in (("closed", closed), ("broken", broken), ("latin", latin)):
        for extra in ((), ("--json",)):
            place = f"{name}{len(extra)}"
            done = start("--max_steps", "2", *extra, name=place, before=before).wait()
            assert done.status == 0, (name, done.err)
            assert load_state(RunDirectory(run.path.parent / place)).status == "finished"
            assert "Traceback" not in done.err
            assert "Exception" not in done.err


# What can't be done


def bad_inputs(place: Path, models: Path) -> dict[str, tuple[list[str], str]]:
    """Arguments of `train` that can't work, with a word that the message must have."""
    (place / "empty.jsonl").write_text("")
    (place / "list.yaml").write_text("- 1\n- 2\n")
    (place / "broken.yaml").write_text("a: [1\nb: 2\n")
    (place / "unknown.yaml").write_text("learning_rte: 1\n")
    encoder = place / "encoder"
    shutil.copytree(models / "llama", encoder)
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(json.dumps(config | {"architectures": ["BertModel"], "model_type": "bert"}))
    cut = place / "cut"
    shutil.copytree(models / "llama", cut)
    weights = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    return {
        "missing model folder": (["--model", "./nowhere"], "nowhere"),
        "model on the hub, no network": (["--model", "someone/nothing"], "someone/nothing"),
        "data on the hub, no network": (["--dataset", "someone/nothing"], "someone/nothing"),
        "missing file": (["--dataset", "nothing.jsonl"], "nothing.jsonl"),
        "empty data": (["--dataset", "empty.jsonl"], "empty.jsonl"),
        "wrong column": (["--dataset_text_field", "txet"], "txet"),
        "unknown key": (["--learning_rte", "1"], "learning_rte"),
        "out of bounds": (["--learning_rate", "-1"], "learning_rate"),
        "no number": (["--max_length", "long"], "max_length"),
        "unknown preset": (["--preset", "best"], "best"),
        "missing config": (["nothing.yaml"], "nothing.yaml"),
        "config that is no YAML": (["broken.yaml"], "broken.yaml"),
        "config that is no mapping": (["list.yaml"], "list.yaml"),
        "unknown key in a config": (["unknown.yaml"], "unknown.yaml"),
        "a name that can't be": (["--output_dir", "a b"], "a b"),
        "encoder": (["--model", "encoder"], "encoder"),
        "truncated weights": (["--model", "cut"], "model.safetensors"),
        "tracker that is not installed": (["--report_to", "mlflow"], "mlflow"),
    }


def test_what_cannot_be_done_is_one_line_and_a_hint_and_leaves_nothing(start: Start, place: Path, models: Path) -> None:
    cases = bad_inputs(place, models)

    def left() -> list[Path]:
        return [
            path for path in sorted(place.rglob("*")) if not {"cache", "state"} & set(path.relative_to(place).parts)
        ]

    before = left()
    # All at once where that is known: each is a process of its own, and does not look at the others.
    for what, (arguments, word) in cases.items():
        done: Done = start(*arguments).wait()
        assert done.status == 2, (what, done)
        assert done.words == ["error", "hint"], (what, done.err)
        assert word in done.err, (what, done.err)
        assert "Traceback" not in done.out + done.err, what
        assert left() == before, what


def test_a_failed_start_changes_nothing_of_a_run_that_is_there(start: Start, run: RunDirectory, place: Path) -> None:
    assert start("--max_steps", "2").wait().status == 0
    everything = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    for arguments in ([], ["--dataset", "nothing.jsonl"], ["--final_model_dir", str(run.final_dir)]):
        done = start(*arguments).wait()
        assert (done.status, done.words) == (2, ["error", "hint"])
    other = start("--final_model_dir", str(run.final_dir), name="other").wait()
    assert (other.status, other.words) == (2, ["error", "hint"])
    assert not (place / "other").exists()
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == everything


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_fault_12_a_place_that_cannot_be_written_to_is_named(
    start: Start, programs: Programs, run: RunDirectory, place: Path
) -> None:
    assert start("--max_steps", "2").wait().status == 0
    run.path.chmod(0o500)
    try:
        done = programs.run("resume", "run", folder=place)
    finally:
        run.path.chmod(0o700)
    assert (done.status, done.words) == (2, ["error", "hint"])
    assert str(run.path) in done.err
