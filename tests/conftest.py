"""What all tests share: a known environment, set before anything that reads it is imported, and the program to start."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests import environment
from tests.programs import Programs
from tui_finetune.system.environment import prepare_environment

environment.clear()
environment.hide_trackers()
# Read once, when huggingface_hub is first imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="finetune-tui-hub-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
# Tiny models gain nothing from threads, and threads that wait for each other on a busy machine lose much. Subprocesses
# of the tests inherit it. Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
prepare_environment()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Starts the program's commands in processes of their own."""
    with Programs(tmp_path_factory.mktemp("programs") / "base") as started:
        yield started
