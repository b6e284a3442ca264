"""How long the texts are, in tokens, and where max_length cuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.color import Color
from textual_plotext import PlotextPlot


def binned(lengths: Sequence[int], bins: int, longest: int) -> tuple[list[float], list[int]]:
    """Count lengths in bins of equal width from 0 to ``longest``.

    Returns:
        The middle of each bin, and how many lengths are in it.
    """
    width = max(1.0, longest / max(1, bins))
    number = max(1, min(bins, round(longest / width)))
    counts = [0] * number
    for length in lengths:
        counts[min(number - 1, int(length / width))] += 1
    return [(index + 0.5) * width for index in range(number)], counts


class LengthHistogram(PlotextPlot):
    """Bars of how many texts have which length, with a line at max_length."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._lengths: Sequence[int] = ()
        self._limit: int | None = None

    def show(self, lengths: Sequence[int], limit: int | None) -> None:
        """Draw these lengths.

        Args:
            lengths: tokens of each text.
            limit: max_length, where it is known.
        """
        self._lengths, self._limit = lengths, limit
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())

    def _colour(self, name: str) -> tuple[int, int, int]:
        return Color.parse(self.app.theme_variables[name]).rgb

    def _draw(self) -> None:
        plot = self.plt
        plot.clear_figure()
        if not self._lengths or self.size.width < 20 or self.size.height < 4:
            self.refresh()
            return
        longest = max(self._lengths)
        # The line is drawn where the texts come near it; far beyond them it would only squeeze the bars.
        limit = self._limit if self._limit is not None and self._limit <= longest * 2 else None
        end = max(longest, limit or 0) or 1
        places, counts = binned(self._lengths, max(1, self.size.width - 8), end)
        background, quiet = self._colour("background"), self._colour("footer-description-foreground")
        plot.canvas_color(background)
        plot.axes_color(background)
        plot.ticks_color(quiet)
        plot.bar(places, counts, width=1, marker="hd", color=self._colour("primary"))
        if limit is not None:
            plot.vline(limit, color=self._colour("accent"))
        plot.xlim(0, end * 1.02)
        plot.ylim(0, max(counts))
        ticks = sorted({0, longest} | ({limit} if limit is not None else set()))
        ticks = [tick for tick in ticks if tick == limit or limit is None or abs(tick - limit) > end * 0.1]
        plot.xticks(ticks, [f"{tick:,}" for tick in ticks])
        plot.yticks([0, max(counts)], ["0", f"{max(counts):,}"])
        plot.xaxes(True, False)
        plot.yaxes(False, False)
        plot.frame(False)
        self.refresh()
