"""The pictures in screenshots/: the real program on a pty, in a real run of the default plan.

python -m tests.screenshots [NAME...], with names only these are retaken.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.environment import without_foreign
from tests.pty.pictures import draw
from tests.pty.terminal import Terminal

SCREENSHOTS = Path(__file__).parent.parent / "screenshots"
COLUMNS, ROWS = 100, 30
PROMPT = "They still sing of"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            **without_foreign(os.environ),
            "FINETUNE_TUI_THEME": "dark",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "FINETUNE_TUI_STATE": f"{folder}/.state",
            "FINETUNE_TUI_CACHE": f"{folder}/.cache",
            "HF_HOME": f"{folder}/.hub",
            "PYTHONPATH": os.getcwd(),
        }
        (folder / "project").mkdir()
        terminal = Terminal(
            [sys.executable, "-m", "tui_finetune"],
            environment=environment,
            folder=folder / "project",
            columns=COLUMNS,
            rows=ROWS,
        )
        with terminal:
            take_all(terminal)
            assert terminal.status() == 0


def take_all(terminal: Terminal) -> None:
    """Go through a first session and take a picture of every screen."""

    wanted = sys.argv[1:]

    def take(name: str, *, after: float = 1.0) -> None:
        if wanted and name not in wanted:
            return
        time.sleep(after)
        draw(terminal.screen, SCREENSHOTS / f"{name}.png")
        print(f"screenshots/{name}.png")

    terminal.wait("steps")
    take("model", after=3)
    terminal.press("2")
    terminal.wait("An epoch")
    terminal.press("t")
    terminal.wait("underlined")
    take("dataset")
    terminal.press("3")
    terminal.wait("Start from")
    terminal.press("/")
    time.sleep(0.5)
    terminal.write("learning_rate")
    time.sleep(0.5)
    terminal.press("enter")
    terminal.wait("most important number")
    take("settings")
    terminal.press("ctrl+r")
    terminal.wait(r"epoch +1\.[3-9]")
    terminal.press("g")
    terminal.wait("(?i)once|tale|sing|sea|tide|harbour|lantern")
    terminal.wait(r"epoch +(1\.[7-9]|2)")
    take("training")
    terminal.wait(r"epoch +2\.[3-9]")
    terminal.press("ctrl+c")
    terminal.wait("Stopped")
    take("stopped", after=6)
    terminal.press("b")
    terminal.wait(r"with +starter \(before\)")
    terminal.wait("goes on with the text|The beginning|Write, and press")
    terminal.write("/set max_new_tokens 70")
    terminal.press("enter")
    terminal.wait("at most 70 tokens")
    terminal.press("ctrl+n")
    time.sleep(1)
    terminal.write(PROMPT)
    terminal.press("enter")
    terminal.wait("tokens/s(?s:.*)tokens/s")
    take("chat")
    terminal.press("escape")
    terminal.wait("Just write")  # with a key right behind it, it would be taken for alt and that key
    terminal.press("6")
    terminal.wait("starter-sea-tales-1")
    take("runs")
    terminal.press("ctrl+q")


if __name__ == "__main__":
    main()
