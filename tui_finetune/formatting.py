"""Numbers and times as they are written for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A length of time in two figures: 0.4 s, 41 s, 4 min 10 s, 2 h 05 min, 3 d 4 h."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = whole // 60
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"


def size(count: float) -> str:
    """Bytes as 512 B, 1.3 MB, 24.1 GB (powers of ten)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def amount(number: float) -> str:
    """Counts as 950, 8.1k, 1.2M, 7.6B."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"


def ago(seconds: float) -> str:
    """How long something is past: just now, 3 min ago, 2 h ago, 5 days ago."""
    if seconds < 45:
        return "just now"
    for size, name in ((86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return f"{int(seconds // 3600)} h ago" if seconds >= 3600 else f"{max(int(seconds // 60), 1)} min ago"


def count(number: int) -> str:
    """A count where there is room: 940, 12,400, 1.3 M, 494 M, 7.6 B."""
    for limit, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if number >= limit * 0.9995:  # so that no 1000 M comes out
            value = number / limit
            return f"{value:.0f} {unit}" if value >= 99.95 else f"{value:.1f} {unit}"
    return f"{number:,}"
