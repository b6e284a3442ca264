"""The Chat screen: whom it talks to, how replies are shown, stopped and remembered, and what is said when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Markdown, Static

from tests.app.fake_run import FakeRun
from tests.app.pictures import NARROW, SIZES, pictures
from tests.tiny import make_model
from tui_finetune.chat.conversation import Conversation
from tui_finetune.chat.engine import Engine as RealEngine
from tui_finetune.chat.history import PromptHistory
from tui_finetune.chat.prompt_set import Asked
from tui_finetune.chat.reply import Reply, Token
from tui_finetune.chat.sampling import Sampling
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.models.located import LocatedModel
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.monitor import Monitor
from tui_finetune.tui.screens.chat.comparison import Comparison, differing
from tui_finetune.tui.screens.chat.describe import done_words, progress_words, sampling_words
from tui_finetune.tui.screens.chat.inside import Inside
from tui_finetune.tui.screens.chat.message import Exchange, Note
from tui_finetune.tui.screens.chat.pick_model import PickModel, talkers
from tui_finetune.tui.screens.chat.prompt_input import PromptInput
from tui_finetune.tui.screens.chat.sampling import SamplingDialog
from tui_finetune.tui.screens.chat.screen import ChatScreen
from tui_finetune.tui.widgets.filter_list import FilterList
from tui_finetune.tui.widgets.setting_field import SettingField

HOSTILE = "[/red][@click=app.quit()]boom[/] "


class FakeEngine:
    """A model that says what the test wants, piece by piece, and waits where the test wants.

    Attributes:
        loaded: what was loaded, in order.
        prompts: what was asked, in order.
        pieces: the reply.
        gate: a reply's last piece and its end wait for it.
    """

    loaded: list[str]
    prompts: list[Any]
    pieces: Sequence[str]
    template: bool
    error: Exception | None
    load_gate: threading.Event
    gate: threading.Event
    notice: str

    def __init__(self, name: str) -> None:
        self.name = name
        self.has_chat_template = type(self).template

    @classmethod
    def load(cls, model: LocatedModel, report: Callable[[int, int | None, str], None] | None = None) -> FakeEngine:
        if report is not None:
            report(1, 4, "files")
        assert cls.load_gate.wait(20)
        if cls.error is not None:
            raise cls.error
        cls.loaded.append(model.name)
        return cls(model.name)

    def reply(
        self, prompt: Any, sampling: Sampling, on_text: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Reply:
        self.prompts.append(prompt)
        for piece in self.pieces:
            on_text(piece)
        while not self.gate.wait(0.01):
            if cancelled():
                return Reply("".join(self.pieces), len(self.pieces), 2.0, "cancelled")
        return Reply("".join(self.pieces), len(self.pieces), 2.0, "end", self.notice)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> type[FakeEngine]:
    """The app opens on the Chat screen, and its models are this one."""

    class Engine(FakeEngine):
        loaded = []
        prompts = []
        pieces = ("The lamp ", "was lit ", "again.")
        template = False
        error = None
        load_gate = threading.Event()
        gate = threading.Event()
        notice = ""

    Engine.load_gate.set()
    Engine.gate.set()
    monkeypatch.setattr("tui_finetune.chat.engine.Engine", Engine)
    monkeypatch.setattr("tui_finetune.models.located.locate", lambda name, **_: LocatedModel(name, Path(name)))
    return Engine


def chat(pilot: Pilot[Any]) -> ChatScreen:
    screen = app_of(pilot).tab_screen
    assert isinstance(screen, ChatScreen)
    return screen


def app_of(pilot: Pilot[Any]) -> FinetuneApp:
    assert isinstance(pilot.app, FinetuneApp)
    return pilot.app


async def until(pilot: Pilot[Any], done: Callable[[], bool]) -> None:
    """Let the app go on until something has happened."""
    for _ in range(200):
        await pilot.pause(0.02)
        if done():
            await pilot.pause()
            return
    raise AssertionError("it did not happen")


async def loaded(pilot: Pilot[Any]) -> ChatScreen:
    """Wait for the model."""
    await until(pilot, lambda: isinstance(app_of(pilot).tab_screen, ChatScreen) and chat(pilot).engine is not None)
    return chat(pilot)


async def say(pilot: Pilot[Any], words: str) -> None:
    """Write and send."""
    chat(pilot).query_one("#prompt", PromptInput).value = words
    await pilot.press("enter")
    await pilot.pause()


async def answered(pilot: Pilot[Any]) -> Exchange:
    """Wait for the reply to be over."""
    await until(pilot, lambda: "token" in caption(pilot))
    return chat(pilot).query(Exchange).last()


def caption(pilot: Pilot[Any]) -> str:
    exchanges = chat(pilot).query(Exchange)
    return str(exchanges.last().query_one(".caption", Static).content) if exchanges else ""


def text_of(pilot: Pilot[Any], selector: str) -> str:
    return str(chat(pilot).query_one(selector, Static).content)


# Pictures


@pictures("chat", "empty", NARROW, *SIZES)
def test_picture_before_anything_is_said(snap_compare: Any, size: tuple[int, int]) -> None:
    async def come_up(pilot: Pilot[Any]) -> None:
        await loaded(pilot)

    assert snap_compare(FinetuneApp(tab="chat"), terminal_size=size, run_before=come_up)


@pictures("chat", "conversation")
def test_picture_of_a_conversation(snap_compare: Any, engine: type[FakeEngine], size: tuple[int, int]) -> None:
    engine.template = True

    async def talk(pilot: Pilot[Any]) -> None:
        await loaded(pilot)
        await say(pilot, "What happened to the lamp?")
        await answered(pilot)

    assert snap_compare(FinetuneApp(tab="chat"), terminal_size=size, run_before=talk)


@pictures("chat", "continued-text")
def test_picture_of_a_text_that_was_continued(snap_compare: Any, size: tuple[int, int]) -> None:
    async def talk(pilot: Pilot[Any]) -> None:
        await loaded(pilot)
        await say(pilot, "At the harbour, in the evening, ")
        await answered(pilot)

    assert snap_compare(FinetuneApp(tab="chat"), terminal_size=size, run_before=talk)


@pictures("chat", "sampling")
def test_picture_of_the_sampling_settings(snap_compare: Any, size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await loaded(pilot)
        await pilot.press("f3")
        await pilot.pause()

    assert snap_compare(FinetuneApp(tab="chat"), terminal_size=size, run_before=look)


# Whom it talks to


async def test_the_chosen_model_is_loaded_where_no_run_is_over(engine: type[FakeEngine]) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        assert "starter" in text_of(pilot, "#with")
        assert engine.loaded == ["starter"]


@pytest.mark.parametrize("file", ["config.json", "adapter_config.json"])
async def test_the_finished_run_of_the_session_is_loaded(file: str, home: Path, engine: type[FakeEngine]) -> None:
    fake = FakeRun(home / "runs" / "starter-sea-tales-1")
    fake.finish()
    (fake.run.path / "final").mkdir(exist_ok=True)
    (fake.run.path / "final" / file).write_text('{"peft_type": "LORA", "base_model_name_or_path": "starter"}')
    async with FinetuneApp(run=fake.run).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.app.switch_mode("chat")
        await until(pilot, lambda: bool(engine.loaded) and engine.loaded[-1] == str(fake.run.final_dir))
        await loaded(pilot)
        assert "starter-sea-tales-1" in text_of(pilot, "#with")


async def test_who_has_talked_to_the_model_before_the_run_talks_to_what_became_of_it_after(
    home: Path, engine: type[FakeEngine], shown: Callable[[Any], str]
) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "Before")
        await answered(pilot)
        fake = FakeRun(home / "runs" / "starter-sea-tales-1")
        fake.finish()
        (fake.run.path / "final").mkdir(exist_ok=True)
        (fake.run.path / "final" / "config.json").write_text("{}")
        app_of(pilot).state.monitor.watch(fake.run)
        await until(pilot, lambda: app_of(pilot).current_mode == "training")
        await pilot.app.switch_mode("chat")
        await until(pilot, lambda: engine.loaded[-1] == str(fake.run.final_dir))
        assert "starter-sea-tales-1" in text_of(pilot, "#with")
        assert "Before" in shown(pilot.app), "what was said stays, to compare"


async def test_another_model_takes_the_place_of_the_first_and_goes_on_with_what_was_said(
    engine: type[FakeEngine], home: Path, shown: Callable[[Any], str]
) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "config.json").write_text("{}")
    engine.template = True
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        await say(pilot, "Hello")
        await answered(pilot)
        app_of(pilot).state.chat_with("./mine")
        assert screen.engine is None
        await loaded(pilot)
        assert engine.loaded[-1] == "mine"
        assert "Now with mine." in shown(pilot.app)
        await say(pilot, "Again")
        await until(pilot, lambda: len(engine.prompts) == 2)
        assert [turn["content"] for turn in engine.prompts[-1]] == ["Hello", "The lamp was lit again.", "Again"]


async def test_a_model_that_must_be_downloaded_waits_for_the_first_prompt(engine: type[FakeEngine]) -> None:
    async with FinetuneApp(tab="chat", choices={"model": "someone/large"}).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "someone/large" in text_of(pilot, "#with"))
        assert "loaded with the first prompt" in text_of(pilot, "#hint")
        assert engine.loaded == []
        await say(pilot, "Once")
        await answered(pilot)
        assert engine.loaded == ["someone/large"]
        assert engine.prompts == ["Once"]


async def test_a_prompt_written_while_the_model_loads_is_answered_then(
    engine: type[FakeEngine], shown: Callable[[Any], str]
) -> None:
    engine.load_gate.clear()
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Loading the model…  25 %" in text_of(pilot, "#status"))
        await say(pilot, "Once")
        assert engine.prompts == []
        engine.load_gate.set()
        await answered(pilot)
        assert engine.prompts == ["Once"]


async def test_why_a_model_can_not_be_loaded_is_said_in_the_screen_and_the_prompt_given_back(
    engine: type[FakeEngine],
) -> None:
    engine.load_gate.clear()
    engine.error = UserError("the model is an encoder", "choose one that writes text")
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Loading" in text_of(pilot, "#status"))
        await say(pilot, "Once")
        engine.load_gate.set()
        await until(pilot, lambda: "the model is an encoder — choose one" in text_of(pilot, "#status"))
        assert chat(pilot).query_one("#prompt", PromptInput).value == "Once"


async def test_a_run_that_starts_here_gets_the_memory_of_an_idle_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        monkeypatch.setattr(Monitor, "is_training", True)
        screen._make_room()
        assert screen.engine is None
        assert "replies are slower" in text_of(pilot, "#hint")
        await say(pilot, "Once")
        await answered(pilot)
        screen._make_room()
        assert screen.engine is not None


# Picking


async def test_runs_and_models_are_offered_and_a_name_may_be_typed(home: Path, engine: type[FakeEngine]) -> None:
    fake = FakeRun(home / "runs" / "starter-sea-tales-1")
    fake.finish()
    (fake.run.path / "final").mkdir(exist_ok=True)
    (fake.run.path / "final" / "config.json").write_text("{}")
    FakeRun(home / "runs" / "saved-nothing-1")
    assert [item.label for item in talkers(home)][:2] == ["starter-sea-tales-1", "starter"]
    assert "saved-nothing-1" not in [item.label for item in talkers(home)]
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickModel) and bool(pilot.app.screen._items))
        await pilot.press(*"sea-t")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: engine.loaded[-1] == str(fake.run.final_dir))
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, PickModel) and bool(pilot.app.screen._items))
        pilot.app.screen.query_one(FilterList).set_text("some/one")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: engine.loaded[-1] == "some/one")


# Talking


async def test_a_base_model_continues_the_text_and_an_empty_line_goes_on(engine: type[FakeEngine]) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "Once. ")
        exchange = await answered(pilot)
        assert str(exchange.query_one(".reply", Static).content) == "Once. The lamp was lit again."
        await say(pilot, "")
        await until(pilot, lambda: len(engine.prompts) == 2)
        assert engine.prompts == ["Once. ", "Once. The lamp was lit again."]


async def test_an_empty_line_at_first_sends_nothing(engine: type[FakeEngine]) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "  ")
        assert engine.prompts == []


async def test_a_model_with_a_template_is_given_all_turns(engine: type[FakeEngine]) -> None:
    engine.template = True
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "What?")
        await answered(pilot)
        await say(pilot, "And then?")
        await until(pilot, lambda: len(engine.prompts) == 2)
        assert engine.prompts[-1] == [
            {"role": "user", "content": "What?"},
            {"role": "assistant", "content": "The lamp was lit again."},
            {"role": "user", "content": "And then?"},
        ]
        await answered(pilot)
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert not chat(pilot).query(Exchange)
        await say(pilot, "Anew")
        await until(pilot, lambda: len(engine.prompts) == 3)
        assert engine.prompts[-1] == [{"role": "user", "content": "Anew"}]


async def test_turns_and_text_change_with_a_key_and_a_base_model_says_why_not(
    engine: type[FakeEngine], shown: Callable[[Any], str]
) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24), notifications=True) as pilot:
        await loaded(pilot)
        await pilot.press("f2")
        await pilot.pause()
        assert chat(pilot).conversation.style == "text"
        await until(pilot, lambda: "no chat template" in shown(pilot.app))
        engine.template = True
        app_of(pilot).state.chat_with("starter")
        await loaded(pilot)
        assert chat(pilot).conversation.style == "turns"
        await pilot.press("f2")
        await say(pilot, "Once")
        await until(pilot, lambda: engine.prompts == ["Once"])


async def test_ctrl_c_stops_the_reply_and_keeps_what_there_is(engine: type[FakeEngine]) -> None:
    engine.gate.clear()
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        await say(pilot, "Once. ")
        await until(pilot, lambda: bool(screen.query(Exchange)) and screen.query(Exchange).last().reply != "")
        await pilot.press("ctrl+c")
        exchange = await answered(pilot)
        assert exchange.reply == "The lamp was lit again."
        assert "stopped" in caption(pilot)
        assert screen.conversation.text == "Once. The lamp was lit again."
        assert not screen.stop_reply()


async def test_another_prompt_waits_until_the_reply_is_over(engine: type[FakeEngine]) -> None:
    engine.gate.clear()
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        await say(pilot, "Once")
        await say(pilot, "More")
        assert len(screen.query(Exchange)) == 1
        assert screen.query_one("#prompt", PromptInput).value == "More"
        engine.gate.set()
        await answered(pilot)


async def test_what_was_left_out_of_a_long_prompt_is_said(
    engine: type[FakeEngine], shown: Callable[[Any], str]
) -> None:
    engine.notice = "The model sees 64 tokens at once: the first 9 tokens were left out."
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "Once")
        await answered(pilot)
        await pilot.pause()
        assert "the first 9 tokens were left out" in shown(pilot.app)


async def test_what_goes_wrong_in_a_reply_is_said_below_it(
    engine: type[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FakeEngine, *args: Any) -> Reply:
        raise UserError("the chat template refuses the conversation", "begin a new one")

    monkeypatch.setattr(engine, "reply", refuse)
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "Once")
        await until(pilot, lambda: "refuses the conversation — begin a new one" in caption(pilot))
        assert not chat(pilot).stop_reply()


async def test_markup_in_prompt_reply_and_name_is_inert(engine: type[FakeEngine], shown: Callable[[Any], str]) -> None:
    engine.pieces = (HOSTILE, "\x1b[31mred")
    for engine.template in (True, False):
        async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
            await loaded(pilot)
            await say(pilot, HOSTILE)
            await answered(pilot)
            assert shown(pilot.app).count("[@click=app.quit()]boom[/]") == 2
            assert "\x1b" not in shown(pilot.app)


async def test_a_real_model_writes_as_many_tokens_as_it_may(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(home / "tiny")
    monkeypatch.setattr("tui_finetune.chat.engine.Engine", RealEngine)
    async with FinetuneApp(tab="chat", choices={"model": "./tiny"}).run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        screen.session.sampling = Sampling(max_new_tokens=5, seed=1)
        await say(pilot, "The ship ")
        exchange = await answered(pilot)
        assert exchange.reply
        assert screen.conversation.text == "The ship " + exchange.reply
        assert "tokens" in caption(pilot)


async def test_up_brings_earlier_prompts_back() -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        for words in ("one", "two"):
            await say(pilot, words)
            await until(pilot, lambda: not screen.talking.is_busy)
        prompt = screen.query_one("#prompt", PromptInput)
        prompt.value = "draft"
        seen = []
        for key in ("up", "up", "up", "down", "down"):
            await pilot.press(key)
            seen.append(prompt.value)
        assert seen == ["two", "one", "one", "two", "draft"]


async def test_the_last_reply_is_copied() -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "Once")
        await answered(pilot)
        await pilot.press("ctrl+y")
        assert pilot.app.clipboard == "The lamp was lit again."


async def test_escape_leaves_the_line_so_that_digits_go_to_other_screens() -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        await pilot.press("3")
        assert screen.query_one("#prompt", PromptInput).value == "3"
        await pilot.press("escape", "enter")
        assert pilot.app.focused is screen.query_one("#prompt")
        await pilot.press("escape", "3")
        await pilot.pause()
        assert pilot.app.current_mode == "settings"


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 5), (40, 12)])
async def test_it_works_at_any_size(size: tuple[int, int]) -> None:
    async with FinetuneApp(tab="chat").run_test(size=size) as pilot:
        await loaded(pilot)
        await say(pilot, "Once")
        await answered(pilot)


# Sampling


async def test_sampling_settings_are_checked_where_they_are_typed_and_used() -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        await pilot.press("f3")
        await pilot.pause()
        dialog = pilot.app.screen
        assert isinstance(dialog, SamplingDialog)
        field = dialog.query_one("#setting-temperature", SettingField)
        for text, wrong in (("hot", "use a number"), ("-1", "from 0"), ("0.5", "")):
            field.focus()
            await pilot.press("enter")
            await pilot.pause()
            assert field.input is not None
            field.input.value = text
            await pilot.press("enter")
            await pilot.pause()
            await pilot.pause()
            assert (wrong in str(field.render())) if wrong else field.problem is None
        await pilot.press("escape")
        await pilot.pause()
        assert screen.session.sampling == Sampling(temperature=0.5)
        assert "temperature 0.5" in text_of(pilot, "#sampling")


def test_words_for_sampling_leave_out_what_is_off() -> None:
    assert sampling_words(Sampling(top_p=1.0)) == "temperature 0.8  ·  at most 200 tokens"
    assert "seed 3" in sampling_words(Sampling(seed=3))
    assert "top_k 40" in sampling_words(Sampling(top_k=40))


def test_words_for_progress_and_replies() -> None:
    assert progress_words(1_200_000, 2_400_000_000, "bytes") == "  1.2 MB of 2.4 GB"
    assert progress_words(1, 4, "files") == "  25 %"
    assert done_words(Reply("a", 1, 0.5, "end")) == "1 token  ·  2 tokens/s  ·  ended by itself"
    assert "longest" in done_words(Reply("a", 200, 2.0, "length"))
    assert done_words(Reply("", 0, 0.0, "cancelled")) == "0 tokens  ·  stopped"


def test_a_conversation_remembers_what_is_on_the_screen() -> None:
    talk = Conversation("turns")
    talk.keep("a", "b")
    assert talk.prompt_for("c") == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    talk = Conversation("text")
    assert not talk.can_send("")
    talk.keep("a", "b")
    talk.keep("", "c")
    assert talk.prompt_for("") == "abc"
    assert talk.prompt_for("new") == "new"


def test_a_prompt_sent_twice_is_remembered_once() -> None:
    history = PromptHistory()
    for prompt in ("a", "a", "b"):
        history.add(prompt)
    assert [history.go(-1, "") for _ in range(3)] == ["b", "a", "a"]


# Typing is safe


async def test_what_is_written_while_the_line_has_no_focus_is_written_there() -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert "come back to this line" in str(screen.line.placeholder)
        await pilot.press(*"I have 2 cats, 3 dogs?")
        await pilot.pause()
        assert screen.line.value == "I have 2 cats, 3 dogs?"
        assert app_of(pilot).current_mode == "chat"
        await pilot.press("escape", "5", "2")
        await pilot.pause()
        assert screen.line.value == "I have 2 cats, 3 dogs?2"


async def test_5_then_words_at_once_are_a_prompt_from_any_screen() -> None:
    for mode in ("model", "settings", "runs"):
        async with FinetuneApp(tab=mode).run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            await pilot.press("escape", "5", *"I have 2 cats")
            await pilot.pause()
            assert app_of(pilot).current_mode == "chat"
            assert chat(pilot).line.value == "I have 2 cats"


async def test_what_is_written_while_a_model_loads_is_kept_with_what_waited(engine: type[FakeEngine]) -> None:
    engine.load_gate.clear()
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Loading" in text_of(pilot, "#status"))
        await say(pilot, "Once")
        await pilot.press(*"more")
        engine.error = UserError("no", "yes")
        engine.load_gate.set()
        await until(pilot, lambda: "no — yes" in text_of(pilot, "#status"))
        assert chat(pilot).line.value == "Once\nmore"


async def test_large_and_many_lined_pastes_are_sent_as_they_are(engine: type[FakeEngine]) -> None:
    text = "line\n" * 2_000 + "end"
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        screen = await loaded(pilot)
        pilot.app.post_message(events.Paste(text))
        await until(pilot, lambda: screen.line.value == text)
        await pilot.press("enter")
        await answered(pilot)
        assert engine.prompts == [text]


async def test_a_new_line_is_begun_by_a_key_or_a_backslash(engine: type[FakeEngine]) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await pilot.press("a", "ctrl+o", "b", "backslash", "enter", "c", "enter")
        await answered(pilot)
        assert engine.prompts == ["a\nb\nc"]


# Side by side


@pytest.fixture
def two(engine: type[FakeEngine], monkeypatch: pytest.MonkeyPatch, home: Path) -> FakeRun:
    """A run that is over; side by side each model says its name, the second something more."""

    def together(engines: Sequence[FakeEngine], prompt: Any, sampling: Any, on_text: Any, cancelled: Any) -> Any:
        found = []
        for place, (one, told) in enumerate(zip(engines, on_text, strict=True)):
            one.prompts.append(prompt)
            words = "The old lamp was lit again." if place else "The old ship was lost."
            told(words)
            found.append(Reply(words, 5, 1.0, "end"))
        return found

    monkeypatch.setattr("tui_finetune.chat.engine.replies", together)
    fake = FakeRun(home / "runs" / "starter-sea-tales-1")
    fake.finish()
    (fake.run.path / "final").mkdir(exist_ok=True)
    (fake.run.path / "final" / "config.json").write_text("{}")
    fake.run.write_config(RunConfig())
    return fake


@pictures("chat", "comparison")
def test_picture_of_two_models_side_by_side(snap_compare: Any, two: FakeRun, size: tuple[int, int]) -> None:
    async def compare(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        await pilot.press("b")
        await compared(pilot)

    assert snap_compare(FinetuneApp(run=two.run), terminal_size=size, run_before=compare)


def answered_side_by_side(pilot: Pilot[Any], number: int) -> bool:
    """Whether so many prompts were answered by all, and nothing is being done any more."""
    over = [shown.is_over for shown in chat(pilot).query(Comparison)]
    return over.count(True) == number and not chat(pilot).talking.is_busy


async def compared(pilot: Pilot[Any]) -> Comparison:
    """Send a prompt and wait for the replies of all."""
    await loaded(pilot)
    await pilot.press(*"They sing", "enter")
    await until(pilot, partial(answered_side_by_side, pilot, 1))
    await pilot.pause()  # laid out, and scrolled to its end
    return chat(pilot).query(Comparison).last()


async def test_one_key_at_the_end_of_a_run_then_the_prompt_shows_before_and_after(
    two: FakeRun, engine: type[FakeEngine]
) -> None:
    async with FinetuneApp(run=two.run).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("b")
        found = await compared(pilot)
        assert found.labels == ["starter (before)", "starter-sea-tales-1"]
        assert [column.reply for column in found.columns] == ["The old ship was lost.", "The old lamp was lit again."]
        assert set(engine.loaded[-2:]) == {"starter", str(two.run.final_dir)}
        assert not found.query_one(".columns").has_class("-stacked")
        await pilot.press("f5")
        await say(pilot, "More")
        await answered(pilot)


async def test_columns_are_stacked_where_there_is_little_room(two: FakeRun) -> None:
    async with FinetuneApp(run=two.run).run_test(size=(60, 24)) as pilot:
        await pilot.pause()
        await pilot.press("b")
        found = await compared(pilot)
        await pilot.pause()
        assert found.query_one(".columns").has_class("-stacked")


def test_words_that_differ_are_marked_by_more_than_color() -> None:
    marked = differing("the old ship sank", "the old lamp sank")
    assert [(span.start, span.end, span.style) for span in marked.spans] == [(8, 12, "bold underline")]
    assert differing("same", "same").spans == []
    assert differing("all other words here", "nothing in common at all").spans == [], "marks on every word tell nothing"


# Commands


async def test_commands_are_obeyed_and_never_sent(engine: type[FakeEngine], shown: Callable[[Any], str]) -> None:
    engine.template = True
    async with FinetuneApp(tab="chat").run_test(size=(100, 40)) as pilot:
        screen = await loaded(pilot)
        await say(pilot, "/set temperature 0.3")
        assert screen.session.sampling.temperature == 0.3
        await say(pilot, "/system Be brief.")
        await say(pilot, "Hello")
        await answered(pilot)
        await say(pilot, "/retry")
        await until(pilot, lambda: len(engine.prompts) == 2 and not screen.talking.is_busy)
        assert engine.prompts[0] == engine.prompts[1]
        assert engine.prompts[0][0] == {"role": "system", "content": "Be brief."}
        await say(pilot, "/edit")
        assert screen.line.value == "Hello"
        assert screen.conversation.messages == []
        await say(pilot, "/nonsense")
        assert "/nonsense is no command" in shown(pilot.app)
        assert len(engine.prompts) == 2
        await say(pilot, "//etc")
        await until(pilot, lambda: len(engine.prompts) == 3)
        assert engine.prompts[-1][-1]["content"] == "/etc"


async def test_markdown_is_rendered_for_turns_only(engine: type[FakeEngine]) -> None:
    engine.pieces = ("**bold** and\n\n```python\nprint('[/red]')\n```\n",)
    for engine.template, count in ((True, 1), (False, 0)):
        async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
            await loaded(pilot)
            await say(pilot, "Once")
            exchange = await answered(pilot)
            await pilot.pause()
            assert len(exchange.query(Markdown)) == count


async def test_a_look_inside_shows_what_the_model_thought_of(
    engine: type[FakeEngine], monkeypatch: pytest.MonkeyPatch, shown: Callable[[Any], str]
) -> None:
    tokens = (Token(" lamp", 0.62, ((" lamp", 0.62), (" ship", 0.3))), Token("\x1b[2J", 0.01, ((".", 0.9),)))

    def answer(self: FakeEngine, prompt: Any, sampling: Any, on_text: Any, cancelled: Any) -> Reply:
        on_text(" lamp")
        return Reply(" lamp", 2, 1.0, "end", inside=lambda: tokens)

    monkeypatch.setattr(engine, "reply", answer)
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        await say(pilot, "Once")
        await answered(pilot)
        await pilot.press("f6")
        await pilot.pause()
        assert "62.0%" in shown(pilot.app)
        assert "·ship" in shown(pilot.app)
        await pilot.press("right", "n")
        await pilot.pause()
        assert "1.0%" in shown(pilot.app)
        assert "\x1b" not in shown(pilot.app)


async def test_a_row_of_the_evaluation_data_is_asked_with_its_answer_and_each_loss(
    two: FakeRun, engine: type[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Asked("What sings?", (), "The old lamp sings."), Asked("Who?", (), "Nobody.")]
    read: list[Path] = []

    def evaluation_set(run: RunDirectory) -> list[Asked]:
        read.append(run.path)
        return rows

    def expected_tokens(one: FakeEngine, prompt: object, expected: str) -> tuple[Token, ...]:
        return (Token(expected, 0.5 if one.name == engine.loaded[-1] else 0.25),)

    monkeypatch.setattr("tui_finetune.planning.evaluation_rows.evaluation_set", evaluation_set)
    monkeypatch.setattr("tui_finetune.chat.batches.expected_tokens", expected_tokens)
    async with FinetuneApp(run=two.run).run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press("b")
        await loaded(pilot)
        for number, row in enumerate([*rows, rows[0]], 1):
            await pilot.press(*"/row", "enter")
            await until(pilot, partial(answered_side_by_side, pilot, number))
            shown = chat(pilot).query(Comparison).last()
            assert shown.prompt == row.words
            assert f"expected: {row.expected}" in str(shown.query_one(".expected", Static).render())
            assert sorted(column.caption.split("loss ")[1][:4] for column in shown.columns) == ["0.69", "1.39"]
        assert read == [two.run.path]
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(pilot.app.screen, Inside))
        names = [name for name, _ in cast("Inside", pilot.app.screen).replies]
        assert names == [f"{label}, the answer expected" for label in shown.labels]
        await pilot.press("escape")
        await pilot.press(*"/row 3", "enter")
        await until(pilot, lambda: "there are 2 rows" in str(chat(pilot).query(Note).last().render()))
        await pilot.press(*"Something else", "enter")
        await until(pilot, lambda: chat(pilot).query(Comparison).last().prompt == "Something else")
        await until(pilot, lambda: chat(pilot).query(Comparison).last().is_over)
        assert not chat(pilot).query(Comparison).last().query(".expected")


async def test_rows_are_those_of_a_run(engine: type[FakeEngine]) -> None:
    async with FinetuneApp(tab="chat").run_test(size=(100, 30)) as pilot:
        await loaded(pilot)
        await pilot.press(*"/row", "enter")
        await until(pilot, lambda: "not of a run" in str(chat(pilot).query(Note).last().render()))
