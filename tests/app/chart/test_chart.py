"""What the loss chart shows: thinned curves that lose no peak, a window that keeps to the tail, readable axes."""

from __future__ import annotations

import math
import random

import pytest

from tui_finetune.tui.widgets.chart.plot import Curves, Palette, draw_curves, without_steep_start
from tui_finetune.tui.widgets.chart.thinning import LossSeries, column_means, thin
from tui_finetune.tui.widgets.chart.ticks import label_losses, label_steps, log_ticks, ticks
from tui_finetune.tui.widgets.chart.viewport import Viewport, extent

PALETTE = Palette((90, 90, 90), (60, 80, 100), (120, 160, 200), (220, 180, 110), (130, 180, 130), (200, 200, 200))


def test_thinning_keeps_every_columns_lowest_and_highest_value() -> None:
    random.seed(0)
    xs = list(range(10_000))
    ys = [random.random() for _ in xs]
    ys[1234], ys[8765] = 50.0, -50.0
    thin_x, thin_y = thin(xs, ys, 0, 9_999, 160)
    assert len(thin_x) <= 2 * 160
    assert thin_x == sorted(thin_x)
    assert 50.0 in thin_y
    assert -50.0 in thin_y
    width = 9_999 / 160
    for column in range(160):
        inside = [y for x, y in zip(xs, ys, strict=True) if column * width < x <= (column + 1) * width]
        kept = [y for x, y in zip(thin_x, thin_y, strict=True) if column * width < x <= (column + 1) * width]
        assert {min(inside), max(inside)} <= set(kept)


def test_thinning_of_few_points_changes_nothing() -> None:
    assert thin([1, 5, 9], [3.0, 2.0, 1.0], 0, 10, 40) == ([1, 5, 9], [3.0, 2.0, 1.0])


def test_a_curve_is_cut_exactly_at_the_edges_of_the_window() -> None:
    xs, ys = thin([0, 10, 20], [0.0, 10.0, 20.0], 5, 15, 40)
    assert xs == [5, 10, 15]
    assert ys == pytest.approx([5.0, 10.0, 15.0])


def test_column_means_give_one_point_a_column() -> None:
    xs = list(range(1000))
    ys = [float(x % 2) for x in xs]
    out_x, out_y = column_means(xs, ys, 0, 999, 50)
    assert len(out_x) == 50
    assert all(abs(y - 0.5) < 0.06 for y in out_y)


def test_new_points_give_the_same_series_as_all_at_once() -> None:
    steps, losses = list(range(100)), [3.0 - 0.02 * n + 0.1 * (n % 3) for n in range(100)]
    whole, grown = LossSeries(0.85), LossSeries(0.85)
    whole.update(steps, losses)
    for count in (1, 2, 40, 100):
        assert grown.update(steps[:count], losses[:count])
    assert grown.xs == whole.xs
    assert grown.smoothed == whole.smoothed
    assert not grown.update(steps, losses)


def test_a_run_resumed_from_an_earlier_checkpoint_is_read_anew() -> None:
    series = LossSeries(0.5)
    series.update([1, 2, 3, 4], [4.0, 3.0, 2.0, 1.0])
    # Cut back to step 2 and gone on beyond the old length before the next look.
    series.update([1, 2, 3, 4, 5], [4.0, 3.0, 2.5, 2.4, 2.3])
    assert series.ys == [4.0, 3.0, 2.5, 2.4, 2.3]


def test_losses_that_are_no_numbers_are_left_out() -> None:
    series = LossSeries()
    series.update([1, 2, 3, 4], [2.0, math.nan, math.inf, 1.0])
    assert series.xs == [1, 4]


def test_smoothing_follows_a_straight_line_and_flattens_noise() -> None:
    line = LossSeries(0.85)
    line.update(list(range(200)), [10 - 0.04 * n for n in range(200)])
    assert line.smoothed[0] == pytest.approx(10)
    assert line.smoothed[-1] == pytest.approx(line.ys[-1], abs=0.01)
    noisy = LossSeries(0.85)
    noisy.update(list(range(200)), [2 + (-1) ** n for n in range(200)])
    assert max(abs(v - 2) for v in noisy.smoothed[100:]) < 0.4


def test_a_window_zoomed_at_the_tail_keeps_to_it_and_one_elsewhere_stays() -> None:
    view = Viewport()
    view.grow(100, 100)
    view.zoom(True)
    span = view.window()[1] - view.window()[0]
    view.grow(150, 150)
    assert view.window() == (150 - span, 150)
    view.pan(False)
    before = view.window()
    view.grow(200, 200)
    assert view.window() == before
    assert not view.follows
    for _ in range(10):
        view.pan(True)
    assert view.follows
    assert view.window()[1] == 200
    view.reset()
    assert view.window() == (0, 200)


def test_zooming_keeps_the_crosshair_where_it_is() -> None:
    view = Viewport()
    view.grow(100, 100)
    view.zoom(True, 25)
    low, high = view.window()
    assert (25 - low) / (high - low) == pytest.approx(0.25)
    for _ in range(50):
        view.zoom(True, 25)
    assert view.window()[1] - view.window()[0] >= 4
    for _ in range(50):
        view.zoom(False, 25)
    assert not view.zoomed


