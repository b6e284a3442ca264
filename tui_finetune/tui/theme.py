"""The palette, and the filter that keeps control characters from the terminal.

One accent; green and red only for better and worse.
"""

from __future__ import annotations

from typing import Literal

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from tui_finetune.system.terminal import printable

Depth = Literal["full", "256", "16"]
"""How many colors a terminal has."""

_BASE = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)

_PALETTES: dict[tuple[bool, Depth], dict[str, str]] = {
    (True, "full"): {
        "primary": "#7aa2c8", "secondary": "#8aa0b4", "accent": "#e0b46c", "foreground": "#d3d8de",
        "background": "#14181d", "surface": "#1a1f26", "panel": "#222932", "success": "#86b987", "warning": "#d9a766",
        "error": "#d97b76", "muted": "#878b91", "quiet": "#8c96a1", "cursor": "#2e3a48", "cursor-text": "#f0f3f6",
        "line": "#313a45", "line-hover": "#3d4855", "selection": "#7aa2c8 35%",
        "chart-axis": "#737a83", "chart-before": "#9a93b8", "chart-raw": "#45607c", "chart-raw-ground": "#1a222b",
        "chart-smoothed": "#8ab8e2", "chart-smoothed-ground": "#22303e", "chart-evaluation": "#e6b96e",
        "chart-evaluation-line": "#ab8b57", "chart-evaluation-ground": "#33291b", "chart-best": "#a5d49f",
        "chart-cursor": "#b4bbc3", "chart-saved": "#7fa08a", "chart-resumed": "#e0b46c", "chart-changed": "#d9a766",
        "chart-asked": "#8aa0b4",
    },
    (False, "full"): {
        "primary": "#2f5f8c", "secondary": "#5a6a7a", "accent": "#9a6512", "foreground": "#252b31",
        "background": "#f6f5f2", "surface": "#efeeea", "panel": "#e4e3de", "success": "#2f7a38", "warning": "#9a6512",
        "error": "#b3362f", "muted": "#797c7e", "quiet": "#66707a", "cursor": "#d6dde5", "cursor-text": "#14181d",
        "line": "#cfcdc6", "line-hover": "#bdbbb3", "selection": "#2f5f8c 25%",
        "chart-axis": "#7d838a", "chart-before": "#6d6396", "chart-raw": "#9db7cf", "chart-raw-ground": "#e7ecf0",
        "chart-smoothed": "#235a8c", "chart-smoothed-ground": "#d5e1ec", "chart-evaluation": "#9a5f08",
        "chart-evaluation-line": "#bf9350", "chart-evaluation-ground": "#f0e4cf", "chart-best": "#1f6b2a",
        "chart-cursor": "#4b535b", "chart-saved": "#4f7a5c", "chart-resumed": "#9a6512", "chart-changed": "#9a4d12",
        "chart-asked": "#4f6478",
    },
    # Colors that are among the 256 of xterm, so that none of them is made another by the nearest one.
    (True, "256"): {
        "primary": "#87afd7", "secondary": "#8787af", "accent": "#d7af5f", "foreground": "#d0d0d0",
        "background": "#121212", "surface": "#1c1c1c", "panel": "#262626", "success": "#87af87", "warning": "#d7af5f",
        "error": "#d78787", "muted": "#8a8a8a", "quiet": "#8a8a8a", "cursor": "#303030", "cursor-text": "#eeeeee",
        "line": "#3a3a3a", "line-hover": "#444444", "selection": "#444444",
        "chart-axis": "#767676", "chart-before": "#af87d7", "chart-raw": "#5f5f87", "chart-raw-ground": "#1c1c1c",
        "chart-smoothed": "#87d7ff", "chart-smoothed-ground": "#262626", "chart-evaluation": "#ffd75f",
        "chart-evaluation-line": "#af875f", "chart-evaluation-ground": "#303030", "chart-best": "#afd787",
        "chart-cursor": "#bcbcbc", "chart-saved": "#87af87", "chart-resumed": "#d7af5f", "chart-changed": "#d78700",
        "chart-asked": "#8787af",
    },
    (False, "256"): {
        "primary": "#005f87", "secondary": "#5f5f87", "accent": "#875f00", "foreground": "#262626",
        "background": "#eeeeee", "surface": "#e4e4e4", "panel": "#dadada", "success": "#005f00", "warning": "#875f00",
        "error": "#af0000", "muted": "#6c6c6c", "quiet": "#626262", "cursor": "#d0d0d0", "cursor-text": "#121212",
        "line": "#c6c6c6", "line-hover": "#b2b2b2", "selection": "#c6c6c6",
        "chart-axis": "#767676", "chart-before": "#875faf", "chart-raw": "#87afd7", "chart-raw-ground": "#e4e4e4",
        "chart-smoothed": "#005faf", "chart-smoothed-ground": "#dadada", "chart-evaluation": "#af5f00",
        "chart-evaluation-line": "#d7af5f", "chart-evaluation-ground": "#dadada", "chart-best": "#005f00",
        "chart-cursor": "#444444", "chart-saved": "#5f875f", "chart-resumed": "#875f00", "chart-changed": "#af5f00",
        "chart-asked": "#5f5f87",
    },
    # The terminal's own colors, on its own background. Bright black may be the background's, so nothing is written in it.
    (True, "16"): {
        "primary": "ansi_cyan", "secondary": "ansi_cyan", "accent": "ansi_bright_yellow", "foreground": "ansi_default",
        "background": "ansi_default", "surface": "ansi_default", "panel": "ansi_default", "success": "ansi_bright_green",
        "warning": "ansi_bright_yellow", "error": "ansi_bright_red", "muted": "ansi_default", "quiet": "ansi_default",
        "cursor": "ansi_blue", "cursor-text": "ansi_bright_white", "line": "ansi_bright_black",
        "line-hover": "ansi_white", "selection": "ansi_blue",
        "chart-axis": "ansi_default", "chart-before": "ansi_bright_magenta", "chart-raw": "ansi_blue",
        "chart-smoothed": "ansi_bright_cyan", "chart-evaluation": "ansi_bright_yellow",
        "chart-evaluation-line": "ansi_yellow", "chart-best": "ansi_bright_green", "chart-cursor": "ansi_white",
        "chart-saved": "ansi_green", "chart-resumed": "ansi_bright_yellow", "chart-changed": "ansi_bright_red",
        "chart-asked": "ansi_bright_white",
    },
    (False, "16"): {
        "primary": "ansi_blue", "secondary": "ansi_blue", "accent": "ansi_magenta", "foreground": "ansi_default",
        "background": "ansi_default", "surface": "ansi_default", "panel": "ansi_default", "success": "ansi_green",
        "warning": "ansi_magenta", "error": "ansi_red", "muted": "ansi_default", "quiet": "ansi_default",
        "cursor": "ansi_blue", "cursor-text": "ansi_bright_white", "line": "ansi_white", "line-hover": "ansi_bright_black",
        "selection": "ansi_cyan",
        "chart-axis": "ansi_default", "chart-before": "ansi_green", "chart-raw": "ansi_cyan",
        "chart-smoothed": "ansi_blue", "chart-evaluation": "ansi_red", "chart-evaluation-line": "ansi_magenta",
        "chart-best": "ansi_green", "chart-cursor": "ansi_black", "chart-saved": "ansi_green",
        "chart-resumed": "ansi_magenta", "chart-changed": "ansi_red", "chart-asked": "ansi_black",
    },
}  # fmt: skip
"""Colors by their use. What is better or worse has a mark as well, and the curves are blue and yellow, which nearly all
eyes tell apart."""


