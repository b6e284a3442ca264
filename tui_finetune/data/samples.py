"""The sample data sets that come along: one `NAME.jsonl` each, and `summaries.yaml` with a line about each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from tui_finetune.starter.paths import SAMPLES


@dataclass(frozen=True)
class Sample:
    """A sample data set: its name, file, one line on what is in it, and how many rows it has."""

    name: str
    path: Path
    summary: str
    rows: int


def sample_path(name: str) -> Path | None:
    """The file of a sample; None where there is none of that name."""
    # Not asked of the file system: a name may be anything.
    return next((path for path in SAMPLES.glob("*.jsonl") if path.stem == name), None)


def list_samples() -> list[Sample]:
    """All samples, in the order of `summaries.yaml`; those that it does not have come last, by name."""
    summaries_path = SAMPLES / "summaries.yaml"
    summaries = yaml.safe_load(summaries_path.read_text("utf-8")) if summaries_path.is_file() else {}
    places = {name: place for place, name in enumerate(summaries)}
    found = []
    for path in sorted(SAMPLES.glob("*.jsonl"), key=lambda p: (places.get(p.stem, len(places)), p.stem)):
        rows = path.read_bytes().count(b"\n")
        found.append(Sample(path.stem, path, str(summaries.get(path.stem, "")), rows))
    return found
