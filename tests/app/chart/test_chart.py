"""What a chart shows: thinned curves that lose no peak, every point in its cell, a window that keeps to the tail."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from tui_finetune.tui.widgets.chart.axis import Axis, step_axis, value_axis
from tui_finetune.tui.widgets.chart.curve import SMOOTHING, Curve
from tui_finetune.tui.widgets.chart.panels import Panel, Shown, View, draw_panels, strips_for
from tui_finetune.tui.widgets.chart.plot import Ink
from tui_finetune.tui.widgets.chart.raster import BLOCKS, BRAILLE, Glyphs
from tui_finetune.tui.widgets.chart.scale import shows_more_in_log, with_reference
from tui_finetune.tui.widgets.chart.thinning import means, thin
from tui_finetune.tui.widgets.chart.viewport import Viewport, extent


def curve(xs: list[int], ys: list[float], smoothing: float = 0.0) -> Curve:
    made = Curve(smoothing)
    made.update(xs, ys)
    return made


def drawn(
    xs: list[int],
    ys: list[float],
    size: tuple[int, int],
    *,
    evaluation: tuple[list[int], list[float]] = ([], []),
    window: tuple[float, float] | None = None,
    smoothing: float = 0.0,
    glyphs: Glyphs = BRAILLE,
    other_scale: bool = False,
    before: float | None = None,
    best: tuple[float, float] | None = None,
    cursor: float | None = None,
) -> Shown:
    """One large chart."""
    panel = Panel("loss", curve(xs, ys, smoothing), curve(*evaluation), before=before, best=best)
    view = View(window or (0.0, max([*xs, *evaluation[0], 4])), cursor, glyphs, other_scale=other_scale)
    return draw_panels([panel], view, size, 3)


def lit(shown: Shown, *inks: Ink) -> set[tuple[int, int]]:
    """The cells of the canvas in which something of these inks is, by column from the left and row from the bottom."""
    rows = shown.pictures[0].rows
    height = shown.y.cells
    return {
        (column - shown.left - 1, height - 1 - row)
        for row in range(height)
        for column, (sign, ink, ground) in enumerate(rows[row])
        if column > shown.left and sign != " " and (ink in inks or ground in inks)
    }


def belongs(value: float, first: float, cell: float, *, log: bool = False) -> int:
    """The cell that a value belongs to, by the arithmetic of the axis alone."""
    return math.floor(((math.log10(value) if log else value) - first) / cell + 1e-9)


def random_series(chance: random.Random) -> tuple[list[int], list[float]]:
    """Steps and values as a run may log them, or as none should."""
    count = chance.choice([1, 2, 3, 10, 60, 60, 400, 3000])
    every = chance.choice([1, 1, 5, 10, 50])
    kind = chance.choice(["loss", "loss", "noise", "steep", "spike", "level", "signed", "tiny", "huge"])
    low = chance.uniform(0.05, 3)
    values = []
    for number in range(count):
        share = number / count
        value = low + 2 * math.exp(-6 * share) + chance.gauss(0, 0.05)
        if kind == "noise":
            value = chance.uniform(0, 10)
        elif kind == "steep":
            value = low + 40 * math.exp(-number / 2)
        elif kind == "level":
            value = low
        elif kind == "signed":
            value = chance.gauss(0, 5)
        elif kind == "tiny":
            value = 2e-5 * (1 - share)
        elif kind == "huge":
            value = 1e9 * (1 + share)
        values.append(value)
    if kind == "spike":
        values[chance.randrange(count)] = 900.0
    return [every * (number + 1) for number in range(count)], values


@pytest.mark.parametrize("seed", range(10))
def test_every_point_is_in_the_cell_that_it_belongs_to_and_ticks_at_their_values(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        xs, ys = random_series(chance)
        size = chance.randint(24, 200), chance.randint(6, 50)
        glyphs = chance.choice([BRAILLE, BRAILLE, BLOCKS])
        last = float(xs[-1])
        window = chance.choice([(0.0, max(last, 4.0)), (0.0, 1.3 * last + 4), (last / 3, max(last, last / 3 + 4))])
        shown = drawn(xs, ys, size, window=window, glyphs=glyphs, other_scale=chance.random() < 0.3)
        x, y = shown.x, shown.y
        inside = [(a, b) for a, b in zip(xs, ys, strict=True) if 0 <= belongs(a, x.first, x.cell) < x.cells]
        cells = {
            (belongs(a, x.first, x.cell), belongs(b, y.first, y.cell, log=y.log))
            for a, b in inside
            if b > 0 or not y.log
        }
        # Each point lights its cell, and nothing is lit above or below all points of the columns around it.
        where = lit(shown, Ink.SMOOTHED)
        assert cells <= where
        assert all(0 <= column < x.cells and 0 <= row < y.cells for column, row in cells)
        if cells:
            assert min(row for _, row in cells) <= min(row for _, row in where) or len(xs) > len(inside)
            assert max(row for _, row in where) <= max(row for _, row in cells) or len(xs) > len(inside)
        check_frame(shown, size)


def check_frame(shown: Shown, size: tuple[int, int]) -> None:
    """The labels stand in the rows and columns of their values, and all of it within the size."""
    lines = shown.pictures[0].plain.split("\n")
    assert len(lines) == size[1]
    assert {len(line) for line in lines} == {size[0]}
    for tick, label in zip(shown.y.ticks, shown.y.labels, strict=True):
        row = shown.y.cells - 1 - belongs(tick, shown.y.first, shown.y.cell, log=shown.y.log)
        assert lines[row][: shown.left].strip() == label
        assert lines[row][shown.left] == "┤"
    assert sum(bool(line[: shown.left].strip()) for line in lines[: shown.y.cells]) == len(shown.y.ticks)
    for tick, label in zip(shown.x.ticks, shown.x.labels, strict=True):
        column = shown.left + 1 + belongs(tick, shown.x.first, shown.x.cell)
        if column + len(label) < size[0]:
            assert lines[-2][column] == "┬"
            around = lines[-1][max(column - len(label), 0) : column + len(label) + 1]
            assert label in around


def test_thinning_keeps_every_columns_lowest_and_highest_value() -> None:
    random.seed(0)
    xs = list(range(10_000))
    ys = [random.random() for _ in xs]
    ys[1234], ys[8765] = 50.0, -50.0
    axis = step_axis(0, 9_999, 80)
    thin_x, thin_y = thin(array("q", xs), array("d", ys), axis)
    assert len(thin_x) <= 4 * 160
    assert thin_x == sorted(thin_x)
    assert {50.0, -50.0} <= set(thin_y)
    for dot in range(160):
        inside = [y for x, y in zip(xs, ys, strict=True) if axis.dot(x, 2) == dot]
        kept = [y for x, y in zip(thin_x, thin_y, strict=True) if axis.dot(x, 2) == dot]
        assert not inside or (min(kept), max(kept)) == (min(inside), max(inside))
        assert not inside or (kept[0], kept[-1]) == (inside[0], inside[-1])


def test_thinning_of_few_points_changes_nothing() -> None:
    assert thin(array("q", [1, 5, 9]), array("d", [3.0, 2.0, 1.0]), step_axis(0, 10, 20)) == (
        [1, 5, 9],
        [3.0, 2.0, 1.0],
    )


def test_a_curve_is_cut_exactly_at_the_edges_of_the_window() -> None:
    axis = Axis(4.0, 1.0, 10)
    xs, ys = thin(array("q", [0, 10, 20]), array("d", [0.0, 10.0, 20.0]), axis)
    assert xs == [4.25, 10, 13.75]
    assert ys == pytest.approx([4.25, 10.0, 13.75])


def test_column_means_give_one_point_a_column_of_dots() -> None:
    xs = list(range(1000))
    out_x, out_y = means(array("q", xs), array("d", [float(x % 2) for x in xs]), step_axis(0, 999, 25))
    assert len(out_x) <= 50
    assert all(abs(y - 0.5) < 0.06 for y in out_y)


def test_new_points_give_the_same_curve_as_all_at_once() -> None:
    steps, losses = list(range(100)), [3.0 - 0.02 * n + 0.1 * (n % 3) for n in range(100)]
    whole, grown = Curve(0.85), Curve(0.85)
    whole.update(steps, losses)
    for count in (1, 2, 40, 100):
        assert grown.update(steps[:count], losses[:count])
    assert grown.xs == whole.xs
    assert grown.smoothed == whole.smoothed
    assert not grown.update(steps, losses)


def test_a_run_resumed_from_an_earlier_checkpoint_is_read_anew() -> None:
    series = Curve(0.5)
    series.update([1, 2, 3, 4], [4.0, 3.0, 2.0, 1.0])
    # Cut back to step 2 and gone on beyond the old length before the next look.
    series.update([1, 2, 3, 4, 5], [4.0, 3.0, 2.5, 2.4, 2.3])
    assert list(series.ys) == [4.0, 3.0, 2.5, 2.4, 2.3]


def test_values_that_are_no_numbers_are_gaps_and_are_counted() -> None:
    series = Curve(0.85)
    series.update([1, 2, 3, 4], [2.0, math.nan, math.inf, 1.0])
    assert series.gaps == 2
    assert not series.update([1, 2, 3, 4], [2.0, math.nan, math.inf, 1.0])
    assert [math.isnan(value) for value in series.smoothed] == [False, True, True, False]
    xs = list(range(1, 41))
    shown = drawn(xs, [math.nan if 15 <= x <= 25 else 2.0 - x / 40 for x in xs], (60, 12))
    columns = {column for column, _ in lit(shown, Ink.SMOOTHED)}
    between = {shown.x.dot(step) for step in range(16, 25)}
    assert not columns & between
    assert shown.x.dot(14) in columns
    assert shown.x.dot(26) in columns


def test_smoothing_follows_a_straight_line_and_flattens_noise() -> None:
    line = curve(list(range(200)), [10 - 0.04 * n for n in range(200)], 0.85)
    assert line.smoothed[0] == pytest.approx(10)
    assert line.smoothed[-1] == pytest.approx(line.ys[-1], abs=0.01)
    noisy = curve(list(range(200)), [2 + (-1) ** n for n in range(200)], 0.85)
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
    view.move(3)
    assert view.window() == pytest.approx((before[0] + 3, before[1] + 3))
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


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (16, 4), (40, 8), (200, 60)])
@pytest.mark.parametrize("other_scale", [False, True])
@pytest.mark.parametrize("points", [([], []), ([5], [2.0]), ([1, 2, 3], [2.0, 2.0, 2.0]), ([1, 9], [0.0, 1e-9])])
def test_a_chart_of_any_size_draws_or_stays_empty(
    size: tuple[int, int], other_scale: bool, points: tuple[list[int], list[float]]
) -> None:
    shown = drawn(
        *points, size, evaluation=points, smoothing=0.85, best=(2.0, 2.0), cursor=5.0, other_scale=other_scale
    )
    for picture in shown.pictures:
        lines = picture.plain.split("\n")
        assert all(len(line) <= size[0] for line in lines)
        assert len(lines) <= max(size[1], 1)


def test_a_falling_loss_is_drawn_from_the_upper_left_to_the_lower_right() -> None:
    shown = drawn(list(range(100)), [3 - n * 0.02 for n in range(100)], (60, 14))
    dots = lit(shown, Ink.SMOOTHED)
    left, right = min(dots), max(dots)
    assert left[1] >= 10
    assert right[1] <= 1


def test_the_best_evaluation_and_the_others_have_marks() -> None:
    shown = drawn([], [], (60, 12), evaluation=([20, 50, 80], [2.0, 1.0, 1.5]), best=(50, 1.0))
    plain = shown.pictures[0].plain
    assert plain.count("●") == 2
    assert plain.count("★") == 1


def test_where_two_curves_meet_both_stay_visible() -> None:
    xs = list(range(1, 61))
    ys = [2.0 - x / 60 for x in xs]
    # The same curve twice: by turns in the one color and the other, in every column.
    shown = drawn(xs, ys, (60, 12), evaluation=(xs[::20], ys[::20]))
    shared = lit(shown, Ink.SMOOTHED) & {(c, r) for c, r in lit(shown, Ink.SMOOTHED, Ink.EVALUATION, Ink.POINT)}
    assert shared
    assert lit(shown, Ink.EVALUATION)
    # Values as logged are the ground of the smoothed curve where that lies on them.
    noisy = drawn(xs, [y + 0.3 * (-1) ** x for x, y in zip(xs, ys, strict=True)], (60, 12), smoothing=0.85)
    rows = noisy.pictures[0].rows
    assert any(ink == Ink.SMOOTHED and ground == Ink.RAW for row in rows for _, ink, ground in row)
    # A mark has what it covers for its ground.
    marked = drawn(xs, ys, (60, 12), evaluation=([30], [1.5]))
    assert any(ink == Ink.POINT and ground == Ink.SMOOTHED for row in marked.pictures[0].rows for _, ink, ground in row)


def steep(points: int = 100) -> tuple[list[int], list[float]]:
    """A loss as of a model that meets new words: from 10 to 0.5 within the first steps, and slowly on to 0.3."""
    xs = list(range(1, points + 1))
    return xs, [0.3 + 0.2 * (1 - x / points) + 9.5 * math.exp(-x / 3) for x in xs]


def test_a_steep_start_neither_presses_the_rest_flat_nor_begins_in_mid_air() -> None:
    xs, ys = steep()
    shown = drawn(xs, ys, (60, 22))
    assert shown.y.log
    assert shown.chosen_log
    dots = lit(shown, Ink.SMOOTHED)
    assert (0, shown.y.dot(ys[0])) in {(max(c - 1, 0), r) for c, r in dots} | dots  # the very first point is seen
    even = drawn(xs, ys, (60, 22), other_scale=True)
    assert not even.y.log
    late = [{row for column, row in lit(one, Ink.SMOOTHED) if column > 12} for one in (shown, even)]
    assert len(late[0]) >= 3 > len(late[1])


@pytest.mark.parametrize(
    ("values", "log"),
    [
        ([3 - n / 50 for n in range(100)], False),  # falls evenly
        ([2.0] * 100, False),  # level
        (
            [1.0 + 0.01 * (n % 7) for n in range(60)] + [50.0] + [1.0 + 0.01 * (n % 5) for n in range(39)],
            True,
        ),  # a spike
        ([13 + 2 * n for n in range(60)], False),  # diverges
        ([9.0, 1.0, 0.5], False),  # too few to tell
        ([0.0, *steep()[1]], False),  # 0 has no logarithm
        ([], False),
    ],
)
def test_the_scale_is_logarithmic_where_that_shows_more(values: list[float], log: bool) -> None:
    assert shows_more_in_log(range(len(values)), values) is log


def test_a_spike_never_vanishes() -> None:
    xs = list(range(1, 20_001))
    ys = [1.0 + 0.01 * (x % 7) for x in xs]
    ys[12_345] = 50.0
    shown = drawn(xs, ys, (80, 20), smoothing=0.85)
    column, row = shown.x.dot(12_346), shown.y.dot(50.0)
    assert (column, row) in lit(shown, Ink.RAW, Ink.SMOOTHED)


def test_the_loss_before_training_is_a_dotted_line_unless_it_would_press_the_rest_flat() -> None:
    xs = list(range(1, 61))
    shown = drawn(xs, [3.0 - x / 60 for x in xs], (60, 16), before=3.9)
    row = shown.y.dot(3.9)
    assert len([cell for cell in lit(shown, Ink.BEFORE) if cell[1] == row]) >= shown.x.cells // 2
    far = drawn(xs, [1.0 - x / 600 for x in xs], (60, 16), before=12.0)
    assert far.before_hidden
    assert not lit(far, Ink.BEFORE)
    assert with_reference(1.0, 2.0, None) == (1.0, 2.0)


def test_terminals_without_braille_get_blocks() -> None:
    xs = list(range(1, 61))
    shown = drawn(xs, [3.0 - x / 60 for x in xs], (60, 16), evaluation=([30], [2.5]), best=(30, 2.5), glyphs=BLOCKS)
    plain = shown.pictures[0].plain
    assert not any("\u2800" <= sign <= "\u28ff" for sign in plain)
    assert "▀" in plain
    assert "♦" in plain


@pytest.mark.parametrize(("height", "curves", "strips"), [(8, 4, 0), (14, 4, 0), (20, 4, 2), (46, 4, 4), (46, 9, 9)])
def test_strips_stand_below_where_the_large_curve_keeps_its_room(height: int, curves: int, strips: int) -> None:
    count, rows = strips_for(curves, height)
    assert count == strips
    assert rows in {3, 4}
    assert height - count * rows >= 13 or count == 0


def test_charts_below_each_other_have_one_axis_of_steps() -> None:
    xs = list(range(1, 61))
    loss = Panel("loss", curve(xs, [3.0 - x / 60 for x in xs], 0.85), curve([], []))
    rate = Panel("learning_rate", curve(xs, [2e-3 * (1 - x / 61) for x in xs]), curve([], []))
    memory = Panel("memory", curve(xs, [9e8 + x for x in xs]), curve([], []))
    shown = draw_panels([loss, rate, memory], View((0, 60), None, BRAILLE), (80, 24), 4)
    bars = [[line.find("│") for line in picture.plain.split("\n")] for picture in shown.pictures]
    assert {at for places in bars for at in places if at >= 0} == {shown.left}
    assert [len(picture.rows) for picture in shown.pictures] == [24 - 8, 3, 3]
    assert "GB" in shown.pictures[2].plain or "MB" in shown.pictures[2].plain


def test_smoothing_has_names() -> None:
    assert list(SMOOTHING) == ["off", "light", "medium", "strong"]
    assert value_axis(0, 1, 5).cells == 5
