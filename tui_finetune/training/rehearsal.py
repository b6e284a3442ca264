"""A run up to its first step, in a folder that is gone afterwards: the check before training, by itself.

`python -m tui_finetune.training.rehearsal` does it in a process of its own, which the memory that is measured belongs to:
the configuration comes on standard input, and one line of JSON with what came of it goes to standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tui_finetune.config.resolve import Resolved
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import CheckEvent, StatusEvent
from tui_finetune.runs.naming import new_run_path
from tui_finetune.runs.result import Remedy, RunResult
from tui_finetune.runs.summary import load_state
from tui_finetune.runs.values import Fields
from tui_finetune.training.launch import order_of
from tui_finetune.training.session import TrainingSession


class Rehearsal(TrainingSession):
    """All that comes before the first step, and nothing after it; the run is known to nobody."""

    def _claim_final_place(self) -> None:
        pass

    def _tell_start(self, checkpoint: Path | None) -> None:
        self._write_config()
        self.log.write(StatusEvent("starting", model=self.config.model_name_or_path, dataset=self.config.dataset_name))

    def _train(self, checkpoint: Path | None) -> RunResult:
        inputs = self._inputs()
        with inputs.attention():
            self._ready(inputs, None)
        return RunResult("finished")


def rehearse(resolved: Resolved) -> CheckEvent:
    """Check a run of a configuration where it would lie, and return what was measured.

    Raises:
        UserError: what would keep it from being trained.
    """
    asked = {"check_before_training": True, "notify_command": None}
    with _beside(new_run_path(resolved.config)) as folder:
        run = RunDirectory(folder / "run")
        run.create()
        changed = Resolved(resolved.config.model_copy(update=asked), resolved.origins, resolved.preset)
        result = Rehearsal(changed, run).run()
        checked = load_state(run).checked
        if result.status == "finished" and checked is not None:
            return checked
        ways = "; or: ".join(map(_way, result.remedies))
        # Of a bug the log tells more, and it is gone with the folder.
        raise UserError(
            result.reason or "the check was stopped", ways or result.remedy.replace(str(folder), "train.log")
        )


def _way(remedy: Remedy) -> str:
    settings = " ".join(f"--{key} {value}" for key, value in remedy.changes.items())
    return f"{settings}: {remedy.words}" if settings else remedy.words


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder on the disk that a run at that path would be on, for a moment."""
    existing = next(parent for parent in path.parents if parent.is_dir())
    try:
        made = TemporaryDirectory(prefix=".check-", dir=existing)
    except OSError as error:
        raise UserError(
            f"{existing}: {error.strerror}", "set output_dir to a folder that can be written to", "output_dir"
        ) from None
    with made as folder:
        yield Path(folder)


def rehearse_apart(resolved: Resolved, begun: Callable[[Callable[[], None]], None] | None = None) -> CheckEvent:
    """The same in a process of its own.

    Args:
        resolved: the configuration.
        begun: called with what ends it before it is done.

    Raises:
        UserError: what would keep the run from being trained, or that the check was ended.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tui_finetune.training.rehearsal"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        if begun is not None:
            begun(process.terminate)
        out, _ = process.communicate(json.dumps(order_of(resolved)).encode())
    return _answer(out, process.returncode)


def _answer(out: bytes, status: int) -> CheckEvent:
    try:
        answer: object = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("check"), dict):
        read = CheckEvent.read(answer["check"], {"time": None, "answers": ()})
        assert read is not None
        return read
    if isinstance(answer, dict):
        raise UserError(str(answer["error"]), str(answer["remedy"]), answer["setting"])
    if status == -signal.SIGKILL:
        raise UserError(
            "the check was ended by the system: the machine's memory is full",
            "set a smaller per_device_train_batch_size or max_length, or method: lora",
            "per_device_train_batch_size",
        )
    raise UserError("the check was ended before it was done", "c checks again")


def main() -> int:
    """Check the run of the configuration on standard input."""
    from tui_finetune.system.allocator import keep_freed_memory
    from tui_finetune.system.environment import prepare_environment
    from tui_finetune.training.worker import resolved_of

    prepare_environment()
    keep_freed_memory()
    # Whoever asked is told through the one line; what libraries print is nobody's.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that its folder is removed
    order: Fields = json.loads(sys.stdin.read())
    resolved = resolved_of(order)
    assert resolved is not None
    try:
        told: dict[str, object] = {"check": rehearse(resolved).fields()}
    except UserError as error:
        told = {"error": error.message, "remedy": error.remedy, "setting": error.setting}
    print(json.dumps(told), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
