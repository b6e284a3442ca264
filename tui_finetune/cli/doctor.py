"""`finetune-tui doctor`: what this machine has, and what to do about each problem."""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

from tui_finetune.cli.output import write_line
from tui_finetune.errors import Notice
from tui_finetune.formatting import size

HELP = "Check the device, versions, cache, network, and terminal."

PACKAGES = ("torch", "transformers", "datasets", "accelerate", "peft", "textual", "plotext", "matplotlib")
LOW_DISK = 5e9
HUB_SECONDS = 5
DEFAULT_ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: good, or a problem with its remedy."""

    topic: str
    notice: Notice

    @property
    def good(self) -> bool:
        return self.notice.level == "good"

    def to_json(self) -> dict[str, object]:
        return {
            "topic": self.topic,
            "good": self.good,
            "message": self.notice.message,
            "remedy": self.notice.remedy,
        }

    def lines(self) -> list[str]:
        """One line, and one more with the remedy where there is a problem."""
        first = f"{'ok ' if self.good else '✗  '} {self.topic:<10} {self.notice.message}"
        return [first, f"    {'':<10} hint: {self.notice.remedy}"] if self.notice.remedy else [first]


def _good(topic: str, message: str) -> Finding:
    return Finding(topic, Notice("good", message))


def _problem(topic: str, message: str, remedy: str) -> Finding:
    return Finding(topic, Notice("warning", message, remedy))


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(arguments: Namespace) -> int:
    findings = []
    for finding in examine(os.environ, sys.stdout):
        findings.append(finding)
        if not arguments.json:
            for line in finding.lines():
                write_line(line)
    if arguments.json:
        write_line(json.dumps([finding.to_json() for finding in findings], indent=1))
    return 0 if all(finding.good for finding in findings) else 1


def examine(environ: Mapping[str, str], stream: TextIO) -> Iterator[Finding]:
    """Look at everything, one finding after the other.

    Args:
        environ: environment variables.
        stream: where a person reads, as standard output.
    """
    yield _python()
    yield _packages()
    yield from _device()
    yield from _storage(environ)
    yield _network(environ)
    yield _terminal(environ, stream)


def _python() -> Finding:
    return _good("python", sys.version.split()[0])


def _packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return _problem("versions", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return _good("versions", ", ".join(found))


def _device() -> Iterator[Finding]:
    try:
        from tui_finetune.models.devices import device_facts

        device = device_facts()
    except Exception as error:
        # A broken driver or torch must not end the examination of the rest.
        yield _problem("device", f"torch can't be used: {error}", "reinstall torch for this machine")
        return
    kind = {"cuda": "GPU", "mps": "GPU", "cpu": "no GPU"}[device.kind]
    yield _good("device", f"{kind}: {device.name}, {size(device.free)} of {size(device.total)} memory free")
    if device.kind == "cpu" and _gpu_is_there():
        yield _problem(
            "device",
            "there is an NVIDIA GPU, but this torch can't use it",
            "install the torch for your CUDA version from pytorch.org into this environment",
        )


def _gpu_is_there() -> bool:
    return bool(shutil.which("nvidia-smi")) or Path("/dev/nvidia0").exists()


def _storage(environ: Mapping[str, str]) -> Iterator[Finding]:
    from tui_finetune.system.paths import state_dir

    home = Path(environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    hub = Path(environ.get("HF_HUB_CACHE") or home / "hub")
    for topic, path in (("disk", Path.cwd()), ("hub cache", hub), ("state", state_dir())):
        yield _space(topic, path)


def _space(topic: str, path: Path) -> Finding:
    there = next(p for p in (path, *path.parents) if p.exists())
    if not os.access(there, os.W_OK):
        return _problem(topic, f"{path} can't be written to", f"make {there} writable, or choose another place")
    free = shutil.disk_usage(there).free
    message = f"{path}, {size(free)} free"
    if free < LOW_DISK:
        return _problem(topic, message, "free some space: checkpoints are large")
    return _good(topic, message)


def _network(environ: Mapping[str, str]) -> Finding:
    import socket
    from urllib.parse import urlparse

    from tui_finetune.models.hub import is_offline

    endpoint = environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT
    if is_offline(environ):
        return _good("network", "HF_HUB_OFFLINE is set: only what is on this machine is used")
    url = urlparse(endpoint)
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "", port), HUB_SECONDS).close()
    except (OSError, ValueError) as error:
        return _problem(
            "network",
            f"{endpoint} can't be reached ({error})",
            "without it, use the starter, local folders and files, or models in the cache",
        )
    return _good("network", f"{endpoint} can be reached")


def _terminal(environ: Mapping[str, str], stream: TextIO) -> Finding:
    if not stream.isatty():
        return _good("terminal", "output is not a terminal: `finetune-tui train` works, the app does not")
    columns, rows = os.get_terminal_size(stream.fileno())
    kind = environ.get("TERM") or "TERM not set"
    words = f"{kind}, {columns}x{rows}, {stream.encoding}"
    if kind in {"dumb", "TERM not set"}:
        return _problem("terminal", words, "set TERM=xterm-256color")
    if not (stream.encoding or "").lower().startswith("utf"):
        return _problem("terminal", words, "set LANG=C.UTF-8 so that lines and marks are drawn")
    if columns < 80 or rows < 24:
        return _problem("terminal", words, "make it 80x24 or larger to see everything at once")
    return _good("terminal", words)