@pytest.mark.parametrize(
    ("last", "total", "over", "end"),
    [
        (182, 600, False, 200),
        (590, 600, False, 600),
        (182, 600, True, 182),
        (0, None, False, 4),
        (1001, None, False, 1200),
    ],
)
def test_the_axis_ends_at_a_round_number_until_the_run_is_over(
    last: float, total: float | None, over: bool, end: float
) -> None:
    assert extent(last, total, over=over) == end


def test_ticks_are_round_and_labels_tell_them_apart() -> None:
    assert ticks(1.4, 3.6, 4) == [1.5, 2.0, 2.5, 3.0, 3.5]
    assert label_losses([1.5, 2.0, 2.5]) == ["1.5", "2.0", "2.5"]
    assert label_losses([1.25, 1.5]) == ["1.25", "1.50"]
    assert label_steps([0, 20_000, 40_000]) == ["0", "20k", "40k"]
    assert log_ticks(0.5, 200, 4) == [1, 10, 100]
    assert all(1.1 <= tick <= 1.9 for tick in log_ticks(1.1, 1.9, 4))


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (16, 4), (40, 8), (200, 60)])
@pytest.mark.parametrize("log_scale", [False, True])
@pytest.mark.parametrize(
    "points", [([], []), ([5.0], [2.0]), ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]), ([1.0, 9.0], [0.0, 1e-9])]
)
def test_a_chart_of_any_size_draws_or_stays_empty(
    size: tuple[int, int], log_scale: bool, points: tuple[list[float], list[float]]
) -> None:
    curves = Curves(raw=points, smoothed=points, evaluation=points, best=(2.0, 2.0), cursor=(5.0, 2.0))
    text = draw_curves(curves, (0, 10), size, PALETTE, log_scale=log_scale)
    lines = text.plain.split("\n")
    assert all(len(line) <= size[0] for line in lines)
    assert len(lines) <= max(size[1], 1)


def test_a_falling_loss_is_drawn_from_the_upper_left_to_the_lower_right() -> None:
    points = ([float(n) for n in range(100)], [3 - n * 0.02 for n in range(100)])
    lines = draw_curves(Curves(smoothed=points), (0, 99), (60, 12), PALETTE).plain.split("\n")
    dots = [
        (row, column) for row, line in enumerate(lines) for column, c in enumerate(line) if "\u2800" < c <= "\u28ff"
    ]
    left, right = min(dots, key=lambda d: d[1]), max(dots, key=lambda d: d[1])
    assert left[0] <= 1
    assert right[0] >= 8


def test_the_best_evaluation_and_the_others_have_marks() -> None:
    evaluation = ([20.0, 50.0, 80.0], [2.0, 1.0, 1.5])
    text = draw_curves(Curves(evaluation=evaluation, best=(50.0, 1.0)), (0, 100), (60, 12), PALETTE).plain
    assert text.count("●") == 2
    assert text.count("★") == 1


def steep(points: int = 100) -> tuple[list[float], list[float]]:
    """A loss as of a model that meets new words: from 10 to 0.5 within the first steps, and slowly on to 0.3."""
    xs = [float(n) for n in range(1, points + 1)]
    return xs, [0.3 + 0.2 * (1 - x / points) + 9.5 * math.exp(-x / 3) for x in xs]


def test_a_steep_start_does_not_press_the_rest_flat() -> None:
    xs, ys = steep()
    curves, cut = without_steep_start(Curves(raw=(xs, ys), smoothed=(xs, ys)))
    assert cut == max(ys)
    limit = max(curves.smoothed[1])
    assert limit < 1.0
    # It comes in from above, exactly where the curve crosses the upper edge, and goes on as it was.
    assert curves.smoothed[1][0] == limit
    after = next(n for n, y in enumerate(ys) if y <= limit)
    assert xs[after - 1] < curves.smoothed[0][0] < xs[after]
    assert (curves.smoothed[0][1:], curves.smoothed[1][1:]) == (xs[after:], ys[after:])
    # What an unscaled chart of the rest would not show: most of its rows are used beyond the first fifth.
    drawn = draw_curves(curves, (0, 100), (60, 20), PALETTE).plain.splitlines()
    assert sum(any("\u2801" <= sign <= "\u28ff" for sign in line[20:]) for line in drawn) > 8


@pytest.mark.parametrize(
    "values",
    [
        [3 - n / 50 for n in range(100)],  # falls evenly
        [2.0] * 100,  # level
        [1.0] * 60 + [50.0] + [1.0] * 39,  # a spike later on is what one wants to see
        [1.0 - n / 1000 for n in range(9)] + [50.0] + [0.9 - n / 1000 for n in range(90)],  # and an early one
        [9.0, 1.0, 50.0, 50.0] + [0.9 - n / 1000 for n in range(90)],
        [9.0, 1.0, 0.5],  # too few to tell
        [],
    ],
)
def test_other_curves_are_shown_whole(values: list[float]) -> None:
    curves = Curves(raw=([float(n) for n in range(len(values))], values))
    assert without_steep_start(curves) == (curves, None)


def test_no_evaluation_is_cut_and_the_crosshair_stays_within() -> None:
    xs, ys = steep()
    early = Curves(raw=(xs, ys), evaluation=([5.0, 50.0], [4.0, 0.4]))
    curves, _ = without_steep_start(early)
    assert curves.evaluation == early.evaluation
    assert max(curves.raw[1]) >= 4.0
    curves, _ = without_steep_start(Curves(raw=(xs, ys), cursor=(1.0, ys[0])))
    assert curves.cursor == (1.0, None)
