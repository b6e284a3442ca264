"""Tiny models and a place to work in, for commands that train."""

from tests.training.conftest import models, place

__all__ = ["models", "place"]
