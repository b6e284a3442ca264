"""Where the model and the sample data sets that are included lie."""

from __future__ import annotations

from pathlib import Path

MODEL = Path(__file__).parent / "model"
SAMPLES = Path(__file__).parent / "samples"
