"""Local files are read whole and right, whatever their kind, and what is wrong with one is said with its place."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.open import open_dataset
from tui_finetune.data.readers import files
from tui_finetune.data.source import Source
from tui_finetune.errors import Cancelled, UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def opened(path: Path | str, **settings: Any) -> Source:
    return open_dataset(RunConfig(dataset_name=str(path), **settings))


def texts(path: Path | str, **settings: Any) -> list[object]:
    source = opened(path, **settings)
    column = recognize(source, RunConfig(**settings)).mapping["text"]
    return [row[column] for batch in source.batches([column]) for row in batch]


def fault(path: Path | str, **settings: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        texts(path, **settings)
    assert caught.value.remedy, caught.value.message
    return caught.value


STORIES = ["One day.", 'He said "no", and left.', "Größe, 名前"]

TABLES = {
    "data.jsonl": "".join(json.dumps({"text": text}) + "\n" for text in STORIES),
    "data.ndjson": "\n\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in STORIES),
    "data.json": json.dumps([{"text": text} for text in STORIES], indent=2),
    "lines.json": "".join(json.dumps({"text": text}) + "\n" for text in STORIES),
    "wrapped.json": json.dumps({"version": 1, "data": [{"text": text} for text in STORIES]}),
    "data.csv": 'text,id\nOne day.,1\n"He said ""no"", and left.",2\n"Größe, 名前",3\n',
    "semicolons.csv": 'text;id\nOne day.;1\n"He said ""no"", and left.";2\nGröße, 名前;3\n',
    "data.tsv": 'text\tid\nOne day.\t1\n"He said ""no"", and left."\t2\nGröße, 名前\t3\n',
    "data.txt": "\n".join(STORIES),
    "paragraphs.txt": "\n\n".join(STORIES) + "\n",
    "marked.txt": "\n<|endoftext|>\n".join(STORIES),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("form", ["plain", "bom", "crlf", "gz"])
def test_every_kind_gives_the_same_rows_with_bom_crlf_and_gzip(tmp_path: Path, name: str, form: str) -> None:
    content = TABLES[name].encode()
    if form == "bom":
        content = b"\xef\xbb\xbf" + content
    elif form == "crlf":
        content = content.replace(b"\n", b"\r\n")
    path = tmp_path / name
    if form == "gz":
        path, content = tmp_path / f"{name}.gz", gzip.compress(content)
    assert texts(write(path, content)) == STORIES


def test_parquet_rows_with_dictionary_text_and_nested_columns_are_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(STORIES).dictionary_encode(),
            "tags": [["a"], [], None],
            "picture": pa.array([b"\xff", b"", None]),
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    source = opened(tmp_path / "d.parquet")
    assert texts(tmp_path / "d.parquet") == STORIES
    assert source.rows.column_names == ["text", "tags"]
    assert source.rows[0]["tags"] == '["a"]'


def test_a_markdown_file_is_one_document(tmp_path: Path) -> None:
    write(tmp_path / "a" / "one.md", "# One\r\n\r\nText.\n")
    write(tmp_path / "a" / "two.md", "# Two\n\nMore.\n")
    assert texts(tmp_path / "a") == ["# One\n\nText.", "# Two\n\nMore."]


def test_a_stray_blank_line_does_not_turn_lines_into_paragraphs(tmp_path: Path) -> None:
    lines = [f"text number {number}" for number in range(200)]
    path = write(tmp_path / "d.txt", "\n".join([*lines[:100], "", *lines[100:]]) + "\n\n")
    assert texts(path) == lines


def test_wrapped_paragraphs_stay_together(tmp_path: Path) -> None:
    path = write(tmp_path / "d.txt", "\n\nIt was a dark\nand stormy night.\n\n\nThe end.\n")
    source = opened(path)
    assert texts(path) == ["It was a dark\nand stormy night.", "The end."]
    assert [source.place(row)[1] for row in range(2)] == [3, 7]
    assert "blank lines" in recognize(source, RunConfig()).reason


@pytest.mark.parametrize("word", ["NA", "null", "None", "nan", ""])
def test_words_that_other_readers_take_for_nothing_are_text_in_csv(tmp_path: Path, word: str) -> None:
    path = write(tmp_path / "d.csv", f'id,text\n1,"{word}"\n2,b\n')
    assert texts(path, dataset_text_field="text") == [word, "b"]


def test_csv_cells_keep_their_line_breaks_and_rows_know_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "d.csv", 'text\n"a\nb"\n\nc\n')
    assert texts(path) == ["a\nb", "c"]
    assert [opened(path).place(row)[1] for row in range(2)] == [2, 5]


def test_columns_that_appear_late_or_change_type_do_not_stop_the_reading(tmp_path: Path) -> None:
    rows = [{"text": f"t{number}", "id": number} for number in range(1500)]
    rows += [{"text": "late", "id": "x", "new": [1, 2]}, {"id": None, "text": "last"}]
    path = write(tmp_path / "d.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    source = opened(path)
    assert len(source.rows) == 1502
    assert source.rows[1500] == {"text": "late", "id": "x", "new": "[1, 2]"}
    assert source.rows[0]["new"] is None
    assert texts(path)[-2:] == ["late", "last"]
    assert source.columns is not None
    assert source.columns["id"].kinds == {"a number": (0, 1), "text": (0, 1501)}


def test_a_folder_takes_tables_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    write(tmp_path / "d" / "b.jsonl", '{"text": "two"}\n')
    write(tmp_path / "d" / "a" / "a.csv", "text\none\n")
    write(tmp_path / "d" / "README.md", "about")
    write(tmp_path / "d" / ".hidden.jsonl", '{"text": "no"}\n')
    write(tmp_path / "d" / "empty.jsonl", "")
    source = opened(tmp_path / "d")
    assert texts(tmp_path / "d") == ["one", "two"]
    assert texts(str(tmp_path / "d" / "*.jsonl")) == ["two"]
    words = " ".join(f"{problem.file} {problem.message}" for problem in source.problems)
    assert "README.md is not read" in words
    assert "the file is empty" in words
    assert source.place(1) == (str(tmp_path / "d" / "b.jsonl"), 1)


def test_lone_surrogates_and_nul_are_kept_readable_and_named_with_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", '{"text": "ok"}\n{"text": "a\\ud800b"}\n{"text": "a\\u0000b"}\n')
    assert texts(path) == ["ok", "a\ufffdb", "a\x00b"]
    assert [(problem.row, problem.message) for problem in opened(path).problems] == [
        (2, "a row with half a surrogate pair"),
        (3, "a row with NUL characters"),
    ]


DEEP = "[" * 100_000

FAULTS: dict[str, tuple[str, bytes, str]] = {
    "empty": ("d.jsonl", b"", "is empty"),
    "only a byte order mark": ("d.txt", b"\xef\xbb\xbf", "has only blank lines"),
    "blank lines": ("d.jsonl", b"\n \n\n", "has only blank lines"),
    "blank text": ("d.txt", b"\n \n\n", "has only blank lines"),
    "header only": ("d.csv", b"text,id\n", "has a header and no rows"),
    "empty array": ("d.json", b"[]", "has no rows"),
    "not UTF-8": ("d.txt", "one\ntwo\ncafé\n".encode("latin-1"), "line 3: byte 11 is not UTF-8 (0xe9)"),
    "not UTF-8 in jsonl": ("d.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "line 2: byte 24 is not UTF-8"),
    "not UTF-8 in json": ("d.json", b'[{"text": "a"},\n{"text": "\xff"}]', "line 2: byte 26 is not UTF-8"),
    "not UTF-8 in md": ("d.md", b"# One\n\xff", "line 2: byte 6 is not UTF-8"),
    "UTF-16": ("d.txt", "text".encode("utf-16"), "is UTF-16"),
    "truncated line": ("d.jsonl", b'{"text": "a"}\n{"text": "b', "line 2: not valid JSON"),
    "no object": ("d.jsonl", b'{"text": "a"}\n"b"\n', "line 2: text, not an object"),
    "a number": ("d.jsonl", b"5\n", "line 1: a number, not an object"),
    "key twice": ("d.jsonl", b'{"text": "a"}\n{"text": "a", "text": "b"}\n', "line 2: the key 'text' is there twice"),
    "deep": ("d.jsonl", b'{"text": ' + DEEP.encode() + b"\n", "line 1: "),
    "deep json": ("d.json", b'[{"text": ' + DEEP.encode(), "line 1: "),
    "huge number": ("d.jsonl", b'{"text": ' + b"9" * 5000 + b"}\n", "line 1: "),
    "mixed types": ("d.jsonl", b'{"text": "a"}\n{"text": 5}\n', "line 2: 'text' is a number, elsewhere it is text"),
    "mixed types, only column": ("d.jsonl", b'{"story": ["a"]}\n{"story": "b"}\n', "line 1: 'story' is a list"),
    "array as jsonl": ("d.jsonl", b'[\n{"text": "a"}\n]\n', "one JSON array, not JSON lines"),
    "array cut": ("d.json", b'[{"text": "a"},\n{"text": "b"', "line 2: not valid JSON"),
    "array cut after a row": ("d.json", b'[{"text": "a"}\n', "the file is cut short"),
    "array without comma": ("d.json", b'[{"text": "a"}\n{"text": "b"}]', "line 2: a comma is missing"),
    "array of texts": ("d.json", b'[\n"a", "b"]', "line 2: a row that is not an object"),
    "json of a number": ("d.json", b"5", "neither an array nor an object"),
    "array twice": ("d.json", b'[{"text": "a"}]\n[]', "line 2: there is more"),
    "key twice in json": ("d.json", b'[{"text": "a"},\n{"a": 1, "a": 2}]', "line 2: the key 'a' is there twice"),
    "open quote": ("d.csv", b'text,id\na,1\n"b,2\nc,3\n', "line 3: a quote that begins in this row is never closed"),
    "text after quote": ("d.csv", b'text,id\na,1\n"b"x,2\n', "line 3: broken quoting"),
    "too many cells": ("d.csv", b"text,id\na,1\nb, c,2\n", "line 3: 3 cells, where the header has 2"),
    "too few cells": ("d.csv", b"text,id\na,1\nb\n", "line 3: 1 cells, where the header has 2"),
    "column twice": ("d.csv", b"text,text\na,1\n", "two columns are called 'text'"),
    "not gzip": ("d.txt.gz", b"plain text", "is not a gzip file"),
    "gzip cut": ("d.txt.gz", gzip.compress(b"text\n" * 1000)[:-12], "is cut short"),
    "gzip damaged": ("d.txt.gz", gzip.compress(b"text\n" * 9)[:12] + b"\xff\xff\xff" + b"\0" * 20, "is damaged"),
    "parquet that is none": ("d.parquet", b"PAR1 and so on", "is not a complete parquet file"),
    "packed parquet": ("d.parquet.gz", b"x", "not a kind of file"),
    "unknown kind": ("d.docx", b"x", "not a kind of file"),
    "rows without columns": ("d.jsonl", b"{}\n", "a row without columns"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, case: str) -> None:
    name, content, words = FAULTS[case]
    error = fault(write(tmp_path / name, content))
    assert words in error.message
    assert str(tmp_path / name) in error.message
    assert error.setting is None or error.setting.startswith("dataset")


def test_parquet_with_a_cut_footer_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": STORIES}), tmp_path / "d.parquet")
    data = (tmp_path / "d.parquet").read_bytes()
    assert "not a complete parquet file" in fault(write(tmp_path / "d.parquet", data[:-6])).message


def test_parquet_whose_text_is_no_utf8_is_named(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"text": bad}), tmp_path / "d.parquet")
    assert "rows 1 to 1: damaged" in fault(tmp_path / "d.parquet").message


def test_a_missing_file_suggests_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "stories.jsonl", '{"text": "a"}')
    assert fault(tmp_path / "storys.jsonl").remedy == f"did you mean '{tmp_path / 'stories.jsonl'}'?"
    assert "no such file" in fault(tmp_path / "elsewhere" / "x.txt").message


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    write(tmp_path / "d" / "picture.png", b"x")
    assert "has no data files" in fault(tmp_path / "d").message


def test_a_split_of_local_data_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", '{"text": "a"}')
    assert fault(path, dataset_train_split="test").setting == "dataset_train_split"


@pytest.mark.parametrize("name", ["d.txt", "d.jsonl", "d.json", "d.csv", "d.md", "d.txt.gz"])
def test_one_line_of_100_mb_is_refused_in_bounded_memory(tmp_path: Path, name: str) -> None:
    """A process with 100 MB less than reading it whole would take, above what the libraries have, reads it."""
    path = tmp_path / name
    body = b"ab cd efgh" * 1000
    start = {"d.jsonl": b'{"text": "', "d.json": b'[{"text": "', "d.csv": b'text,id\n"'}.get(name, b"")
    with gzip.open(path, "wb", 1) if name.endswith(".gz") else path.open("wb") as file:
        file.write(start)
        for _ in range(10_000):
            file.write(body)
    code = (
        "import resource, sys\n"
        "from tui_finetune.config.schema import RunConfig\n"
        "from tui_finetune.data.open import open_dataset\n"
        "from tui_finetune.errors import UserError\n"
        "import datasets, tui_finetune.data.readers.tables\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    open_dataset(RunConfig(dataset_name=sys.argv[1]))\n"
        "except UserError as error:\n    print(error.message)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    message, grown = done.stdout.splitlines()
    assert "longer than 16 MiB" in message
    assert int(grown) < 150


def test_a_gzip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RATIO_COUNTS_FROM", 1 << 20)
    with gzip.open(tmp_path / "d.txt.gz", "wb", 9) as file:
        file.write((b"a" * 99 + b"\n") * 30_000)
    assert "which can't be text" in fault(tmp_path / "d.txt.gz").message


def test_reading_reports_its_progress_and_can_be_cancelled(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", '{"text": "some words"}\n' * 5000)
    seen: list[tuple[int, int | None, str]] = []
    open_dataset(RunConfig(dataset_name=str(path)), lambda *args: seen.append(args))
    assert seen[-1] == (path.stat().st_size, path.stat().st_size, "bytes")

    def cancel(*_: object) -> None:
        raise Cancelled

    write(path, '{"text": "other words"}\n' * 5000)
    with pytest.raises(Cancelled):
        open_dataset(RunConfig(dataset_name=str(path)), cancel)
    assert not list((tmp_path / "cache" / "read").glob(".building-*"))
    assert len(opened(path).rows) == 5000


def test_a_changed_file_is_read_anew_and_a_damaged_cache_is_rebuilt(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", '{"text": "one"}\n')
    assert texts(path) == ["one"]
    write(path, '{"text": "two"}\n{"text": "three"}\n')
    assert texts(path) == ["two", "three"]
    for part in (tmp_path / "cache" / "read").rglob("part-*.arrow"):
        part.write_bytes(b"\xff" * part.stat().st_size)
    assert texts(path) == ["two", "three"]
    for part in (tmp_path / "cache" / "read").rglob("part-*.arrow"):
        part.write_bytes(part.read_bytes()[:50])
    assert texts(path) == ["two", "three"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "d.jsonl", '{"text": "one"}\n')
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(write(tmp_path / "a file", "")))
    error = fault(path)
    assert "can't be written to" in error.message
    assert "FINETUNE_TUI_CACHE" in error.remedy


def test_a_full_disk_while_reading_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", '{"text": "one two three four"}\n' * 20_000)
    code = (
        "import resource, signal, sys\n"
        "from tui_finetune.config.schema import RunConfig\n"
        "from tui_finetune.data.open import open_dataset\n"
        "from tui_finetune.errors import UserError\n"
        "import datasets\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    open_dataset(RunConfig(dataset_name=sys.argv[1]))\n"
        "except UserError as error:\n    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "the disk is full" in done.stdout
