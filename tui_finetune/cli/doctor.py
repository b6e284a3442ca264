"""`finetune-tui doctor`: what this machine is, and what to do about each problem."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

from tui_finetune.formatting import size

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "peft", "textual", "plotext", "matplotlib")
LOW_DISK = 5e9
HUB_SECONDS = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    good: bool
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """One line, and one more with the remedy where there is a problem."""
        first = f"{'ok ' if self.good else '✗  '} {self.topic:<10} {self.message}"
        return [first] if self.good or not self.remedy else [first, f"    {'':<10} hint: {self.remedy}"]


def examine(environ: Mapping[str, str], stream: TextIO) -> Iterator[Finding]:
    """Look at everything, one finding after the other."""
    yield Finding("python", sys.version_info >= (3, 10), sys.version.split()[0], "Python 3.10 or newer is needed")
    yield from _packages()
    yield from _device()
    yield from _storage(environ)
    yield _network(environ)
    yield _terminal(environ, stream)


def _packages() -> Iterator[Finding]:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("versions", not missing, ", ".join(found), f"pip install {' '.join(missing)}")


def _device() -> Iterator[Finding]:
    try:
        from tui_finetune.models.devices import device_facts

        device = device_facts()
    except Exception as error:
        # A broken driver or torch must not end the examination of the rest.
        yield Finding("device", False, f"torch can't be used: {error}", "reinstall torch for this machine")
        return
    kind = {"cuda": "GPU", "mps": "GPU", "cpu": "no GPU"}[device.kind]
    words = f"{kind}: {device.name}, {size(device.free)} of {size(device.total)} memory free"
    yield Finding("device", True, words)
    if device.kind == "cpu" and _gpu_is_there():
        yield Finding(
            "device",
            False,
            "there is an NVIDIA GPU, but this torch can't use it",
            "install the torch for your CUDA version from pytorch.org into this environment",
        )


def _gpu_is_there() -> bool:
    return bool(shutil.which("nvidia-smi")) or Path("/dev/nvidia0").exists()


def _storage(environ: Mapping[str, str]) -> Iterator[Finding]:
    from tui_finetune.system.paths import state_dir

    hub = Path(
        environ.get("HF_HUB_CACHE") or Path(environ.get("HF_HOME") or "~/.cache/huggingface").expanduser() / "hub"
    )
    for topic, path in (("disk", Path.cwd()), ("hub cache", hub), ("state", state_dir())):
        there = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK):
            yield Finding(
                topic, False, f"{path} can't be written to", f"make {there} writable, or choose another place"
            )
        else:
            low = free < LOW_DISK
            yield Finding(topic, not low, f"{path}, {size(free)} free", "free some space: checkpoints are large")


def _network(environ: Mapping[str, str]) -> Finding:
    import socket
    from urllib.parse import urlparse

    endpoint = environ.get("HF_ENDPOINT") or "https://huggingface.co"
    if environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return Finding("network", True, "HF_HUB_OFFLINE is set: only what is on this machine is used")
    url = urlparse(endpoint)
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "", port), HUB_SECONDS).close()
    except OSError as error:
        return Finding(
            "network",
            False,
            f"{endpoint} can't be reached ({error})",
            "without it, use the starter, local folders and files, or models in the cache",
        )
    return Finding("network", True, f"{endpoint} can be reached")


def _terminal(environ: Mapping[str, str], stream: TextIO) -> Finding:
    if not stream.isatty():
        return Finding("terminal", True, "output is not a terminal: `finetune-tui train` works, the app does not")
    columns, rows = shutil.get_terminal_size()
    kind = environ.get("TERM") or "TERM not set"
    words = f"{kind}, {columns}x{rows}, {stream.encoding}"
    if kind in {"dumb", "TERM not set"}:
        return Finding("terminal", False, words, "set TERM=xterm-256color")
    if not (stream.encoding or "").lower().startswith("utf"):
        return Finding("terminal", False, words, "set LANG=C.UTF-8 for lines and marks to show")
    if columns < 80 or rows < 24:
        return Finding("terminal", False, words, "80x24 or larger shows everything")
    return Finding("terminal", True, words)
