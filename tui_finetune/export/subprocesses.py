"""Python in a process of its own, for what must not run in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tui_finetune.system.progress import Report

POLL_SECONDS = 0.2
KEPT_CHARACTERS = 20_000


def run_python(
    arguments: Sequence[str],
    *,
    report: Report | None = None,
    doing: str = "",
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run Python with these arguments; its exit status and what it printed, to either output.

    Args:
        arguments: those of Python.
        report: told every moment that it is still going; may raise Cancelled, which ends the process.
        doing: what it does, in words.
        environment: what is other than usual in its environment.
    """
    import tempfile

    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    known = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", **(environment or {})}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=known,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                if report is not None:
                    report(0, None, doing)
                time.sleep(POLL_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
        output.seek(0, os.SEEK_END)
        output.seek(max(output.tell() - KEPT_CHARACTERS, 0))
        return process.returncode, output.read()
