"""The app's first frame comes before anything that takes its time to import."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tui_finetune.tui.app import FinetuneApp

LATER = ("torch", "transformers", "datasets", "pydantic", "yaml", "huggingface_hub", "plotext", "numpy")
CODE = """
import sys
import tui_finetune.cli.main, tui_finetune.cli.open_app, tui_finetune.tui.app, tui_finetune.tui.screens.model.screen
print(*sys.modules)
"""


def test_opening_the_app_imports_nothing_that_the_first_frame_can_do_without() -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "textual.app" in loaded
    assert not loaded & set(LATER)


async def test_garbage_is_collected_again_behind_the_first_frame(until: Callable[..., Awaitable[None]]) -> None:
    gc.disable()  # as `open_app` does
    try:
        async with FinetuneApp().run_test() as pilot:
            await until(pilot, gc.isenabled)
    finally:
        gc.enable()
