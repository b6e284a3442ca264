"""The palette, and the filter that keeps control characters from the terminal.

One accent; green and red only for better and worse.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from tui_finetune.system.terminal import printable

DARK = Theme(
    name="finetune-dark",
    dark=True,
    primary="#7aa2c8",
    secondary="#8aa0b4",
    accent="#e0b46c",
    foreground="#d3d8de",
    background="#14181d",
    surface="#1a1f26",
    panel="#222932",
    success="#86b987",
    warning="#d9a766",
    error="#d97b76",
    variables={
        "footer-key-foreground": "#e0b46c",
        "footer-background": "#14181d",
        "footer-item-background": "#14181d",
        "footer-description-foreground": "#8c96a1",
        "input-selection-background": "#7aa2c8 35%",
        "block-cursor-background": "#2e3a48",
        "block-cursor-foreground": "#f0f3f6",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#222932",
        "border": "#e0b46c",
        "border-blurred": "#313a45",
        "scrollbar": "#313a45",
        "scrollbar-background": "#14181d",
        "scrollbar-corner-color": "#14181d",
        "scrollbar-hover": "#3d4855",
        "scrollbar-active": "#7aa2c8",
        "scrollbar-background-hover": "#14181d",
        "scrollbar-background-active": "#14181d",
        "chart-axis": "#737a83",
        "chart-before": "#9a93b8",
        "chart-raw": "#45607c",
        "chart-raw-ground": "#1e2935",
        "chart-smoothed": "#8ab8e2",
        "chart-smoothed-ground": "#22303e",
        "chart-evaluation": "#e6b96e",
        "chart-evaluation-line": "#ab8b57",
        "chart-evaluation-ground": "#33291b",
        "chart-best": "#a5d49f",
        "chart-cursor": "#b4bbc3",
        "chart-saved": "#7fa08a",
        "chart-resumed": "#e0b46c",
        "chart-changed": "#d9a766",
        "chart-asked": "#8aa0b4",
    },
)

LIGHT = Theme(
    name="finetune-light",
    dark=False,
    primary="#2f5f8c",
    secondary="#5a6a7a",
    accent="#9a6512",
    foreground="#252b31",
    background="#f6f5f2",
    surface="#efeeea",
    panel="#e4e3de",
    success="#2f7a38",
    warning="#9a6512",
    error="#b3362f",
    variables={
        "footer-key-foreground": "#9a6512",
        "footer-background": "#f6f5f2",
        "footer-item-background": "#f6f5f2",
        "footer-description-foreground": "#66707a",
        "input-selection-background": "#2f5f8c 25%",
        "block-cursor-background": "#d6dde5",
        "block-cursor-foreground": "#14181d",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e4e3de",
        "border": "#9a6512",
        "border-blurred": "#cfcdc6",
        "scrollbar": "#cfcdc6",
        "scrollbar-background": "#f6f5f2",
        "scrollbar-corner-color": "#f6f5f2",
        "scrollbar-hover": "#bdbbb3",
        "scrollbar-active": "#2f5f8c",
        "scrollbar-background-hover": "#f6f5f2",
        "scrollbar-background-active": "#f6f5f2",
        "chart-axis": "#7d838a",
        "chart-before": "#6d6396",
        "chart-raw": "#9db7cf",
        "chart-raw-ground": "#dfe7ee",
        "chart-smoothed": "#235a8c",
        "chart-smoothed-ground": "#d5e1ec",
        "chart-evaluation": "#9a5f08",
        "chart-evaluation-line": "#bf9350",
        "chart-evaluation-ground": "#f0e4cf",
        "chart-best": "#1f6b2a",
        "chart-cursor": "#4b535b",
        "chart-saved": "#4f7a5c",
        "chart-resumed": "#9a6512",
        "chart-changed": "#9a4d12",
        "chart-asked": "#4f6478",
    },
)


STATUS_STYLES = {
    "starting": "$accent", "running": "$accent", "paused": "$warning", "stopping": "$warning", "finished": "$success",
    "stopped": "$success", "failed": "$error", "interrupted": "$error",
}  # fmt: skip
"""The color of each status of a run."""


class ControlCharacterFilter(LineFilter):
    """Replaces every character that a terminal might obey, in all that is drawn, wherever the text came from."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or (segment.text.isascii() and segment.text.isprintable())
            else Segment(printable(segment.text, lines=False), segment.style)
            for segment in segments
        ]
