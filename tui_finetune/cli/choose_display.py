"""Which display suits standard output."""

from __future__ import annotations

import os
import sys

from tui_finetune.cli.displays import Display, JsonDisplay, PlainDisplay


def choose_display(*, json: bool) -> Display:
    """The display that suits standard output."""
    if json:
        return JsonDisplay()
    if sys.stdout.isatty() and _can_draw():
        from tui_finetune.cli.live import LiveDisplay

        return LiveDisplay()
    return PlainDisplay()


def _can_draw() -> bool:
    return (os.environ.get("TERM") or "dumb") != "dumb" and (sys.stdout.encoding or "").lower().startswith("utf")
