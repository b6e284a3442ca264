"""Opening a chat: the model is located and loaded, and how it is talked to is decided. The same for app and terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_finetune.chat.conversation import Conversation
from tui_finetune.chat.targets import ChatTarget
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Engine


def open_chat(target: ChatTarget, report: Report | None = None) -> tuple[Engine, Conversation]:
    """The loaded model, and a conversation with it that nothing was said in yet.

    Args:
        target: whom to talk to.
        report: progress of the download and of the loading; may raise Cancelled.

    Raises:
        UserError: the model can't be had.
    """
    from tui_finetune.chat.engine import Engine
    from tui_finetune.models.located import locate

    engine = Engine.load(locate(target.model, report=report), report)
    return engine, Conversation(target.style(has_chat_template=engine.has_chat_template))
