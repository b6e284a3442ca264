"""The samples of a run, prompt by prompt: what the model wrote at first beside what it writes now."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.widgets import Static

from tui_finetune.runs.events import SampleEvent

SIDE_BY_SIDE = 60
"""Columns from which on two answers stand beside each other."""

SHOWN_MOMENTS = 9
MOST_PROMPTS = 50


def by_prompt(samples: Sequence[SampleEvent]) -> dict[str, dict[int, SampleEvent]]:
    """The samples of each prompt by their steps; of a step the newest."""
    found: dict[str, dict[int, SampleEvent]] = {}
    for sample in samples:
        found.setdefault(sample.prompt, {})[sample.step] = sample
    return found


def moments(samples: Sequence[SampleEvent]) -> list[int]:
    """The steps at which there are samples."""
    return sorted({sample.step for sample in samples})


def _newest_first(found: dict[str, dict[int, SampleEvent]]) -> list[tuple[str, dict[int, SampleEvent]]]:
    """The prompts that were completed last come first; else they keep their order."""
    return sorted(found.items(), key=lambda item: -max(item[1]))[:MOST_PROMPTS]


def _answer(sample: SampleEvent) -> Text:
    # Whether the text repeats its prompt depends on who wrote it; a reader wants it once.
    return Text(sample.text.removeprefix(sample.prompt).strip())


def _when(step: int, newest: int) -> str:
    words = "before training" if step == 0 else f"step {step:,}"
    return f"{words}, newest" if step == newest and step else words


def _timeline(steps: Sequence[int], chosen: int) -> Text:
    """The steps around the one that is chosen."""
    place = steps.index(chosen)
    begin = max(min(place - SHOWN_MOMENTS // 2, len(steps) - SHOWN_MOMENTS), 0)
    line = Text("← → through time:  ", style="dim")
    for step in steps[begin : begin + SHOWN_MOMENTS]:
        line.append(f"[{step:,}]" if step == chosen else f" {step:,} ", style="bold" if step == chosen else "dim")
    return line


def samples_view(samples: Sequence[SampleEvent], step: int | None, width: int) -> RenderableType:
    """What the pane shows.

    Args:
        samples: all of the run.
        step: the moment that stands beside the first; None for the newest.
        width: columns that there are.
    """
    steps = moments(samples)
    if not steps:
        return Text("No samples yet. g writes one with the model as it is now.", style="dim")
    chosen = steps[-1] if step is None or step not in steps else step
    parts: list[RenderableType] = [_timeline(steps, chosen), Text()] if len(steps) > 1 else []
    for prompt, told in _newest_first(by_prompt(samples)):
        first = min(told)
        at = max((known for known in told if known <= chosen), default=first)
        parts.append(Text(prompt, style="bold"))
        shown = [(known, told[known]) for known in dict.fromkeys((first, at))]
        if len(shown) > 1 and width >= SIDE_BY_SIDE:
            table = Table.grid(padding=(0, 3, 0, 0), expand=True)
            for _ in shown:
                table.add_column(ratio=1)
            table.add_row(*(Text(_when(known, steps[-1]), style="dim") for known, _ in shown))
            table.add_row(*(_answer(sample) for _, sample in shown))
            parts.append(table)
        else:
            for known, sample in shown:
                parts.append(Text.assemble((f"{_when(known, steps[-1])}  ", "dim"), _answer(sample)))
        parts.append(Text())
    return Group(*parts[:-1])


class SamplesPane(VerticalScroll):
    """The samples; with the focus on it the arrow keys walk through time."""

    BINDINGS = [
        Binding("left", "walk(-1)", "Earlier", show=False, id="samples.earlier", tooltip="What it wrote at the sample before"),
        Binding("right", "walk(1)", "Later", show=False, id="samples.later", tooltip="What it wrote at the next sample"),
    ]  # fmt: skip

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._samples: Sequence[SampleEvent] = ()
        self._step: int | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="samples-text", markup=False)

    def show(self, samples: Sequence[SampleEvent]) -> None:
        """Show these samples; of another run the newest."""
        self._samples = samples
        self._draw()

    def on_resize(self, _: Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        self.query_one("#samples-text", Static).update(samples_view(self._samples, self._step, self.size.width))

    def action_walk(self, by: int) -> None:
        """Go to the sample before, or the next."""
        steps = moments(self._samples)
        if not steps:
            return
        place = steps.index(self._step) if self._step in steps else len(steps) - 1
        place = max(0, min(place + by, len(steps) - 1))
        self._step = None if place == len(steps) - 1 else steps[place]
        self._draw()
