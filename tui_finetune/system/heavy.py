"""The libraries that take seconds to import, imported by one thread at a time.

Two threads that import the same package at once may each see it half made, where its modules import each other.
"""

from __future__ import annotations

import threading
from importlib import import_module

_LOCK = threading.Lock()
_COMES_LATER = {
    "transformers": ("transformers.models.auto.tokenization_auto", "transformers.models.auto.modeling_auto")
}
"""What a package itself imports only when it is used."""


def import_libraries(*names: str) -> None:
    """Import packages, as 'torch' or 'transformers', after any other thread that is importing some."""
    with _LOCK:
        for name in names:
            import_module(name)
            for later in _COMES_LATER.get(name, ()):
                import_module(later)
