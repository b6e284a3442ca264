"""Asking how much longer a finished run shall be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tui_finetune.runs.directory import RunDirectory
from tui_finetune.tui.dialogs.ask import Ask


def extend_dialog(run: RunDirectory) -> tuple[Ask, Callable[[str], Mapping[str, object]]]:
    """The question how many epochs a finished run shall have in all, or steps where these were what limited it.

    Returns:
        The dialog, and what makes the changes to its settings of an answer.

    Raises:
        UserError: its configuration can't be read.
    """
    config = run.read_config()
    key, unit = ("max_steps", "steps") if config.max_steps > 0 else ("num_train_epochs", "epochs")
    now: float = getattr(config, key)

    def wrong(answer: str) -> str:
        try:
            return "" if float(answer) > now else f"It has {now:g} already."
        except ValueError:
            return "That is not a number."

    dialog = Ask(
        f"{run.name} is finished. How many {unit} shall it have in all?",
        f"It has {now:g}. It goes on from its newest checkpoint, and the learning rate follows the longer plan.",
        f"{2 * now:g}",
        wrong,
    )
    return dialog, lambda answer: {key: answer}
