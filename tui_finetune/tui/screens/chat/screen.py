"""The Chat screen: a conversation with the model of a run, a folder, the starter or a hub name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static

from tui_finetune.chat.conversation import Conversation, PromptHistory, Style, TextBuffer
from tui_finetune.chat.sampling import Sampling
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.system.terminal import over_ssh
from tui_finetune.system.threads import in_a_passing_thread
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.chat.describe import (
    HELP,
    done_words,
    hint_words,
    placeholder_words,
    progress_words,
    sampling_words,
)
from tui_finetune.tui.screens.chat.message import Conversed, Exchange, Note
from tui_finetune.tui.screens.chat.prompt_input import PromptInput
from tui_finetune.tui.screens.chat.status import ChatHead, StatusLine
from tui_finetune.tui.state import AppState

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Engine
    from tui_finetune.chat.reply import Reply


class ChatScreen(TabScreen):
    """One model at a time is loaded; it is released when another one takes its place, or a run here needs the memory.

    Loading and writing happen in worker threads. What they write goes through a buffer that a timer empties; a thread
    that belongs to a model let go meanwhile is known by its number, and what it still says is dropped.
    """

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
        Binding("ctrl+n", "new", "New conversation", show=False, id="chat.new",
                tooltip="Begin a new conversation; the model forgets this one"),
        Binding("ctrl+y", "copy_reply", "Copy reply", show=False, id="chat.copy", tooltip="Copy the last reply"),
        Binding("escape", "read", "Read", show=False, id="chat.read",
                tooltip="Leave the line, to scroll and to go to other screens by their digits; enter comes back"),
    ]  # fmt: skip

    def __init__(self, shared: AppState) -> None:
        super().__init__(shared)
        self.conversation = Conversation()
        self.sampling = Sampling()
        self.target: str | None = None
        self.label = ""
        self.engine: Engine | None = None
        self.is_loading = False
        self.problem: UserError | None = None
        self._automatic = True
        self._training = False
        self._number = 0
        self._progress = ""
        self._waiting: str | None = None
        self._exchange: Exchange | None = None
        self._stop = threading.Event()
        self._buffer = TextBuffer()
        self._history = PromptHistory()
        self._timer: Timer | None = None

    def compose_body(self) -> ComposeResult:
        yield ChatHead(id="head")
        with Conversed(id="conversation"):
            yield Static("", id="hint", markup=False)
        yield StatusLine(id="status")
        yield PromptInput(self._history, id="prompt", placeholder="Write, and press enter")

    def on_mount(self) -> None:
        self._timer = self.set_interval(0.25 if over_ssh() else 0.1, self._tick, pause=True)
        self.set_interval(1.0, self._make_room)

    def on_unmount(self) -> None:
        self._number += 1
        self._stop.set()

    # Whom to talk to

    def choices_changed(self) -> None:
        asked = self.shared.chat_target.take()
        if asked is not None:
            self.talk_to(asked)
        elif (
            self._automatic
            and (name := self._default_target()) != self.target
            # A conversation goes on with another model only where that has just been trained: it is what one waits for.
            and (name == self._finished_run() or not self.query(Exchange))
        ):
            self.talk_to(name, automatic=True)
        else:
            self._show()

    def run_changed(self) -> None:
        super().run_changed()
        self._show()

    def _make_room(self) -> None:
        """A run that starts here needs the memory; the next prompt loads the model again."""
        training, before = self.shared.monitor.is_training, self._training
        self._training = training
        if training and not before and self._exchange is None and self._waiting is None:
            self._release()
            self._show()

    def _default_target(self) -> str:
        """The run of this session if it is over, else the model that is chosen."""
        return self._finished_run() or self.shared.draft.model

    def _finished_run(self) -> str | None:
        """The run that is watched, if it is over and has a model."""
        watch = self.shared.monitor.watched
        if watch is None or not watch.state.is_over or not (watch.run.final_dir / "config.json").is_file():
            return None
        return str(watch.run.path)

    def talk_to(self, name: str, *, automatic: bool = False) -> None:
        """Begin a conversation with another model.

        Args:
            name: a run's name or directory, a model's folder, 'starter' or a hub name.
            automatic: nobody asked for it; then it is loaded with the first prompt if loading it may cost something.
        """
        from tui_finetune.chat.targets import resolve_chat_target

        self._release()
        self._automatic = automatic
        self.target, self.label, self.problem = name, name, None
        self.conversation.forget()
        try:
            target = resolve_chat_target(name)
            self.label = target.label
        except UserError as error:
            self.problem = error
        else:
            if self.query(Exchange):
                self._note(f"Now with {self.label}, which knows nothing of the above.")
            if not automatic or (target.is_folder and not self.shared.monitor.is_training):
                self._load()
        self._show()

    def _release(self) -> None:
        """Let the model go, and whatever is being done with it or for it."""
        self._number += 1
        self._stop.set()
        if self._exchange is not None:
            self._exchange.finish("stopped")
            self._exchange = None
        self.engine, self.is_loading, self._waiting, self._progress = None, False, None, ""

    def _load(self) -> None:
        from tui_finetune.chat.session import open_chat
        from tui_finetune.chat.targets import resolve_chat_target

        name, number = self.target or "starter", self._number
        self.is_loading, self.problem, self._progress = True, None, ""

        def report(done: int, total: int | None, unit: str) -> None:
            if self._number != number:
                raise Cancelled
            self._progress = progress_words(done, total, unit)

        def work() -> None:
            try:
                engine, conversation = open_chat(resolve_chat_target(name), report)
            except Cancelled:
                return
            except UserError as error:
                self._back(number, partial(self._failed, error))
            except Exception:
                failed = UserError("the model could not be loaded", "F4 chooses another")
                self._back(number, lambda: self._failed(failed))
                raise
            else:
                self._back(number, lambda: self._loaded(engine, conversation.style))

        self._work(work, f"loading {name}")

    def _work(self, work: Callable[[], None], description: str) -> None:
        # Run by the app, whose handler shows what fails. Threads of models that were let go end by themselves.
        self.shared.host.work(work, group="chat", description=description)
        if self._timer is not None:
            self._timer.resume()

    def _back(self, number: int, then: Callable[[], None]) -> None:
        """From a worker thread: go on in the app's, if the model is still the one that is talked to."""
        if self._number == number:
            self.app.call_from_thread(lambda: then() if self._number == number else None)

    def _loaded(self, engine: Engine, style: Style) -> None:
        self.engine, self.is_loading = engine, False
        self.conversation.style = style
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._send(waiting)
        self._show()

    def _failed(self, error: UserError) -> None:
        self.is_loading, self.problem = False, error
        if self._waiting is not None:  # give back what was written
            self.query_one("#prompt", Input).value = self._waiting
            self._waiting = None
        self._show()

    # Talking

    @on(Input.Submitted, "#prompt")
    def _submitted(self, event: Input.Submitted) -> None:
        words = event.value
        if self._exchange is not None:
            self.notify("The model is writing. ctrl+c stops it.", timeout=3, markup=False)
            return
        if self._waiting is not None or not self.conversation.can_send(words):
            return
        event.input.clear()
        self._history.add(words)
        if self.engine is not None:
            self._send(words)
        else:
            self._waiting = words
            if not self.is_loading:
                self._load()
        self._show()

    def _send(self, words: str) -> None:
        engine, number, sampling = self.engine, self._number, self.sampling
        if engine is None:
            return
        prompt, style = self.conversation.prompt_for(words), self.conversation.style
        self._exchange = exchange = Exchange(prompt if isinstance(prompt, str) else words, style)
        self.query_one(Conversed).mount(exchange)
        self.query_one(Conversed).follow(always=True)
        self._stop = stop = threading.Event()
        self._buffer = buffer = TextBuffer()

        def work() -> None:
            try:
                reply = in_a_passing_thread(lambda: engine.reply(prompt, sampling, buffer.add, stop.is_set))
            except UserError as error:
                self._back(number, partial(self._broke_off, f"✗ {error.message} — {error.remedy}"))
            except Exception:
                self._back(number, lambda: self._broke_off("✗ the model failed"))
                raise
            else:
                self._back(number, lambda: self._replied(words, reply))

        self._work(work, "writing a reply")

    def _replied(self, words: str, reply: Reply) -> None:
        self._drain()
        if self._exchange is not None:
            self.conversation.keep(words, self._exchange.reply)
            self._exchange.finish(done_words(reply))
            self.query_one(Conversed).follow()
            self._exchange = None
        if reply.notice:
            self._note(reply.notice)
        self._show()

    def _broke_off(self, words: str) -> None:
        self._drain()
        if self._exchange is not None:
            self._exchange.finish(words, problem=True)
            self._exchange = None
        self._show()

    def stop_reply(self) -> bool:
        if self._exchange is None or self._stop.is_set():
            return False
        self._stop.set()
        self._show()
        return True

    def _drain(self) -> None:
        text = self._buffer.take()
        if text and self._exchange is not None:
            self._exchange.add(text)
            self.query_one(Conversed).follow()

    def _tick(self) -> None:
        self.query_one(StatusLine).turn()
        self._drain()
        self._show_status()
        if not self.is_loading and self._exchange is None and self._timer is not None:
            self._timer.pause()

    # Showing it

    def _note(self, words: str) -> None:
        self.query_one(Conversed).mount(Note(words))
        self.query_one(Conversed).follow()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        style = self.conversation.style
        kind = ("chat turns" if style == "turns" else "continues text") if self.engine else "not loaded yet"
        self.query_one(ChatHead).show(self.label, kind, sampling_words(self.sampling))
        hint = self.query_one("#hint", Static)
        hint.display = not self.query(Exchange)
        busy, loaded = self.problem is not None or self.is_loading, self.engine is not None
        hint.update("" if busy else Content(hint_words(loaded, style, training=self.shared.monitor.is_training)))
        self.query_one("#prompt", Input).placeholder = placeholder_words(loaded, self.conversation)
        self._show_status()

    def _show_status(self) -> None:
        line = self.query_one(StatusLine)
        if self.problem is not None:
            line.show_problem(self.problem)
        elif self.is_loading:
            then = "  ·  your prompt comes next" if self._waiting is not None else ""
            line.show(f"Loading the model…{self._progress}{then}", turning=True)
        elif self._exchange is not None and self._stop.is_set():
            line.show("Stopping…")
        elif self._exchange is not None:
            line.show("Writing  ·  ctrl+c stops", turning=True)
        else:
            line.show("")

    # Keys

    def action_toggle_style(self) -> None:
        if self.engine is None or self._exchange is not None:
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
        self._note("Turns: it answers you." if turns else "Text: it continues what you write, without turns.")
        self._show()

    def action_sampling(self) -> None:
        from tui_finetune.tui.screens.chat.sampling import SamplingDialog

        def changed(sampling: Sampling | None) -> None:
            if sampling is not None:
                self.sampling = sampling
                self._show()

        self.app.push_screen(SamplingDialog(self.sampling), changed)

    def action_choose_model(self) -> None:
        from tui_finetune.tui.screens.chat.pick_model import PickModel

        self.app.push_screen(PickModel(self.target), lambda name: self.talk_to(name) if name else None)

    def action_new(self) -> None:
        self.stop_reply()
        if self._exchange is not None:
            self._number += 1  # what is still being written belongs to nothing any more
            self._exchange = None
        self.conversation.forget()
        self.query("Exchange, Note").remove()
        self.call_after_refresh(self._show)

    def action_copy_reply(self) -> None:
        last = next((e for e in reversed(self.query(Exchange)) if e.reply), None)
        if last is None:
            self.notify("There is no reply yet.", timeout=3, markup=False)
            return
        self.app.copy_to_clipboard(last.reply)
        self.notify("Copied the last reply.", timeout=2, markup=False)

    def action_read(self) -> None:
        self.query_one(Conversed).focus()

    def action_write(self) -> None:
        self.set_focus(self.query_one("#prompt", Input))
