"""The real program on a real terminal: a pty, with what it draws kept as a screen, and every byte it sent."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte

from tests.programs import PATIENCE, wait_for

KEYS = {
    "enter": "\r", "escape": "\x1b", "tab": "\t", "backspace": "\x7f", "space": " ",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D",
}  # fmt: skip

# What the emulator does not know, and would draw: queries, and sequences with '<', '>' or '=' parameters.
_UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p")
_ALTERNATE = re.compile(rb"(\x1b\[\?1049[hl])")
# A sequence that goes on in the next piece that is read.
_UNFINISHED = re.compile(rb"\x1b(?:[\[\]P][^\x1b\x40-\x7e]*)?\Z")
_MODES = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")


def key_bytes(key: str) -> bytes:
    """What a terminal sends for a key: a name of KEYS, ctrl+letter, or a character."""
    if key.startswith("ctrl+"):
        return bytes([ord(key[5]) & 0x1F])
    return KEYS.get(key, key).encode()


class Terminal:
    """A program on a terminal of its own, whose session it leads, as under `ssh -t`.

    A thread reads all that the program writes, unless `stalled`.

    Args:
        command: the program and its arguments.
        environment, folder: what it runs in.
        columns, rows: the size of the terminal.

    Attributes:
        raw: every byte received.
        emulates: whether the screen is kept up to date, which takes a good part of a core.
        before: the terminal's settings before the program began.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        columns: int = 100,
        rows: int = 30,
    ) -> None:
        self.raw = bytearray()
        self.emulates = True
        self._normal, self._alternate = pyte.Screen(columns, rows), pyte.Screen(columns, rows)
        self.screen = self._normal
        self._streams = {id(screen): pyte.ByteStream(screen) for screen in (self._normal, self._alternate)}
        self._changed = threading.Condition()
        self._reading = threading.Event()
        self._reading.set()
        self._master, self._slave = os.openpty()
        self._set_size(columns, rows)
        self.before = termios.tcgetattr(self._slave)
        slave = self._slave

        def own_terminal() -> None:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=own_terminal,  # noqa: PLW1509 - one system call, no lock
        )
        self._waking, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.hang_up()
        for descriptor in (self._slave, self._waking, self._wake):
            os.close(descriptor)

    # What the program shows

    def _read(self) -> None:
        master = self._master
        rest = b""
        while True:
            self._reading.wait()
            ready, _, _ = select.select([master, self._waking], [], [])
            if self._waking in ready:
                return
            if not self._reading.is_set():
                continue
            try:
                data = os.read(master, 1 << 16)
            except OSError:
                return
            if not data:
                return
            with self._changed:
                self.raw += data
                if not self.emulates:
                    continue
                data = rest + data
                unfinished = _UNFINISHED.search(data)
                end = unfinished.start() if unfinished else len(data)
                rest = data[end:]
                self._draw(data[:end])
                self._changed.notify_all()

    def _draw(self, data: bytes) -> None:
        for part in _ALTERNATE.split(_UNKNOWN.sub(b"", data)):
            if _ALTERNATE.fullmatch(part):
                self.screen = self._alternate if part.endswith(b"h") else self._normal
                if part.endswith(b"h"):
                    self.screen.reset()
            else:
                self._streams[id(self.screen)].feed(part)

    def text(self) -> str:
        """What is on the screen, line by line."""
        with self._changed:
            return self._text()

    def _text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, pattern: str, *, gone: bool = False) -> str:
        """Wait until the screen has, or has no more, what matches; returns the screen.

        Raises:
            AssertionError: it did not come; with the screen as it is.
        """

        def fits() -> bool:
            return bool(re.search(pattern, self._text())) != gone

        with self._changed:
            end = time.monotonic() + PATIENCE
            while not fits():
                if time.monotonic() > end or (self.process.poll() is not None and not self._changed.wait(1)):
                    if fits():
                        break
                    state = "still" if gone else "no"
                    raise AssertionError(
                        f"{state} {pattern!r}; exit status {self.process.poll()}; the screen:\n{self._text()}"
                    )
                self._changed.wait(0.2)
            return self._text()

    def wait_raw(self, data: bytes) -> None:
        """Wait until the program has sent these bytes."""
        wait_for(lambda: data in self.raw, f"no {data!r} was sent")

    def modes(self) -> set[int]:
        """The private modes that the program has switched on and not off again: 1049 alternate screen, 1000 mouse ..."""
        on: set[int] = set()
        for numbers, switch in _MODES.findall(bytes(self.raw)):
            for number in map(int, numbers.split(b";")):
                (on.add if switch == b"h" else on.discard)(number)
        return on

    def is_as_before(self) -> bool:
        """Whether the terminal is as it was: its settings, the normal screen, the cursor shown, no mouse, no paste mode."""
        hidden = bytes(self.raw).rfind(b"\x1b[?25l") > bytes(self.raw).rfind(b"\x1b[?25h")
        return not hidden and not (self.modes() - {7, 25}) and termios.tcgetattr(self._slave) == self.before

    # What is done to it

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            os.write(self._master, key_bytes(key))

    def write(self, text: str) -> None:
        """Write characters, as typed."""
        os.write(self._master, text.encode())

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        with self._changed:
            self._set_size(columns, rows)
            for screen in (self._normal, self._alternate):
                screen.resize(rows, columns)

    def stall(self) -> None:
        """Read nothing any more, as a connection that hangs."""
        self._reading.clear()

    def go_on_reading(self) -> None:
        self._reading.set()

    def hang_up(self) -> None:
        """Close the terminal, as a connection that breaks."""
        if self._master >= 0:
            # The reader ends first: the next terminal may get the same descriptor, and the reader its bytes.
            os.write(self._wake, b"\0")
            self._reading.set()
            self._thread.join()
            os.close(self._master)
            self._master = -1

    # Its end

    def status(self) -> int:
        """Wait for the program to end, and return its exit status, 128 + n for a signal."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end; the screen:\n{self.text()}") from None
        return 128 - status if status < 0 else status
