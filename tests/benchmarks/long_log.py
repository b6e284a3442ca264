"""What a run of three million events takes to list and to attach to.

    python -m tests.benchmarks.long_log [STEPS]

Its log has a line of progress and one of metrics for each step, and others; digest and history are beside it, as its trainer
leaves them. Listing is `finetune-tui runs --json` in a process of its own, with that process's peak memory; attaching is
measured as in `tests.benchmarks.attach`, to the full chart. In turns with the same for a run of 100 steps, which is what
starting the program takes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.attach import make_run, seconds_to_chart
from tests.benchmarks.tables import print_ratios
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.history import extend_history
from tui_finetune.runs.lock import RunLock
from tui_finetune.runs.log import read_digest

ROUNDS = 3

_MEASURED = """
import resource, sys
from tui_finetune.cli.main import main
status = main(["runs", "--json"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, file=sys.stderr)
raise SystemExit(status)
"""


def listed(base: Path) -> tuple[float, float]:
    """Seconds and MB that listing the runs in a folder takes."""
    environment = {
        **os.environ,
        "FINETUNE_TUI_STATE": str(base / "state"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED], cwd=base, env=environment, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - began, float(done.stderr.split()[-1])


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1_330_000
    with tempfile.TemporaryDirectory() as folder:
        short_base, long_base = Path(folder) / "a", Path(folder) / "b"
        runs: dict[str, tuple[Path, RunDirectory, int]] = {}
        for base, count in ((short_base, 100), (long_base, steps)):
            run = make_run(base / "runs" / "one", count)
            began = time.perf_counter()
            read_digest(run.events_path)
            extend_history(run.events_path)
            if count == steps:
                print(f"made digest and history anew in {time.perf_counter() - began:.1f} s")
            runs[f"{count:,} steps"] = base, run, count
        attach: dict[str, list[float]] = {name: [] for name in runs}
        lists: dict[str, list[float]] = {name: [] for name in runs}
        memory: dict[str, float] = {}
        for _ in range(ROUNDS):
            for name, (base, run, count) in runs.items():
                with RunLock(run.lock_path):
                    seconds, memory[name] = listed(base)
                    lists[name].append(seconds)
                    attach[name].append(seconds_to_chart(run, count, base))
        print_ratios("Listing", lists, "100 steps", "seconds", "under 1 s more")
        print_ratios("Attaching, to the full chart", attach, "100 steps", "seconds", "under 2 s")
        print("peak memory of listing:", ", ".join(f"{name} {mb:.0f} MB" for name, mb in memory.items()))


if __name__ == "__main__":
    main()
