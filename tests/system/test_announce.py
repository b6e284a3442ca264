"""Sequences for the terminal's title and its notifications, and which terminal is sent which."""

from __future__ import annotations

from tui_finetune.system.announce import notification, title

BELL = "\a"


def test_a_title_is_one_line_that_ends_no_sequence() -> None:
    assert title("62 % loss 1.83") == "\x1b]2;62 % loss 1.83\a"
    hostile = title("a\x07b\x1b]52;c;aGk=\x07\nc")
    assert hostile.count(BELL) == 1
    assert hostile.count("\x1b") == 1
    assert "\n" not in hostile


def test_an_unknown_terminal_is_sent_both_kinds_and_a_known_one_its_own() -> None:
    both = notification("run-1", "Finished", {"TERM": "xterm-256color"})
    assert both.startswith(BELL)
    assert "\x1b]9;run-1: Finished\a" in both
    assert "\x1b]777;notify;run-1;Finished\a" in both
    assert "]777" not in notification("a", "b", {"TERM_PROGRAM": "iTerm.app"})
    assert "]9;" not in notification("a", "b", {"TERM": "foot"})
    assert "]9;" not in notification("a", "b", {"TERM": "xterm-256color", "VTE_VERSION": "7200"})


def test_a_field_separator_in_words_separates_nothing() -> None:
    assert "\x1b]777;notify;a,b;c,d\a" in notification("a;b", "c;d", {"TERM": "foot"})


def test_tmux_and_screen_pass_it_on_where_they_may() -> None:
    through = notification("a", "b", {"TERM": "screen", "TMUX": "/tmp/x"})
    assert "\x1bPtmux;\x1b\x1b]9;a: b\a\x1b\\" in through
    assert "\x1bP\x1b]9;a: b\a\x1b\\" in notification("a", "b", {"TERM": "screen", "STY": "1.x"})
