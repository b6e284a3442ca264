"""What libraries log, warn and draw while a run goes: into its train.log, and not onto the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def library_log(path: Path) -> Iterator[None]:
    """Lead what libraries log and warn about into the run's train.log."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=False)
    path.chmod(0o600)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO) if level else logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


def quiet_libraries() -> None:
    """Turn off progress bars, and hand the logs of transformers and datasets to the root logger."""
    import datasets
    import huggingface_hub.utils as hub
    import transformers.utils.logging as transformers_logging

    datasets.disable_progress_bars()
    hub.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()
