"""What all tests share."""

from __future__ import annotations

import os

# Tiny models gain nothing from threads, and threads that wait for each other on a busy machine lose much. Subprocesses
# of the tests take it over. It must be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