def theme_name(depth: Depth = "full", *, dark: bool = True) -> str:
    """The name of the theme for a terminal."""
    return f"finetune-{'dark' if dark else 'light'}" + ("" if depth == "full" else f"-{depth}")


def _theme(depth: Depth, *, dark: bool) -> Theme:
    colors = _PALETTES[dark, depth]
    background, line = colors["background"], colors["line"]
    ends = ("ansi_black", "ansi_white") if dark else ("ansi_white", "ansi_black")
    own = {name: value for name, value in colors.items() if name == "muted" or name.startswith("chart-")}
    return Theme(
        name=theme_name(depth, dark=dark),
        dark=dark,
        ansi=depth == "16",
        **{name: colors[name] for name in _BASE},  # type: ignore[arg-type] # names of colors only
        variables=own
        | {
            "footer-key-foreground": colors["accent"],
            "footer-background": background,
            "footer-item-background": background,
            "footer-description-foreground": colors["quiet"],
            "input-selection-background": colors["selection"],
            "block-cursor-background": colors["cursor"],
            "block-cursor-foreground": colors["cursor-text"],
            "block-cursor-text-style": "reverse" if depth == "16" else "none",
            "block-cursor-blurred-background": colors["panel"],
            "border": colors["accent"],
            "border-blurred": line,
            "scrollbar": line,
            "scrollbar-background": background,
            "scrollbar-corner-color": background,
            "scrollbar-hover": colors["line-hover"],
            "scrollbar-active": colors["primary"],
            "scrollbar-background-hover": background,
            "scrollbar-background-active": background,
            "ansi-background": ends[0],
            "ansi-foreground": ends[1],
        },
    )


def all_themes() -> list[Theme]:
    """A theme for each kind of terminal."""
    return [_theme(depth, dark=dark) for dark, depth in _PALETTES]


STATUS_STYLES = {
    "starting": "$accent", "running": "$accent", "paused": "$warning", "stopping": "$warning", "finished": "$success",
    "stopped": "$success", "failed": "$error", "interrupted": "$error",
}  # fmt: skip
"""The color of each status of a run."""


def rich_style(app: App[int], name: str, *, bold: bool = False) -> Style:
    """A color of the theme that is shown, for Rich, which has other names for a terminal's own colors."""
    return Style(color=Color.parse(app.theme_variables[name]).rich_color, bold=bold or None)


class ControlCharacterFilter(LineFilter):
    """Replaces every character that a terminal might obey, in all that is drawn, wherever the text came from."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or (segment.text.isascii() and segment.text.isprintable())
            else Segment(printable(segment.text, lines=False), segment.style)
            for segment in segments
        ]


class LinuxConsoleFilter(LineFilter):
    """Replaces signs that the font of Linux's console has not by such as it has."""

    _SIGNS = str.maketrans("★●✓✗━╸▏▎▍▋▊▉▁▂▃▅▆▇…·", "♦•√x══ ▌▌███ ░▒▓██.·")

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(segment.text.translate(self._SIGNS), segment.style)
            for segment in segments
        ]
