"""The panel of numbers beside the chart: where the run is, how it goes, what it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.content import Content
from textual.widgets import Static

from tui_finetune.formatting import duration, size
from tui_finetune.runs.health import Trend, trend
from tui_finetune.runs.state import RunState
from tui_finetune.tui.widgets.progress import MUTED, gauge

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

Tone = Literal["", "better", "worse"]
_STYLES: dict[Tone, str] = {"": MUTED, "better": "$success", "worse": "$error"}

_TRENDS: dict[Trend | None, tuple[str, Tone]] = {
    None: ("", ""), "falling": ("▼ falling", "better"), "level": ("─ level", ""), "rising": ("▲ rising", "worse"),
}  # fmt: skip
"""Where a loss is going, in a word with a mark, and its tone."""


@dataclass(frozen=True)
class Row:
    """One number: its label, the number, and a word on it in the tone of better or worse.

    ``gauge`` is a share from 0 to 1 where a small bar tells more; ``group`` keeps what belongs together.
    """

    label: str
    value: str
    note: str = ""
    tone: Tone = ""
    gauge: float | None = None
    group: int = 0


def epochs(state: RunState, config: RunConfig | None) -> tuple[float, float] | None:
    """Epochs done and to do, or None where they can't be told yet."""
    step, total = state.step, state.total_steps
    if not total:
        return None
    if state.epoch and state.logged_step:
        per_step = state.epoch / state.logged_step
    elif config is not None and config.max_steps < 0:
        per_step = config.num_train_epochs / total
    else:
        return None
    whole = config.num_train_epochs if config is not None and config.max_steps < 0 else total * per_step
    return min(step * per_step, whole), whole


def _plain(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _speed(rate: float) -> str:
    return f"{rate / 1000:.1f}k" if rate >= 1000 else f"{rate:.0f}"


def number_rows(state: RunState, config: RunConfig | None, *, waited: float = 0.0) -> list[Row]:
    """What the panel shows; what isn't known yet is left out.

    Args:
        state: the run.
        config: its configuration, where it can be read.
        waited: seconds since its last event, by the watcher's own clock.
    """
    rows: list[Row] = []
    over = state.is_over
    if (total := state.total_steps) is not None:
        rows.append(Row("step", f"{state.step:,}", f"of {total:,}"))
    if (done := epochs(state, config)) is not None:
        rows.append(Row("epoch", f"{done[0]:.2f}", f"of {_plain(done[1])}"))
    if (loss := state.losses.newest) is not None:
        rows.append(Row("loss", f"{loss:.3f}", *_TRENDS[trend(state.losses.values)], group=1))
    if (newest := state.eval_losses.newest) is not None:
        best = state.best_eval_loss
        note: tuple[str, Tone] = ("", "")
        if best is not None:
            note = ("▼ best", "better") if newest <= best else ("▲ not best", "worse")
        rows.append(Row("eval loss", f"{newest:.3f}", *note, group=1))
    if state.best_eval_loss is not None:
        rows.append(Row("best", f"{state.best_eval_loss:.3f}", f"at step {state.best_step:,}", group=1))
    if (rate := state.curves.newest("learning_rate")) is not None:
        rows.append(Row("lr", f"{rate:.2g}", group=2))
    if (speed := state.curves.newest("tokens_per_second")) is not None:
        rows.append(Row("speed", _speed(speed), "tok/s", group=2))
    left = state.pace.seconds_left(state.step, total)
    if left is not None and left > 0 and not over:
        rows.append(Row("left", duration(left) if left >= 1 else "a moment", group=2))
    if state.started is not None:
        rows.append(Row("elapsed", duration(state.pace.active_seconds + (0 if over else waited)), group=2))
    return rows if over else rows + _resource_rows(state)


def _resource_rows(state: RunState) -> list[Row]:
    if not state.resources:
        return []
    number = state.resources[-1].readings.get

    def memory(label: str, used: float | None, whole: float | None) -> list[Row]:
        if used is None or not whole:
            return []
        return [Row(label, size(int(used)), f"of {size(int(whole))}", gauge=used / whole, group=3)]

    rows: list[Row] = []
    if (busy := number("gpu_utilization")) is not None:
        heat = number("gpu_temperature")
        rows.append(
            Row("gpu", f"{busy:.0f} %", f"{heat:.0f} °C" if heat is not None else "", gauge=busy / 100, group=3)
        )
    rows += memory("gpu mem", number("gpu_memory_used"), number("gpu_memory_total"))
    if (busy := number("cpu_percent")) is not None:
        rows.append(Row("cpu", f"{busy:.0f} %", gauge=busy / 100, group=3))
    return rows + memory("ram", number("ram_used"), number("ram_total"))


FLAT_WIDTH = 40
LABEL_WIDTH = 10
GAUGE_WIDTH = 6


def _line(row: Row) -> tuple[Content, Content]:
    """A row without and with its note."""
    line = Content.assemble((f"{row.label:<{LABEL_WIDTH}}", MUTED), (row.value, "bold"))
    return line, Content.assemble(line, "  ", (row.note, _STYLES[row.tone])) if row.note else line


def stacked(rows: list[Row], width: int, height: int) -> Content:
    """The rows one below the other, groups apart where there is room, the last ones left out where there is too little."""
    apart = len(rows) + len({row.group for row in rows}) - 1 <= height
    # Bars stand in one column, so either all of them fit or there are none.
    gauges = all(_line(row)[1].cell_length + GAUGE_WIDTH + 2 <= width for row in rows if row.gauge is not None)
    lines: list[Content] = []
    group = rows[0].group if rows else 0
    for row in rows:
        if apart and row.group != group:
            lines.append(Content(""))
        group = row.group
        bare, noted = _line(row)
        line = noted if noted.cell_length <= width else bare
        if gauges and row.gauge is not None:
            pad = " " * (width - GAUGE_WIDTH - line.cell_length)
            line = Content.assemble(line, pad, gauge(row.gauge, GAUGE_WIDTH))
        lines.append(line)
    return Content("\n").join(lines[:height])


def side_by_side(rows: list[Row], width: int, height: int) -> Content:
    """The rows in columns, for narrow screens."""
    columns = max(width // 18, 1)
    cell = width // columns
    lines: list[Content] = []
    for begin in range(0, len(rows), columns):
        parts = []
        for row in rows[begin : begin + columns]:
            mark = row.note[:1] if row.tone else row.note
            part = Content.assemble((f"{row.label} ", MUTED), (row.value, "bold"))
            note = Content.assemble(" ", (mark, _STYLES[row.tone])) if mark else Content("")
            if part.cell_length + note.cell_length < cell:
                part = Content.assemble(part, note)
            parts.append(part.pad_right(max(cell - part.cell_length, 0)))
        lines.append(Content("").join(parts))
    return Content("\n").join(lines[:height])


class NumbersPanel(Static):
    """Shows rows of numbers, below each other or, where it is wide and flat, beside each other."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._rows: list[Row] = []

    def show(self, rows: list[Row]) -> None:
        if rows != self._rows:
            self._rows = rows
            self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if width and height:
            flat = width >= FLAT_WIDTH and width > 3 * height
            self.update((side_by_side if flat else stacked)(self._rows, width, height), layout=False)
