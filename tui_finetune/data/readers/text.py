"""Plain text as documents.

- .md: a file is one document.
- .txt with lines that say only ``<|endoftext|>``: these separate the documents.
- .txt with blank lines between its paragraphs (at least one in fifty lines): blank lines separate the documents.
- any other .txt: each line is a document.

So a corpus with one text a line and a file of short texts with blank lines between them are both read as meant. A long
text that belongs together, as a novel, is best named .md: then it is one document, split at max_length.
"""

from __future__ import annotations

from collections.abc import Iterator

from tui_finetune.data.readers.files import MAX_RECORD_BYTES, ByteStream, DataFile, decode, read_lines, too_long

SEPARATOR = "<|endoftext|>"
SCAN_BYTES = 4 * 1024 * 1024
LINES_PER_BLANK = 50
"""With fewer blank lines than one in so many, they are strays and separate nothing."""

LAYOUTS = {
    "file": "a .md file is one document",
    "separator": f"documents are separated by {SEPARATOR}",
    "blank": "documents are separated by blank lines (name it .md to make it one document)",
    "line": "each line is a document (name it .md to make it one document)",
}


def layout_of(file: DataFile) -> str:
    """How the file is divided into documents, a key of LAYOUTS, judged by its first 4 MiB."""
    if file.kind == "markdown":
        return "file"
    with ByteStream(file) as stream:
        head = stream.read(SCAN_BYTES)
    lines = [line.strip() for line in head.strip().split(b"\n")]
    if SEPARATOR.encode() in lines:
        return "separator"
    blank = sum(1 for line in lines if not line)
    return "blank" if blank and blank * LINES_PER_BLANK >= len(lines) - blank else "line"


def read_text(file: DataFile, stream: ByteStream, layout: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The documents of a text file, each with the line it begins on, as rows with the column 'text'.

    Lines end in ``\\n`` whatever they end in in the file; blank lines around a document are left out.
    """
    if layout == "file":
        yield from _whole(file, stream)
        return
    begin, size = 0, 0
    lines: list[str] = []
    for number, raw in read_lines(stream):
        line = raw.rstrip("\r\n")
        bare = line.strip()
        if layout == "line":
            if bare:
                yield number, {"text": line}
            continue
        if (bare == SEPARATOR) if layout == "separator" else not bare:
            if lines:
                yield begin, {"text": "\n".join(lines).rstrip()}
            lines, size = [], 0
        elif lines or bare:
            if not lines:
                begin = number
            lines.append(line)
            size += len(line)
            if size > MAX_RECORD_BYTES:
                raise too_long(file, begin, "document from line")
    if lines:
        yield begin, {"text": "\n".join(lines).rstrip()}


def _whole(file: DataFile, stream: ByteStream) -> Iterator[tuple[int, dict[str, str]]]:
    data = bytearray()
    while chunk := stream.read(1 << 20):
        data += chunk
        if len(data) > MAX_RECORD_BYTES:
            raise too_long(file, 1, "document from line")
    text = decode(bytes(data), file, 1, 0).replace("\r\n", "\n").strip("\n")
    if text.strip():
        yield 1, {"text": text}
