"""The processes that train a run together, and what they tell each other. One process alone is the case without words.

The first of them (rank 0) writes the run's log and checkpoints and takes requests; the others learn from it what is to be
done, so that all do it at the same step. They talk over gloo, in groups of their own, whatever the gradients go by.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from tui_finetune.errors import Cancelled, UserError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Value = TypeVar("Value")

PATIENCE = timedelta(days=7)
"""How long the others wait while one downloads a model or prepares data."""

_ADDRESS = ("MASTER_ADDR", "MASTER_PORT")
_FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6})


class OtherFailed(Exception):
    """Another process of the run has failed, in a way that all of them end by."""


class Ranks:
    """The processes of a run, seen from one of them. As it is made here: one alone.

    Attributes:
        rank, size: which of them this is, from 0, and how many there are.
        leads: whether it is the first on its machine, which fetches what all on that machine need.
        told_to_end: set by a signal to this one; all of them save and end after the step.
    """

    rank = 0
    size = 1
    leads = True
    told_to_end = False

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes the run's files."""
        return self.rank == 0

    @property
    def are_several(self) -> bool:
        return self.size > 1

    def share(self, value: Value) -> Value:
        """What the first one says, on each. Only objects of this program."""
        return value

    def gather(self, value: Value) -> list[Value]:
        """What each says, by rank, on each."""
        return [value]

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """Whether any of them has a flag set, for each flag; the same on all. Between two steps."""
        return flags

    @contextmanager
    def together(self, *, leaders_first: bool = False) -> Iterator[None]:
        """What is done within is done by all, or has failed on all.

        Args:
            leaders_first: those that lead their machine do it first, so that the others find on the disk what they made.

        Raises:
            UserError, Cancelled, OtherFailed: as one of the others failed.
        """
        yield


class Group(Ranks):
    """Several processes, each made by a launcher with RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.

    Args:
        seconds: how long one waits for another in the middle of training, before it takes it for hung.
        environ: where the variables stand.

    Raises:
        UserError: a variable is missing.
    """

    def __init__(self, seconds: float, environ: Mapping[str, str] = os.environ) -> None:
        if missing := [name for name in _ADDRESS if name not in environ]:
            raise UserError(
                f"WORLD_SIZE is {environ['WORLD_SIZE']}, but {' and '.join(missing)} is not set",
                "a launcher sets RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT for each process",
            )
        import torch
        import torch.distributed as dist

        local = int(environ.get("LOCAL_RANK", environ.get("RANK", "0")))
        if torch.cuda.is_available():
            torch.cuda.set_device(local)
        if "GLOO_SOCKET_IFNAME" not in environ and (interface := interface_to(environ["MASTER_ADDR"])):
            os.environ["GLOO_SOCKET_IFNAME"] = interface
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        timeout = timedelta(seconds=seconds)
        dist.init_process_group(backend, timeout=timeout)
        self.rank, self.size, self.leads = dist.get_rank(), dist.get_world_size(), local == 0
        self.told_to_end = False
        self._steps: ProcessGroup | None = dist.new_group(backend="gloo", timeout=timeout)
        self._phases: ProcessGroup | None = dist.new_group(backend="gloo", timeout=PATIENCE)

    def share(self, value: Value) -> Value:
        import torch.distributed as dist

        box = [value if self.is_first else None]
        dist.broadcast_object_list(box, src=0, group=self._phases)
        return box[0]  # type: ignore[return-value]

    def gather(self, value: Value) -> list[Value]:
        import torch.distributed as dist

        found: list[Value] = [value] * self.size
        dist.all_gather_object(found, value, group=self._phases)
        return found

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        import torch
        import torch.distributed as dist

        raised = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(raised, dist.ReduceOp.MAX, group=self._steps)
        return tuple(bool(flag) for flag in raised.tolist())

    @contextmanager
    def together(self, *, leaders_first: bool = False) -> Iterator[None]:
        if leaders_first and not self.leads:
            self._raise_other(self.gather(None))
        failed: Exception | None = None
        try:
            yield
        except Exception as error:
            failed = error
        # Those that go first say twice how it went: before the others begin, and with them at the end.
        for _ in range(2 if leaders_first and self.leads else 1):
            others = self.gather(_told(failed))
            if failed is not None:
                raise failed
            self._raise_other(others)

    def _raise_other(self, told: list[tuple[str, ...] | None]) -> None:
        """Raise what another has told, if any has failed."""
        for rank, words in enumerate(told):
            if words is not None:
                kind, *rest = words
                if kind == "user":
                    raise UserError(rest[0], rest[1], rest[2] or None)
                if kind == "cancelled":
                    raise Cancelled
                raise OtherFailed(f"rank {rank}: {rest[0]}")


def _told(error: Exception | None) -> tuple[str, ...] | None:
    if error is None:
        return None
    if isinstance(error, UserError):
        return "user", error.message, error.remedy, error.setting or ""
    if isinstance(error, Cancelled):
        return ("cancelled",)
    return "other", f"{type(error).__name__}: {error}"


def interface_to(address: str) -> str:
    """The network interface by which an address is reached; '' where that can't be told."""
    import psutil

    try:
        kind, _, _, _, place = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as asked:
            asked.connect(place)  # of a datagram nothing is sent: the route is looked up
            own = str(asked.getsockname()[0])
    except OSError:
        return ""
    for name, addresses in psutil.net_if_addrs().items():
        if any(found.family in _FAMILIES and found.address.split("%")[0] == own for found in addresses):
            return name
    # All of 127.0.0.0/8 is this machine's own.
    return "lo" if own.startswith("127.") and "lo" in psutil.net_if_addrs() else ""
