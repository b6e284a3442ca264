"""What strangers may hand over, made by chance from a seed: models, data, configurations, event logs, control folders.

Each is something good with a fault put into it: a value of another kind, a part cut off, bytes changed, a bomb, a file
that is none.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

ESCAPE = "\x1b]0;owned\x07\x9b31m"
VALUES: list[Any] = [
    "big", "", ESCAPE, -1, 0, 7, 1.5, 10**18, int("9" * 4000), float("nan"), float("inf"), None, True, [], [1, "a"], {},
    {"type": ESCAPE}, {"type": "linear", "factor": "x"}, [[[[[]]]]],
]  # fmt: skip
BOMBS = [
    "{{ 'a' * 3000000000 }}", "{{ '%1000000000d' % 1 }}", "{{ messages | tojson(indent=100000000) }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "{{ raise_exception('" + "x" * 9 + "') }}",
    "{% if %}", "{{ ''.__class__.__mro__ }}", "{{ messages[99].content }}", "(" * 5000, ESCAPE,
]  # fmt: skip
YAML_BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes with one thing wrong."""
    place = chance.randrange(len(content) or 1)
    noise = bytes(chance.randrange(256) for _ in range(chance.choice([1, 8, 100])))
    ways: list[Callable[[], bytes]] = [
        lambda: content[:place],
        lambda: b"",
        lambda: content[:place] + noise + content[place + len(noise) :],
        lambda: content[:place] + noise + content[place:],
        lambda: content[place:] + content[:place],
        lambda: content.decode("utf-8", "replace").encode("utf-16"),
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content[:place] + ESCAPE.encode() + content[place:],
        lambda: content[:place] + b"\0" + content[place:],
        lambda: b"[" * 100_000 + content,
        lambda: content.replace(b"1", b"9" * 5000),
        lambda: noise * 50,
    ]
    return chance.choice(ways)()


def no_file(path: Path, chance: random.Random) -> None:
    """Put something else in a file's place."""
    path.unlink(missing_ok=True)
    way = chance.randrange(5)
    if way == 0:
        os.mkfifo(path)
    elif way == 1:
        path.symlink_to("nowhere")
    elif way == 2:
        path.symlink_to("/dev/zero")
    elif way == 3:
        path.mkdir()
    else:
        path.symlink_to(path.name)


def model(folder: Path, good: Path, chance: random.Random) -> Path:
    """A model's folder with a fault in it."""
    shutil.copytree(good, folder)
    files = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "generation_config.json"]
    way = chance.randrange(10)
    if way < 4:  # a value of config.json
        config = json.loads((folder / "config.json").read_text())
        key = chance.choice([*config, "rope_scaling", "text_config", "auto_map", "quantization_config", "dtype"])
        if chance.random() < 0.2:
            config.pop(key, None)
        else:
            config[key] = chance.choice(VALUES)
        (folder / "config.json").write_text(json.dumps(config))
    elif way < 7:  # bytes of a file
        path = folder / chance.choice(files)
        path.write_bytes(damaged(path.read_bytes() if path.is_file() else b"{}", chance))
    elif way == 7:  # a chat template
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        settings["chat_template"] = chance.choice([*BOMBS, *VALUES])
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    elif way == 8:
        no_file(folder / chance.choice(files), chance)
    else:
        (folder / "README.md").write_text(f"---\n{YAML_BOMB}\nlicense: {ESCAPE}\n---\n")
        (folder / "finetune-tui.yaml").write_text(
            chance.choice([YAML_BOMB, "lr: [", "learning_rate: " + "9" * 4000, ESCAPE])
        )
    return folder


def data(folder: Path, chance: random.Random) -> Path:
    """A file of data with a fault in it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = [{"text": f"the old lamp {n}", "n": n} for n in range(40)]
    turns: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": f"q {n}"}, {"role": "assistant", "content": "a"}]} for n in range(20)
    ]
    kind = chance.choice(["jsonl", "json", "csv", "tsv", "txt", "md", "parquet", "arrow", "jsonl.gz", "txt.gz"])
    path = folder / f"d.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "arrow":
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_stream(str(path), table.schema) as file:
            file.write_table(table)
    else:
        chosen: list[dict[str, Any]] = chance.choice([rows, turns])
        content = "\n".join(json.dumps(row) for row in chosen)
        if kind == "json":
            content = json.dumps(chosen)
        elif kind in {"csv", "tsv"}:
            sign = "," if kind == "csv" else "\t"
            content = "\n".join([f"text{sign}n", *(f"{row['text']}{sign}{row['n']}" for row in rows)])
        written = content.encode()
        if kind.endswith(".gz"):
            written = gzip.compress(damaged(written, chance) if chance.random() < 0.5 else b"\n" * 70_000_000)
        path.write_bytes(written)
    if chance.random() < 0.1:
        no_file(path, chance)
    elif chance.random() < 0.9:
        path.write_bytes(damaged(path.read_bytes(), chance))
    return path


def configuration(folder: Path, chance: random.Random) -> Path:
    """A configuration with a fault in it."""
    from tui_finetune.config.schema import settings

    folder.mkdir(parents=True)
    path = folder / "c.yaml"
    lines = [
        f"{chance.choice(list(settings()))}: {json.dumps(chance.choice(VALUES))}" for _ in range(chance.randrange(1, 4))
    ]
    text = "\n".join(["seed: 1", *lines])
    way = chance.randrange(6)
    if way == 0:
        text += f"\nlearning_rate: {'[' * 3000}"
    elif way == 1:
        text = YAML_BOMB
    path.write_bytes(damaged(text.encode(), chance) if way in {2, 3} else text.encode())
    if way == 4 and chance.random() < 0.5:
        no_file(path, chance)
    return path


def event_log(runs: Path, good: Path, number: int, chance: random.Random) -> Path:
    """A run whose event log has a fault in it."""
    run = runs / f"run-{number}"
    shutil.copytree(good, run)
    path = run / "events.jsonl"
    lines = path.read_bytes().splitlines()
    place = chance.randrange(len(lines))
    fields = json.loads(lines[place])
    fields[chance.choice(list(fields))] = chance.choice(VALUES)
    way = chance.randrange(4)
    if way == 0:
        path.write_bytes(damaged(path.read_bytes(), chance))
    elif way == 1 and chance.random() < 0.5:
        no_file(path, chance)
    else:
        lines[place] = json.dumps(fields).encode()
        path.write_bytes(b"\n".join(lines) + b"\n")
    return run


def control_folder(folder: Path, chance: random.Random) -> Path:
    """A folder of requests, none of which is a good one."""
    folder.mkdir(parents=True)
    good = json.dumps({"action": "sample", "id": "1", "prompt": "x"}).encode()
    for number in range(chance.randrange(1, 30)):
        path = folder / f"{number:020}-{chance.choice(['a', ESCAPE[2:6], 'é'])}.json"
        path.write_bytes(damaged(good, chance))
        if chance.random() < 0.3:
            no_file(path, chance)
    return folder
