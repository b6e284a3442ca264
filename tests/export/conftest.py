"""Tiny runs to export."""

from tests.training.conftest import models, place, train

__all__ = ["models", "place", "train"]
