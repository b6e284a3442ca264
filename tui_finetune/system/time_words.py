"""Times as a person says them."""

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


def ago(seconds: float) -> str:
    """How long something is past: just now, 3 min ago, 2 h ago, 5 days ago."""
    if seconds < 45:
        return "just now"
    for size, name in ((86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return f"{int(seconds // 3600)} h ago" if seconds >= 3600 else f"{max(int(seconds // 60), 1)} min ago"
