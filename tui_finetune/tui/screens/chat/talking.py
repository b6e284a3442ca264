"""What the Chat screen does in threads: models are loaded and answer, and what they write comes back to the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tui_finetune.chat.conversation import TextBuffer
from tui_finetune.chat.reply import Token
from tui_finetune.chat.session import MOST, ChatSession, compared_with, expected_by
from tui_finetune.chat.targets import ChatTarget, resolve_chat_target
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.models.adapters import holds_model
from tui_finetune.system.threads import in_a_passing_thread
from tui_finetune.tui.screens.chat.comparison import Comparison
from tui_finetune.tui.screens.chat.describe import progress_words, row_words
from tui_finetune.tui.screens.chat.message import Exchange

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Answerer
    from tui_finetune.chat.prompt_set import Asked
    from tui_finetune.chat.reply import Reply
    from tui_finetune.tui.screens.chat.message import Note
    from tui_finetune.tui.state import AppState


class View(Protocol):
    """The screen, as far as talking needs it."""

    shared: AppState

    @property
    def has_said(self) -> bool:
        """Whether there is something of the conversation to see."""

    def show(self) -> None:
        """Show what is the case."""

    def wake(self) -> None:
        """Look at what is being done until it is over."""

    def add(self, widget: Exchange | Comparison | Note) -> None:
        """Show something at the end of the conversation."""

    def note(self, words: str, *, problem: bool = False) -> None:
        """A quiet line in the conversation."""

    def follow(self) -> None:
        """Keep the end of the conversation in view."""

    def give_back(self, words: str) -> None:
        """Put what was written back into the line."""


class Talking:
    """Loading and answering.

    A thread that belongs to a model let go meanwhile is known by its number, and what it still says is dropped.

    Args:
        screen: shows it.
        session: the conversation.

    Attributes:
        name, label: whom one talks to, as it was asked for and as it is called.
        compared: the models that are given each prompt side by side; empty where one is talked to.
        is_loading, progress: whether a model is being loaded, and how far it is.
        problem: why it can't be talked to.
        waiting: a prompt that waits for the model to be loaded.
    """

    def __init__(self, screen: View, session: ChatSession) -> None:
        self.name: str | None = None
        self.label = ""
        self.compared: list[ChatTarget] = []
        self.is_loading = False
        self.progress = ""
        self.problem: UserError | None = None
        self.waiting: str | None = None
        self._screen, self._session = screen, session
        self._automatic = True
        self._followed: tuple[str, bool] | None = None
        self._number = 0
        self._shown: Exchange | Comparison | None = None
        self._stop = threading.Event()
        self._buffers: list[TextBuffer] = []
        self._last: list[tuple[str, Reply]] = []
        self._of_row = ("", "")
        self._expected: list[tuple[str, Sequence[Token]]] = []

    @property
    def is_answering(self) -> bool:
        """Whether a reply is being written."""
        return self._shown is not None

    @property
    def is_stopping(self) -> bool:
        """Whether its end was asked for."""
        return self._shown is not None and self._stop.is_set()

    @property
    def is_busy(self) -> bool:
        """Whether something is being done, or waits."""
        return self.is_loading or self.is_answering or self.waiting is not None

    @property
    def last_text(self) -> str:
        """The last reply."""
        return (
            "\n\n".join(f"{name}:\n{reply.text}" for name, reply in self._last)
            if len(self._last) > 1
            else (self._last[0][1].text if self._last else "")
        )

    def inside(self) -> list[tuple[str, Sequence[Token]]]:
        """The tokens of the last replies, each with the name of its model; empty where they aren't known."""
        found = [*((name, reply.inside()) for name, reply in self._last), *self._expected]
        return [(name, tokens) for name, tokens in found if tokens]

    # Whom to talk to

    def follow_choice(self, shared: AppState) -> None:
        """Talk to what one waits for, unless somebody was chosen: the run that is going, what became of it, else the
        model that is chosen."""
        followed = _going(shared) or _finished(shared)
        wanted = followed or (shared.draft.model, False)
        live = self._session.target is not None and self._session.target.is_live
        over = live and self._followed is not None and followed is not None and not followed[1]
        if not (self._automatic or over) or self.is_answering or wanted == self._followed:
            return
        # A conversation goes on with another model only where that is being trained, or just was.
        if followed is not None or not self._screen.has_said:
            self._followed = wanted
            if wanted[0] != self.name or followed is not None:
                self.talk_to(wanted[0], automatic=True)

    def talk_to(self, name: str, *, automatic: bool = False) -> None:
        """Go on with another model; what was said stays.

        Args:
            name: a run's name or directory, a model's folder, 'starter' or a hub name.
            automatic: nobody asked for it; then it is loaded with the first prompt if loading it may cost something.
        """
        waiting = self.waiting
        self.release()
        self.waiting = None
        self._automatic = automatic
        self.name, self.label, self.problem = name, name, None
        self.compared, self._session.target = [], None
        if waiting is not None:
            self._screen.give_back(waiting)
        try:
            target = resolve_chat_target(name)
        except UserError as error:
            self.problem = error
        else:
            self.label, self._session.target = target.label, target
            if self._screen.has_said:
                self._screen.note(f"Now with {self.label}.")
            if not automatic or (target.is_folder and (target.is_live or not self._screen.shared.monitor.is_training)):
                self._load()
        self._screen.show()

    def compare(self, names: Sequence[str] | None, *, on: bool = False) -> None:
        """Give each prompt to several models from now on; where that is so already, to one again.

        Args:
            names: two to four; None for the model that is talked to and what it was made from.
            on: never turn it off.

        Raises:
            UserError: it isn't known what it was made from, or there are too many.
        """
        if names is None and self.compared and not on:
            self.compared = []
            self._screen.note(f"Only {self.label} answers now.")
            return
        if names is not None and not 2 <= len(names) <= MOST:
            raise UserError(f"two to {MOST} models can be compared", "as in `/compare starter RUN`")
        if names is None:
            target = self._session.target or resolve_chat_target(self.name)
            self.compared = [compared_with(target), target]
        else:
            self.compared = [resolve_chat_target(name) for name in names]
        self._load()

    def release(self) -> None:
        """Let the models go, and whatever is being done with them or for them."""
        self.drop()
        self._session.release()
        self.is_loading, self.progress = False, ""

    def drop(self) -> None:
        """What is still being written belongs to nothing any more."""
        self._number += 1
        self._stop.set()
        if self._shown is not None:
            shown, self._shown = self._shown, None
            if isinstance(shown, Exchange):
                shown.finish("stopped")
            else:
                shown.finish(["stopped"] * len(shown.labels))

    @property
    def targets(self) -> list[ChatTarget]:
        """Whom prompts go to; raises UserError where there is nobody of that name."""
        return self.compared or [self._session.target or resolve_chat_target(self.name)]

    def _load(self) -> None:
        """Load whoever is to answer."""
        number = self._number
        try:
            targets = self.targets
        except UserError as error:
            self.problem = error
            return
        self.is_loading, self.problem, self.progress = True, None, ""

        def report(done: int, total: int | None, unit: str) -> None:
            if self._number != number:
                raise Cancelled
            self.progress = progress_words(done, total, unit)

        def work() -> None:
            try:
                ready = self._session.open_all(targets, report)
            except Cancelled:
                return
            except UserError as error:
                self._back(number, partial(self._failed, error))
            except Exception:
                failed = UserError("the model could not be loaded", "F4 chooses another")
                self._back(number, lambda: self._failed(failed))
                raise
            else:
                self._back(number, lambda: self._loaded(targets[-1], ready[-1]))

        self._work(work, f"loading {targets[-1].label}")

    def _work(self, work: Callable[[], None], description: str) -> None:
        # Run by the app, whose handler shows what fails. Threads of models that were let go end by themselves.
        self._screen.shared.host.work(work, group="chat", description=description)
        self._screen.wake()

    def _back(self, number: int, then: Callable[[], None]) -> None:
        """From a worker thread: go on in the app's, if the model is still the one that is talked to."""
        if self._number == number:
            self._screen.shared.host.back(lambda: then() if self._number == number else None)

    def _loaded(self, target: ChatTarget, answerer: Answerer) -> None:
        self.is_loading = False
        if self.compared and self._session.target is not None:
            style = target.style(has_chat_template=answerer.has_chat_template)
            self._session.answerer, self._session.conversation.style = answerer, style
        else:
            self._session.use(target, answerer)
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._send(waiting)
        self._screen.show()

    def _failed(self, error: UserError) -> None:
        self.is_loading, self.problem, self.compared = False, error, []
        if self.waiting is not None:
            self._screen.give_back(self.waiting)
            self.waiting = None
        self._screen.show()

    # Answering

    def say(self, words: str) -> None:
        """Send a prompt, as soon as the model is there; without words the model goes on."""
        if self._session.answerer is not None and not self.is_loading:
            self._send(words)
        else:
            self.waiting = words
            if not self.is_loading:
                self._load()

    def ask(self, asked: Asked) -> None:
        """Ask what a row of the data asks, in a conversation of its own, and show which answer is expected."""
        self._session.conversation.begin_with(asked.messages)
        self._of_row = (asked.words, asked.expected)
        self.say(asked.words)
        self._screen.show()

    def _send(self, words: str) -> None:
        session, number, sampling = self._session, self._number, self._session.sampling
        conversation, targets = session.conversation, self.targets
        prompt, style = conversation.prompt_for(words), conversation.style
        expected = self._of_row[1] if words and words == self._of_row[0] else ""
        self._of_row = ("", "")
        said = prompt if isinstance(prompt, str) else words
        self._shown = shown = (
            Comparison(said, [target.label for target in targets], text=style == "text")
            if self.compared
            else Exchange(said or "(go on)", style)
        )
        self._screen.add(shown)
        self._stop = stop = threading.Event()
        self._buffers = buffers = [TextBuffer() for _ in targets]

        def answer() -> tuple[list[Reply], list[tuple[Token, ...]]]:
            ready = session.open_all(targets)
            replies = session.answer(ready, prompt, [buffer.add for buffer in buffers], stop.is_set, sampling)
            return replies, expected_by(ready, prompt, expected) if expected else [()] * len(ready)

        def work() -> None:
            try:
                replies, known = in_a_passing_thread(answer)
            except UserError as error:
                self._back(number, partial(self._broke_off, words, f"✗ {error.message} — {error.remedy}"))
            except Exception:
                self._back(number, lambda: self._broke_off(words, "✗ the model failed"))
                raise
            else:
                self._back(number, lambda: self._replied(words, replies, expected, known))

        self._work(work, "writing a reply")

    def _replied(self, words: str, replies: list[Reply], expected: str, known: list[tuple[Token, ...]]) -> None:
        self.drain()
        shown, self._shown = self._shown, None
        labels = [target.label for target in self.targets]
        self._last = list(zip(labels, replies, strict=True))
        self._expected = [
            (f"{label}, the answer expected", tokens) for label, tokens in zip(labels, known, strict=True)
        ]
        captions = [row_words(reply, tokens) for reply, tokens in zip(replies, known, strict=True)]
        if isinstance(shown, Exchange):
            self._session.conversation.keep(words, shown.reply)
            shown.finish(captions[0], expected=expected)
        elif shown is not None:
            self._session.conversation.keep(words, shown.columns[-1].reply if shown.columns else replies[-1].text)
            shown.finish(captions, expected)
        self._screen.follow()
        if notice := next((reply.notice for reply in replies if reply.notice), ""):
            self._screen.note(notice)
        self._screen.show()

    def _broke_off(self, words: str, why: str) -> None:
        self.drain()
        shown, self._shown = self._shown, None
        if isinstance(shown, Exchange):
            shown.finish(why, problem=True)
        elif shown is not None:
            shown.finish([why] * len(shown.labels))
        if words:
            self._screen.give_back(words)
        self._screen.show()

    def stop(self) -> bool:
        """Ask for the end of the reply; False where none is being written."""
        if self._shown is None or self._stop.is_set():
            return False
        self._stop.set()
        return True

    def drain(self) -> None:
        """Show what was written since the last call."""
        if self._shown is None:
            return
        texts = [buffer.take() for buffer in self._buffers]
        if any(texts):
            if isinstance(self._shown, Exchange):
                self._shown.add(texts[0])
            else:
                self._shown.add(texts)
            self._screen.follow()


def _going(shared: AppState) -> tuple[str, bool] | None:
    """The run that is watched, where it is going and takes what is said to it."""
    watch = shared.monitor.watched
    if watch is None or not shared.monitor.is_going or watch.state.taught is None or watch.state.is_over:
        return None
    return str(watch.run.path), True


def _finished(shared: AppState) -> tuple[str, bool] | None:
    """The run that is watched, if it is over and has a model."""
    watch = shared.monitor.watched
    if watch is None or not watch.state.is_over or not holds_model(watch.run.final_dir):
        return None
    return str(watch.run.path), False
