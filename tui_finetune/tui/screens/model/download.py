"""A download from the hub, as the Model screen watches it."""

from __future__ import annotations

from dataclasses import dataclass

from tui_finetune.errors import Cancelled


@dataclass
class Download:
    """How far it is. The thread that downloads calls it; the screen reads it.

    What has arrived stays in the hub's cache: the next download of the same model goes on there.

    Attributes:
        name: of the model.
        done, total: bytes.
        cancelled: nobody waits for it any more.
    """

    name: str
    done: int = 0
    total: int | None = None
    cancelled: bool = False

    def __call__(self, done: int, total: int | None, unit: str) -> None:
        if self.cancelled:
            raise Cancelled
        if unit == "B":
            self.done, self.total = done, total
