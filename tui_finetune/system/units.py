"""Numbers and sizes as a person reads them: three figures and a unit."""

from __future__ import annotations

_THOUSANDS = ((10**12, "T"), (10**9, "B"), (10**6, "M"))
_BYTES = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def _three_figures(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}"


def count(number: int) -> str:
    """A count: 940, 12,400, 1.3 M, 494 M, 7.6 B."""
    for size, letter in _THOUSANDS:
        # Rounded up to the next unit where the figures would be 1000.
        if number >= size * 0.9995:
            return f"{_three_figures(number / size)} {letter}"
    return f"{number:,}"


def size(number: int) -> str:
    """Bytes, in powers of ten as disks and the hub count them: 940 B, 5.2 MB, 15.2 GB."""
    for unit, name in _BYTES:
        if number >= unit * 0.9995:
            return f"{_three_figures(number / unit)} {name}"
    return f"{number} B"
