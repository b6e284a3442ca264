"""The random numbers of a run, kept from being used up by what is asked for on the side."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def untouched_random_state() -> Iterator[None]:
    """Put the random state of Python, NumPy and torch (every device) back at the end."""
    python, numpy_state, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)


def seed_rank(seed: int, rank: int) -> None:
    """Give each process of a run random numbers of its own; those of the first are the ones that a run alone has."""
    if rank:
        sequence = np.random.SeedSequence([seed, rank]).generate_state(3)
        random.seed(int(sequence[0]))
        np.random.seed(sequence[1])
        torch.manual_seed(int(sequence[2]))
