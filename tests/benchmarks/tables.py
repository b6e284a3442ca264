"""Tables of ratios, as every benchmark prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tui_finetune.cli.tables import table


def print_ratios(title: str, measured: Mapping[str, Sequence[float]], base: str, unit: str, goal: str) -> None:
    """Print the median of each series, and its ratio to that of the base.

    Args:
        title: what was measured.
        measured: the values of each series, taken in turns in one run.
        base: the series that the others are compared with.
        unit: of the values.
        goal: what ratio is to be reached, in words.
    """
    reference = median(measured[base])
    rows = []
    for name, values in measured.items():
        ratio = median(values) / reference
        low, high = min(values), max(values)
        rows.append((name, f"{median(values):,.3g}", f"{low:,.3g} to {high:,.3g}", f"{ratio:.3f}", str(len(values))))
    print(f"{title} (goal: {goal})")
    for line in table(("", unit, "range", f"ratio to {base}", "runs"), rows, right=frozenset({1, 3, 4})):
        print("  " + line)
