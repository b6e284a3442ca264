"""Why a process of a run ended, in its own words: a file each, so that the reason is known although the others only see that
it is gone."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tui_finetune.config.flags import resume_command
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Notice, UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.files import PRIVATE_DIRECTORY, open_regular, write_atomically
from tui_finetune.training.failures import explain, is_not_finite
from tui_finetune.training.memory import memory_remedies
from tui_finetune.training.ranks import OtherFailed, Ranks

MAX_BYTES = 100_000

OTHERS_SECONDS = 2.0
"""How long it is waited for the word of a process that failed; the others notice it as soon as it is gone."""

_LOST = (
    "Connection closed",
    "Connection reset",
    "timed out",
    "Timed out",
    "Connection refused",
    "Broken pipe",
    "Socket",
)
_LOST_KINDS = frozenset({"DistBackendError", "DistNetworkError", "DistStoreError", "OtherFailed"})


@dataclass(frozen=True)
class RankFailure:
    """Why a process ended.

    Attributes:
        rank: which.
        reason: in words.
        lost: only that it lost another one; so the reason is that one's.
        final: starting again would not help.
        time: Unix seconds.
    """

    rank: int
    reason: str
    lost: bool = False
    final: bool = False
    time: float = 0.0


def is_loss_of_another(error: BaseException) -> bool:
    """Whether an error only says that another process is gone or doesn't answer."""
    if type(error).__name__ in _LOST_KINDS:
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _LOST)


def note(run: RunDirectory, failure: RankFailure) -> None:
    """Write down why a process ends. Where that can't be done, as on a full disk, nothing is known of it."""
    with contextlib.suppress(OSError):
        run.failures_dir.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        write_atomically(run.failures_dir / f"rank-{failure.rank}.json", json.dumps(asdict(failure)), durable=False)


def noted(run: RunDirectory) -> list[RankFailure]:
    """What processes have written, by rank."""
    found = []
    try:
        names = sorted(os.listdir(run.failures_dir))
    except OSError:
        return []
    for name in names:
        with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
            with open(run.failures_dir / name, "rb", opener=open_regular) as file:
                fields = json.loads(file.read(MAX_BYTES))
            found.append(
                RankFailure(
                    int(fields["rank"]),
                    str(fields["reason"]),
                    fields.get("lost") is True,
                    fields.get("final") is True,
                    float(fields.get("time", 0)),
                )
            )
    return sorted(found, key=lambda failure: failure.rank)


def forget(run: RunDirectory) -> None:
    """Remove what was written: it has been told, or belongs to an earlier start."""
    with contextlib.suppress(OSError):
        for name in os.listdir(run.failures_dir):
            (run.failures_dir / name).unlink()
        run.failures_dir.rmdir()


def wait_for_final(run: RunDirectory, seconds: float) -> RankFailure | None:
    """The failure after which starting again would not help, where a process has written one, or does so within some time."""
    end = time.monotonic() + seconds
    while True:
        found = next((failure for failure in noted(run) if failure.final), None)
        if found is not None or time.monotonic() > end:
            return found
        time.sleep(0.05)


@dataclass(frozen=True)
class Attempt:
    """Which start of the processes it is, as torch's elastic agent numbers them.

    Attributes:
        number: 0 for the first.
        most: how often they are started again.
        by_agent: whether it is this program's own agent that starts them.
    """

    number: int = 0
    most: int = 0
    by_agent: bool = False

    @property
    def is_last(self) -> bool:
        """Whether nobody starts them again."""
        return self.number >= self.most


AGENT = "FINETUNE_TUI_AGENT"
"""The variable by which a worker knows that this program's own agent has started it."""


def attempt_of(environ: Mapping[str, str] = os.environ) -> Attempt:
    """Which start this process belongs to."""
    number = environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    most = environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
    return Attempt(
        int(number) if number.isdigit() else 0, int(most) if most.isdigit() else 0, environ.get(AGENT) == "1"
    )


class Ended(Exception):
    """This process of the run ends now, and the rest is for others to do and to tell.

    Attributes:
        again: whether the processes may be started again.
    """

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


def failed_in_one(
    error: Exception, run: RunDirectory, ranks: Ranks, config: RunConfig, *, began: bool
) -> UserError | None:
    """What to tell of an error in one of several processes; None where it ends all of them in the same way, as it would one.

    Args:
        error: what ended this one.
        run: the run.
        ranks: its processes.
        config: its settings.
        began: whether the training has begun; what fails before that fails on all.

    Raises:
        Ended: they are started again, or it is another's to tell.
    """
    lost, remedies = is_loss_of_another(error), memory_remedies(error, config)
    if not ranks.are_several or is_not_finite(error) or (not began and (not lost or isinstance(error, OtherFailed))):
        return None
    attempt, words = attempt_of(), explain(error, run, remedies).message
    note(run, RankFailure(ranks.rank, words, lost, bool(remedies), time.time()))
    if remedies:
        if ranks.is_first:
            return None
        raise Ended(words, again=False)
    final = wait_for_final(run, OTHERS_SECONDS) if lost else None
    if final is None and (not attempt.is_last or attempt.by_agent):
        raise Ended(words, again=True)  # the agent tells what comes of it
    if not ranks.is_first:
        raise Ended(words, again=False)
    return failure_words(run, ranks.size)


def failure_words(run: RunDirectory, size: int) -> UserError:
    """What to tell where a run of several processes has failed for good."""
    remedy = f"`{resume_command(run.name)}` continues from the newest checkpoint; the details are in {run.log_path}"
    return UserError(_blame(run, size), remedy)


def restart_notice(run: RunDirectory, checkpoint: Path | None, size: int) -> Notice | None:
    """Where the processes were started again: why, and from where they go on. What they wrote is removed."""
    attempt, reason = attempt_of(), _blame(run, size)
    forget(run)
    if attempt.number == 0:
        return None
    place = "from the beginning" if checkpoint is None else f"from step {checkpoints.step_of(checkpoint):,}"
    words = f"{reason[0].upper()}{reason[1:]}. All were started again, {place}"
    return Notice("warning", f"{words} (restart {attempt.number} of {attempt.most}).")


def _blame(run: RunDirectory, size: int) -> str:
    """Why the processes ended: by what one of them wrote, or as the only one that wrote nothing."""
    failures = noted(run)
    own = [failure for failure in failures if not failure.lost]
    if own:
        first = min(own, key=lambda failure: (not failure.final, failure.time))
        ended = first.reason.startswith(ENDED)
        return f"rank {first.rank} of {size} {first.reason if ended else f'failed: {first.reason}'}"
    silent = sorted(set(range(size)) - {failure.rank for failure in failures})
    if failures and len(silent) == 1:
        return f"rank {silent[0]} of {size} {ENDED} without a word, or its machine is gone"
    if failures and not silent:
        return f"a rank no longer answered: {failures[0].reason}"
    return "a process of the run is gone"


ENDED = "was ended"
"""How the reason of a process begins that couldn't say it itself."""
