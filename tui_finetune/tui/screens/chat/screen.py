"""The Chat screen: a conversation with the model of a run, a folder, the starter, a hub name, or a run that is going."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from tui_finetune.chat.commands import as_prompt, obey, parse
from tui_finetune.chat.conversation import Conversation
from tui_finetune.chat.history import PromptHistory
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.session import ChatSession
from tui_finetune.errors import UserError
from tui_finetune.system.terminal import over_ssh
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.chat.comparison import Comparison
from tui_finetune.tui.screens.chat.describe import (
    HELP,
    hint_words,
    kind_words,
    placeholder_words,
    sampling_words,
)
from tui_finetune.tui.screens.chat.message import Conversed, Exchange, Note
from tui_finetune.tui.screens.chat.prompt_input import PromptInput
from tui_finetune.tui.screens.chat.rows import Rows
from tui_finetune.tui.screens.chat.status import ChatHead, StatusLine
from tui_finetune.tui.screens.chat.talking import Talking
from tui_finetune.tui.state import AppState

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Answerer


class ChatScreen(TabScreen):
    """What is shown of a conversation, and what keys do in it. Loading and answering is done by `talking.Talking`."""

    mode = "chat"
    help_text = HELP
    CSS_PATH = "chat.tcss"
    AUTO_FOCUS = "#prompt"
    BINDINGS = [
        Binding("f2", "toggle_style", "Turns/text", key_display="F2", id="chat.style",
                tooltip="Switch between a conversation and continuing a text"),
        Binding("f3", "sampling", "Sampling", key_display="F3", id="chat.sampling",
                tooltip="How freely the model writes, how much at most, and from which seed"),
        Binding("f4", "choose_model", "Model", key_display="F4", id="chat.model", tooltip="Talk to another model"),
        Binding("f5", "run_command('compare')", "Compare", key_display="F5", id="chat.compare",
                tooltip="The same prompt to the model before and after its training, side by side; again: off"),
        Binding("f6", "inside", "Look inside", show=False, id="chat.inside", priority=True,
                tooltip="How sure the model was of each token of the last reply, and what else it thought of"),
        Binding("ctrl+n", "run_command('new')", "New conversation", show=False, id="chat.new",
                tooltip="Begin a new conversation; the model forgets this one"),
        Binding("ctrl+t", "run_command('retry')", "Retry", show=False, id="chat.retry",
                tooltip="Another reply to the last prompt"),
        Binding("ctrl+y", "copy_reply", "Copy reply", show=False, id="chat.copy", priority=True, tooltip="Copy the last reply"),
        Binding("escape", "read", "Read", show=False, id="chat.read", priority=True,
                tooltip="Stop the reply, else leave the line, to scroll and to go to other screens by their digits"),
    ]  # fmt: skip

    def __init__(self, shared: AppState) -> None:
        super().__init__(shared)
        self.session = ChatSession()
        self.talking = Talking(self, self.session)
        self.rows = Rows(shared.host, self.talking.ask, lambda words, problem: self.note(words, problem=problem))
        self._history = PromptHistory.of_user()
        self._timer: Timer | None = None
        self._training = False
        self._typed = ""
        self._takes_keys = False

    @property
    def conversation(self) -> Conversation:
        """What was said."""
        return self.session.conversation

    @property
    def engine(self) -> Answerer | None:
        """Whoever answers, once it is ready."""
        return self.session.answerer

    def compose_body(self) -> ComposeResult:
        yield ChatHead(id="head")
        with Conversed(self.take_key, id="conversation"):
            yield Static("", id="hint", markup=False)
        yield StatusLine(id="status")
        yield PromptInput(self._history, id="prompt", placeholder="Write, and press enter")

    def on_mount(self) -> None:
        self._timer = self.set_interval(0.25 if over_ssh() else 0.1, self._tick, pause=True)
        self.set_interval(1.0, self._make_room)
        self._takes_keys = True
        self.action_write()

    def on_unmount(self) -> None:
        self.talking.release()

    # The line

    @property
    def line(self) -> PromptInput:
        """Where prompts are written."""
        return self.query_one("#prompt", PromptInput)

    def action_write(self) -> None:
        self.set_focus(self.line)
        if self._typed and self._takes_keys:
            self.line.type(self._typed)
            self._typed = ""

    def take_key(self, event: events.Event) -> bool:
        """Write what is typed while the line has no focus there; only a digit goes to another screen, and ? to the help.

        At once, before the next key is looked at: each must find the focus where the one before has put it.
        """
        if not isinstance(event, events.Key) or not event.is_printable or (self.line_has_focus and self._takes_keys):
            return False
        command = event.character is not None and (event.character.isdigit() or event.character == "?")
        if event.character is None or (command and not self._typed and self._takes_keys):
            return False
        self._typed += event.character
        if self._takes_keys:
            self.action_write()
        return True

    def _forward_event(self, event: events.Event) -> None:
        if not self.take_key(event):
            super()._forward_event(event)

    def on_paste(self, event: events.Paste) -> None:
        if not self.line_has_focus and self.query("#prompt"):
            event.stop()
            self._typed += event.text
            self.action_write()

    @property
    def line_has_focus(self) -> bool:
        """Whether what is typed goes to the line."""
        return isinstance(self.focused, PromptInput)

    def on_descendant_focus(self) -> None:
        self._focus_moved()

    def on_descendant_blur(self) -> None:
        self._focus_moved()

    def _focus_moved(self) -> None:
        if self.query("#prompt"):
            self._show_line()
            self._show_status()

    def _show_line(self) -> None:
        if self.query("#prompt"):
            loaded, focused = self.engine is not None, self.line_has_focus
            self.line.say_how(placeholder_words(loaded, self.conversation, focused=focused))

    # Whom to talk to

    def choices_changed(self) -> None:
        if self.query("#prompt") and self.app.screen is self:
            self.action_write()
        asked, compare = self.shared.chat_target.take(), self.shared.chat_compare.take()
        if asked is not None:
            self.talking.talk_to(asked)
        else:
            self.talking.follow_choice(self.shared)
        if compare is not None:
            self.talking.compare(None, on=True)
        self.show()

    def run_changed(self) -> None:
        super().run_changed()
        self.talking.follow_choice(self.shared)
        self.show()

    def _make_room(self) -> None:
        """A run that starts here needs the memory; the next prompt loads the model again."""
        training, before = self.shared.monitor.is_training, self._training
        self._training = training
        if training and not before and not self.talking.is_busy:
            self.talking.release()
            self.show()

    # Talking

    @on(PromptInput.Sent)
    def _sent(self, event: PromptInput.Sent) -> None:
        words = event.prompt.value
        try:
            command = parse(words)
        except UserError as error:
            self.note(f"✗ {error.message} — {error.remedy}", problem=True)
            return
        if command is not None:
            event.prompt.value = ""
            self._history.add(words)
            self.action_run_command(*command)
            return
        words = as_prompt(words)
        if self.talking.is_answering:
            self.notify("The model is writing. esc stops it.", timeout=3, markup=False)
            return
        if self.talking.waiting is not None or not self.conversation.can_send(words):
            return
        event.prompt.value = ""
        self._history.add(words)
        self.talking.say(words)
        self.show()

    def give_back(self, words: str) -> None:
        """Put what was written back into the line; what is being written stays before it."""
        self.line.value = f"{words}\n{self.line.value}" if self.line.value else words

    def action_run_command(self, name: str, rest: str = "") -> None:
        """Do what a command says."""
        if self.talking.is_answering and name not in {"help", "copy", "quit"}:
            self.stop_reply()
            if name != "new":
                self.notify("The reply is being stopped; say that again then.", timeout=4, markup=False)
                return
        try:
            self._run(name, rest)
        except UserError as error:
            self.note(f"✗ {error.message} — {error.remedy}", problem=True)
        self.show()

    def _run(self, name: str, rest: str) -> None:
        if name == "quit":
            self.app.run_worker(self.app.run_action("quit"))
        elif name == "copy":
            self.action_copy_reply()
        elif name == "model":
            self.talking.talk_to(rest) if rest else self.action_choose_model()
        elif name == "row":
            self.rows.command(rest, self.talking.targets)
        elif name == "compare":
            self.talking.compare(rest.split() or None)
        elif name == "continue":
            if self.conversation.can_continue:
                self.talking.say("")
        elif name in {"retry", "edit"}:
            self._again(send=name == "retry")
        else:
            if name in {"new", "undo"}:
                self.talking.drop()
            words = obey(self.session, name, rest)
            if name == "new":
                self.query("Exchange, Note, Comparison").remove()
                self.call_after_refresh(self.show)
            elif name == "undo" and self.query(Exchange):
                self.query(Exchange).last().remove()
            if words and name != "new":
                self.note(words)

    def _again(self, *, send: bool) -> None:
        """The last prompt once more: sent, or in the line to be changed first."""
        words = self.conversation.undo()
        if words is None:
            self.notify("Nothing was said yet.", timeout=3, markup=False)
            return
        if self.query(Exchange):
            self.query(Exchange).last().remove()
        if send:
            self.talking.say(words)
        else:
            self.line.value = words
            self.action_write()

    def stop_reply(self) -> bool:
        if stopping := self.talking.stop():
            self.show()
        return stopping

    def wake(self) -> None:
        """Something is being done: look at it until it is over."""
        if self._timer is not None:
            self._timer.resume()

    def _tick(self) -> None:
        self.query_one(StatusLine).turn()
        self.talking.drain()
        self._show_status()
        if not self.talking.is_busy and self._timer is not None:
            self._timer.pause()

    # Showing it

    def add(self, widget: Exchange | Comparison | Note) -> None:
        """Show something at the end of the conversation."""
        conversed = self.query_one(Conversed)
        conversed.mount(widget)
        conversed.follow(always=not isinstance(widget, Note))

    def note(self, words: str, *, problem: bool = False) -> None:
        """A quiet line in the conversation."""
        self.add(Note(words, problem=problem))

    def follow(self) -> None:
        """Keep the end of the conversation in view."""
        self.query_one(Conversed).follow()

    @property
    def has_said(self) -> bool:
        """Whether there is something of the conversation to see."""
        return bool(self.query("Exchange, Comparison"))

    def show(self) -> None:
        """Show what is the case."""
        if not self.is_mounted or not self.query("#prompt"):
            return
        talking, loaded, style = self.talking, self.engine is not None, self.conversation.style
        names = " | ".join(target.label for target in talking.compared) or talking.label
        kind = "side by side" if talking.compared else kind_words(self.session.target, style, loaded=loaded)
        self.query_one(ChatHead).show(names, kind, sampling_words(self.session.sampling))
        hint = self.query_one("#hint", Static)
        hint.display = not self.has_said
        busy = talking.problem is not None or talking.is_loading
        hint.update("" if busy else Content(hint_words(loaded, style, training=self.shared.monitor.is_training)))
        self._show_status()
        self._show_line()

    def _show_status(self) -> None:
        line, talking = self.query_one(StatusLine), self.talking
        if talking.problem is not None:
            line.show_problem(talking.problem)
        elif talking.is_loading:
            then = "  ·  your prompt comes next" if talking.waiting is not None else ""
            line.show(f"Loading the model…{talking.progress}{then}", turning=True)
        elif talking.is_stopping:
            line.show("Stopping…")
        elif talking.is_answering:
            line.show("Writing  ·  esc or ctrl+c stops", turning=True)
        elif not self.line_has_focus and self.line.value:
            line.show("What you wrote is kept: just write on, or press enter")
        else:
            line.show("")

    # Keys

    def action_toggle_style(self) -> None:
        if self.engine is None or self.talking.is_busy:
            return
        if not self.engine.has_chat_template:
            self.notify(
                "This model has no chat template: nobody taught it turns, so it continues your text instead. Write the "
                "beginning of what you want to read.",
                title="It continues text",
                timeout=10,
                markup=False,
            )
            return
        self.conversation.style = "turns" if (turns := self.conversation.style == "text") else "text"
        self.note("Turns: it answers you." if turns else "Text: it continues what you write, without turns.")
        self.show()

    def action_sampling(self) -> None:
        from tui_finetune.tui.screens.chat.sampling import SamplingDialog

        def changed(sampling: Sampling | None) -> None:
            if sampling is not None:
                self.session.sampling = sampling
                self.show()

        self.app.push_screen(SamplingDialog(self.session.sampling), changed)

    def action_choose_model(self) -> None:
        from tui_finetune.tui.screens.chat.pick_model import PickModel

        self.app.push_screen(PickModel(self.talking.name), lambda name: self.talking.talk_to(name) if name else None)

    def action_inside(self) -> None:
        from tui_finetune.tui.screens.chat.inside import Inside

        if not (found := self.talking.inside()):
            self.notify("There is no reply whose tokens are known yet.", timeout=3, markup=False)
            return
        self.app.push_screen(Inside(found))

    def action_copy_reply(self) -> None:
        from tui_finetune.tui.screens.chat.clipboard import copy

        if not (text := self.talking.last_text):
            self.notify("There is no reply yet.", timeout=3, markup=False)
            return
        self.notify(f"Copied the last reply; it is in {copy(self.app, text)} too.", timeout=3, markup=False)

    def action_read(self) -> None:
        if not self.stop_reply():
            self.query_one(Conversed).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"read", "inside", "copy_reply"} and self.app.screen is not self:
            return False
        return super().check_action(action, parameters)
