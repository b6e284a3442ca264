"""What is typed to search the hub: words, and filters among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

HELP = "<1b or >500m by size, license:mit, open (not gated)"
"""The filters, in a line."""

_SIZE = re.compile(r"([<>])(\d+(?:\.\d+)?)([kmb])\Z", re.IGNORECASE)
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9}


@dataclass(frozen=True)
class HubQuery:
    """A search.

    Attributes:
        words: what the hub looks for in names.
        license: only models under this license; '' for any.
        is_open: only models that can be had without asking their owner.
        least, most: parameters; models whose size the hub doesn't know are left out where one is given.
    """

    words: str
    license: str = ""
    is_open: bool = False
    least: float = 0.0
    most: float = float("inf")

    @classmethod
    def read(cls, text: str) -> HubQuery:
        """A search as it is typed, such as 'qwen <1b license:apache-2.0 open'."""
        words: list[str] = []
        license, is_open, least, most = "", False, 0.0, float("inf")
        for word in text.split():
            if match := _SIZE.match(word):
                limit = float(match[2]) * _UNITS[match[3].lower()]
                least, most = (limit, most) if match[1] == ">" else (least, limit)
            elif word.lower().startswith(("license:", "licence:")):
                license = word.partition(":")[2].lower()
            elif word.lower() == "open":
                is_open = True
            else:
                words.append(word)
        return cls(" ".join(words), license, is_open, least, most)

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """As the hub's list of models takes them, the most downloaded first."""
        asked = [("search", self.words), ("filter", "text-generation"), ("sort", "downloads")]
        asked += [("filter", f"license:{self.license}")] if self.license else []
        asked += [("gated", "false")] if self.is_open else []
        return [*asked, *(("expand[]", name) for name in ("downloads", "gated", "private", "safetensors", "tags"))]

    def fits(self, found: Mapping[str, object]) -> bool:
        """Whether a model that the hub has found is one of those that are wanted."""
        if self.is_open and found.get("gated"):
            return False
        if self.license and license_of(found) not in {"", self.license}:
            return False
        number = parameters_of(found)
        return (number or 0) >= self.least and (number if number is not None else float("inf")) <= self.most


def license_of(found: Mapping[str, object]) -> str:
    """The license in a model's tags, '' where there is none."""
    tags = found.get("tags")
    names = [str(tag) for tag in tags] if isinstance(tags, list) else []
    return next((tag.partition(":")[2] for tag in names if tag.startswith("license:")), "")


def parameters_of(found: Mapping[str, object]) -> int | None:
    """The number of parameters, where the hub tells it."""
    weights = found.get("safetensors")
    total = weights.get("total") if isinstance(weights, Mapping) else None
    return total if isinstance(total, int) and not isinstance(total, bool) else None
