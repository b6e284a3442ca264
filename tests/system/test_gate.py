"""What leaves the process passes one gate: no control characters, and a bug is a line with a report."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest

from tests.programs import Programs
from tui_finetune.cli import main as program
from tui_finetune.system import reports
from tui_finetune.system.output import Gate, gated, one_gate, ungated
from tui_finetune.system.terminal import printable_json

OWNED = "\x1b]0;owned\x07\x9b31m\u202e"
SIGNS = "\x1b\x07\x9b\u202e"


def test_s2_logs_lines_and_tracebacks_pass_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    with one_gate():
        handler = logging.StreamHandler()
        handler.emit(logging.makeLogRecord({"msg": f"b {OWNED}"}))
        print(f"c {OWNED}")
        print(f"d {OWNED}", file=sys.stderr)
        sys.stdout.writelines([f"e {OWNED}"])
        sys.excepthook(ValueError, ValueError(f"f {OWNED}"), None)
        assert not hasattr(sys.stdout, "buffer")
    told = "".join(capsys.readouterr())
    assert all(f"{letter} ␛]0;owned" in told for letter in "bcdef")
    assert not set(SIGNS) & set(told)


def test_s2_a_gate_is_put_up_once_and_gives_back_its_stream() -> None:
    stream = io.StringIO()
    gate = gated(stream)
    assert gated(gate) is gate
    assert ungated(gate) is stream
    assert isinstance(gate, Gate)


def test_s2_a_bug_is_a_line_a_report_and_the_words_how_to_send_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path))

    def broken(_: list[str]) -> int:
        raise KeyError(f"nowhere {OWNED}\nsecond line")

    monkeypatch.setattr(program, "_run", broken)
    assert program.main(["runs"]) == 1
    out, err = capsys.readouterr()
    assert not out
    error, hint = err.splitlines()
    assert error.startswith("error: a bug in finetune-tui: KeyError: 'nowhere")
    [report] = (tmp_path / "reports").iterdir()
    assert hint == f"hint: please open an issue and attach {report}, which has the details"
    text = report.read_text()
    assert "Traceback (most recent call last)" in text
    assert "transformers 5" in text
    assert not set(SIGNS) & set(text + err)


def test_s2_the_newest_reports_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path))
    (tmp_path / "reports").mkdir()
    for number in range(30):
        (tmp_path / "reports" / f"20000101-{number:06}-1.txt").write_text("")
    newest = reports.write_report(ValueError("x"))
    assert newest is not None
    kept = sorted((tmp_path / "reports").iterdir())
    assert len(kept) == reports.KEPT
    assert kept[-1] == newest


def test_s2_json_says_the_same_without_control_characters() -> None:
    written = printable_json(json.dumps({"text": f"é {OWNED}"}, ensure_ascii=False))
    assert not set(SIGNS) & set(written)
    assert json.loads(written) == {"text": f"é {OWNED}"}


def test_s2_what_c_code_prints_reaches_nobody(programs: Programs, tmp_path: Path) -> None:
    before = (
        "import os, warnings\n"
        "from tui_finetune.cli import runs\n"
        "from tui_finetune.cli.output import write_line\n"
        "def run(arguments):\n"
        "    os.write(1, b'\\x1b]0;owned\\x07'); os.write(2, b'\\x1b]0;owned\\x07'); warnings.warn('\\x1b]0;owned'); write_line('told')\n"
        "    return 0\n"
        "runs.run = run"
    )
    done = programs.run("runs", folder=tmp_path, before=before, environment={"TMPDIR": str(tmp_path)})
    assert (done.status, done.out) == (0, "told\n")
    assert "UserWarning: ␛]0;owned" in done.err
    assert "\x1b" not in done.err
    assert list(tmp_path.iterdir()) == []
