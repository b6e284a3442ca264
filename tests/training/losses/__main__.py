"""Rewrite the golden loss curves: `python -m tests.training.losses [NAME]...`"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.training.losses import CASES, FOLDER, curves_of, to_text


def main(names: list[str]) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in names or list(CASES):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            os.environ["FINETUNE_TUI_STATE"] = str(Path(folder) / "state")
            os.environ["FINETUNE_TUI_CACHE"] = str(Path(folder) / "cache")
            text = to_text(curves_of(name, Path(folder)))
        path = FOLDER / f"{name}.txt"
        word = "unchanged" if path.is_file() and path.read_text() == text else "written"
        path.write_text(text)
        print(f"{name}: {word}")


if __name__ == "__main__":
    main(sys.argv[1:])
