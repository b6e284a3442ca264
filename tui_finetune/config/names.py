"""Names that stand for what comes with the program."""

from __future__ import annotations

STARTER = "starter"
"""The name under which the model that comes with the program is known."""

DEFAULT_SAMPLE = "sea-tales"
"""The sample data set that is chosen when nothing else is."""
