"""How long the texts are, in tokens, and where max_length cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text
from textual.color import Color
from textual_plotext import PlotextPlot


def binned(lengths: Sequence[int], bins: int, longest: int) -> tuple[int, list[int]]:
    """Count lengths from 0 to ``longest`` in at most so many bins, all of the same whole number of tokens.

    Returns:
        The width of a bin, and how many lengths are in each.
    """
    width = max(1, math.ceil((longest + 1) / max(1, bins)))
    counts = [0] * (longest // width + 1)
    for length in lengths:
        counts[min(len(counts) - 1, length // width)] += 1
    return width, counts


class LengthHistogram(PlotextPlot):
    """Bars of how many texts have which length; those beyond max_length stand out, and a line is where it is."""

    def __init__(self) -> None:
        super().__init__()
        self._lengths: Sequence[int] = ()
        self._limit: int | None = None

    def show(self, lengths: Sequence[int], limit: int | None) -> None:
        """Draw these lengths.

        Args:
            lengths: tokens of each text.
            limit: max_length, where it is known.
        """
        self._lengths, self._limit = lengths, limit
        self.refresh()

    def _color(self, name: str) -> tuple[int, int, int]:
        return Color.parse(self.app.theme_variables[name]).rgb

    def render(self) -> Text:
        if not self._lengths or self.size.width < 20 or self.size.height < 4:
            return Text()
        plot = self.plt
        plot.clear_figure()
        plot.plotsize(self.size.width, self.size.height)
        longest = max(self._lengths)
        # The line is drawn where the texts come near it; far beyond them it would only squeeze the bars.
        limit = self._limit if self._limit is not None and self._limit <= longest * 2 else None
        end = max(longest, limit or 0, 1)
        bin_width, counts = binned(self._lengths, self.size.width - 8, end)
        background = self._color("background")
        plot.canvas_color(background)
        plot.axes_color(background)
        plot.ticks_color(self._color("footer-description-foreground"))
        # As filled points, several for each column: bars would be rounded to columns, with gaps between.
        right = bin_width * len(counts)
        points = [(number + 0.5) * right / (4 * self.size.width) for number in range(4 * self.size.width)]
        heights = [counts[min(int(point / bin_width), len(counts) - 1)] for point in points]
        filled = [(point, height) for point, height in zip(points, heights, strict=True) if height]
        within = [point for point in filled if limit is None or point[0] <= limit]
        for part, color in ((within, "primary"), (filled[len(within) :], "accent")):
            if part:
                plot.scatter(*zip(*part, strict=True), marker="hd", fillx=True, color=self._color(color))
        if limit is not None:
            plot.vline(limit, color=self._color("accent"))
        plot.xlim(0, right)
        plot.ylim(0, max(counts))
        # Two numbers that would run into each other make way for max_length.
        ticks = [tick for tick in (0, longest) if limit is None or abs(tick - limit) > end * 0.12]
        ticks += [limit] if limit is not None else []
        plot.xticks(list(map(float, ticks)), [f"{tick:,}" for tick in ticks])
        plot.yticks([max(counts)], [f"{max(counts):,}"])
        plot.xaxes(True, False)
        plot.yaxes(False, False)
        plot.frame(False)
        return Text.from_ansi(plot.build())
