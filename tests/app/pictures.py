"""How the snapshots are called: by screen, size and state, as `training-80x24-finished`."""

from __future__ import annotations

import pytest

SIZES = [(80, 24), (120, 36)]
"""The sizes at which each screen has a snapshot."""

NARROW = (60, 20)


def pictures(screen: str, state: str, *sizes: tuple[int, int]) -> pytest.MarkDecorator:
    """Parametrizes `size`: a test takes a picture at each, which is kept under its name.

    Args:
        screen: what is shown.
        state: what there is to see.
        sizes: columns and rows; SIZES if none is given.
    """
    named = [pytest.param(size, id=f"{screen}-{size[0]}x{size[1]}-{state}") for size in sizes or SIZES]
    return pytest.mark.parametrize("size", named)
