"""The libraries that take seconds to import, imported by one thread at a time.

Two threads that import the same package at once may each see it half made, where its modules import each other.
"""

from __future__ import annotations

import threading
from importlib import import_module

_LOCK = threading.Lock()

# transformers imports its parts when they are first asked for: those that everything here asks for come at once.
_PARTS = {
    "transformers": tuple(
        f"transformers.models.auto.{part}_auto" for part in ("configuration", "tokenization", "modeling")
    )
}


def import_libraries(*names: str) -> None:
    """Import packages, as 'torch' or 'transformers', after any other thread that is importing some."""
    with _LOCK:
        for name in names:
            for part in (name, *_PARTS.get(name, ())):
                import_module(part)
