"""Names that stand for what comes with the program."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

STARTER = "starter"
"""The name under which the model that comes with the program is known."""

DEFAULT_SAMPLE = "sea-tales"
"""The sample data set that is chosen when nothing else is."""

PREFERENCE_SHARE: Mapping[str, float] = MappingProxyType({"dpo": 0.05, "kto": 0.05, "orpo": 0.25})
"""Of the rate that suits a model otherwise, how much suits learning preferences, by task. A twentieth is the 1e-6 and 1e-5 that
TRL takes for all weights and for an adapter; ORPO learns the text as well, and its authors took 8e-6."""
