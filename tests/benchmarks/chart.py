"""How long a chart takes to draw, with 1,000 points and with 1,000,000, measured by turns, and what a million points weigh.

python -m tests.benchmarks.chart
"""

from __future__ import annotations

import math
import random
import time

import psutil

from tests.benchmarks.tables import print_ratios
from tui_finetune.tui.widgets.chart.curve import Curve
from tui_finetune.tui.widgets.chart.panels import Panel, View, draw_panels
from tui_finetune.tui.widgets.chart.raster import BRAILLE

SIZE = (76, 15)
"""The large chart of a screen of 120x36."""

TURNS = 40
LIMIT_MS, LIMIT_RATIO, LIMIT_MB = 20.0, 2.0, 100.0


def panel(points: int) -> Panel:
    """A loss of so many points, with an evaluation every fiftieth part of them."""
    chance = random.Random(1)
    curve, evaluation = Curve(0.85), Curve()
    steps = list(range(1, points + 1))
    curve.update(steps, [1.5 + 2 * math.exp(-6 * step / points) + chance.gauss(0, 0.07) for step in steps])
    every = max(points // 50, 1)
    evaluation.update(steps[::every], [1.6 + 2 * math.exp(-6 * step / points) for step in steps[::every]])
    return Panel("loss", curve, evaluation, before=3.9, best=(points, 1.6))


def milliseconds(shown: Panel) -> float:
    """How long one picture takes, down to what the terminal is sent."""
    began = time.perf_counter()
    drawn = draw_panels([shown], View((0.0, float(len(shown.train))), None, BRAILLE), SIZE, 3)
    drawn.pictures[0].strips({})
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    process = psutil.Process()
    small = panel(1_000)
    before = process.memory_info().rss
    large = panel(1_000_000)
    weight = (process.memory_info().rss - before) / 1e6
    for each in (small, large):
        milliseconds(each)  # numpy and plotext are imported
    times: dict[str, list[float]] = {"1,000": [], "1,000,000": []}
    for _ in range(TURNS):
        times["1,000"].append(milliseconds(small))
        times["1,000,000"].append(milliseconds(large))
    print_ratios("Drawing a chart of 76x15", times, "1,000", "ms", f"at most {LIMIT_RATIO}; at most {LIMIT_MS} ms")
    print(f"best: {min(times['1,000']):.1f} and {min(times['1,000,000']):.1f} ms")
    print(
        f"a million points weigh {weight:.0f} MB, the lists that they were made from with them (limit {LIMIT_MB:.0f} MB)"
    )


if __name__ == "__main__":
    main()
