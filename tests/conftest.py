"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.programs import Programs
from tui_finetune.system.environment import prepare_environment

# Tiny models gain nothing from threads, and threads that wait for each other on a busy machine lose much. Subprocesses
# of the tests take it over. It must be set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
prepare_environment()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Starts the program's commands in processes of their own."""
    with Programs(tmp_path_factory.mktemp("programs") / "base") as started:
        yield started
