"""Models and data by their names on the hub, through the real from_pretrained and load_dataset, from a hub on loopback."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.hub import Hub
from tests.tiny import make_model, sentences, write_jsonl

MODEL = "PingVortex/VLM-1"
DATA = "stas/openwebtext-10k"

LOAD = f"""
import json
from tui_finetune.errors import UserError
from tui_finetune.models.loading import load_model, load_tokenizer
from tui_finetune.models.located import locate
calls = []
try:
    located = locate({MODEL!r}, report=lambda *call: calls.append(call))
    tokenizer = load_tokenizer(located)
    model = load_model(located, tokenizer=tokenizer, report=lambda *call: calls.append(call))
    print(json.dumps({{"parameters": model.num_parameters(), "pad": tokenizer.pad_token, "calls": calls}}))
except UserError as error:
    print(json.dumps({{"error": error.message, "remedy": error.remedy, "setting": error.setting}}))
"""

REFUSE = f"""
import json
from tui_finetune.errors import UserError
from tui_finetune.models.loading import load_model
from tui_finetune.models.located import locate
try:
    load_model(locate({MODEL!r}, weights=False))
except UserError as error:
    print(json.dumps({{"error": error.message, "remedy": error.remedy, "setting": error.setting}}))
"""

FETCH = f"""
import json, time
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.models.download import fetch
def report(done, total, unit):
    if CANCEL:
        raise Cancelled
began = time.monotonic()
try:
    print(json.dumps({{"folder": str(fetch({MODEL!r}, report=report, patience=PATIENCE))}}))
except UserError as error:
    print(json.dumps({{"error": error.message, "remedy": error.remedy, "seconds": time.monotonic() - began}}))
except Cancelled:
    print(json.dumps({{"cancelled": time.monotonic() - began}}))
"""


def fetch(hub, home, *, cancel=False, patience=30.0, **environment):
    code = f"CANCEL = {cancel}\nPATIENCE = {patience}\n" + FETCH
    return answer(hub.run(code, home, **environment))


def answer(process):
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("hub")
    make_model(base / "model")
    (base / "model" / "README.md").write_text("---\nlicense: mit\n---\n")
    # What is not needed must not be downloaded.
    (base / "model" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (base / "model" / "onnx").mkdir()
    (base / "model" / "onnx" / "model.safetensors").write_bytes(b"")
    (base / "data" / "data").mkdir(parents=True)
    write_jsonl(base / "data" / "data" / "train.jsonl", sentences(30))
    (base / "data" / "README.md").write_text("---\nlicense: mit\n---\n")
    return base


@pytest.fixture
def hub(folders):
    with Hub({MODEL: folders / "model"}, {DATA: folders / "data"}) as serving:
        yield serving


def test_the_libraries_own_calls_work_by_these_names(hub: Any, tmp_path: Path) -> None:
    """What the tutorial's script does, to know that the hub here is near enough to the real one."""
    code = f"""
from transformers import AutoModelForCausalLM, AutoTokenizer
from datasets import load_dataset
model = AutoModelForCausalLM.from_pretrained({MODEL!r})
tokenizer = AutoTokenizer.from_pretrained({MODEL!r})
rows = load_dataset({DATA!r}, split="train")
print(model.num_parameters() > 0, tokenizer.eos_token, len(rows), rows.column_names)
"""
    process = hub.run(code, tmp_path)
    assert process.stdout == "True <|endoftext|> 30 ['text']\n", process.stderr


def test_a_model_is_loaded_by_name_and_again_without_the_hub(hub: Any, tmp_path: Path) -> None:
    first = answer(hub.run(LOAD, tmp_path))
    assert first["parameters"] > 0
    assert first["pad"] == "<|endoftext|>"
    assert any(unit == "B" and done == total for done, total, unit in first["calls"])
    asked = " ".join(hub.requests)
    assert "/model.safetensors" in asked
    assert "pytorch_model.bin" not in asked
    assert "onnx" not in asked
    before = len(hub.requests)
    folder = fetch(hub, tmp_path)["folder"]
    assert not [request for request in hub.requests[before:] if "/resolve/" in request]
    hub.fault = "broken"
    assert fetch(hub, tmp_path)["folder"] == folder
    hub.close()
    assert fetch(hub, tmp_path)["folder"] == folder


def test_a_new_version_is_seen_and_only_what_changed_is_downloaded(hub: Any, tmp_path: Path, folders: Any) -> None:
    model = tmp_path / "model"
    shutil.copytree(folders / "model", model)
    hub.repositories["models"][MODEL] = model
    old = fetch(hub, tmp_path)["folder"]
    (model / "README.md").write_text("changed")
    hub.requests.clear()
    new = Path(fetch(hub, tmp_path)["folder"])
    assert str(new) != old
    assert (new / "README.md").read_text() == "changed"
    assert (new / "model.safetensors").is_file()
    assert not [request for request in hub.requests if request.startswith("GET") and "safetensors" in request]


@pytest.mark.parametrize(
    ("fault", "message", "remedy"),
    [
        ("missing", "there is no model", "spelling"),
        ("login", "refused the login", "hf auth login"),
        ("gated", "is gated", "ask for access"),
        ("broken", "status 500", "try again later"),
        ("busy", "too many requests", "wait a few minutes"),
        ("slow", "took too long", "starter"),
        ("refused", "can't be reached", "starter"),
        ("offline", "HF_HUB_OFFLINE", "unset HF_HUB_OFFLINE"),
    ],
)
def test_each_fault_of_the_hub_is_said_plainly_and_soon(
    hub: Any, tmp_path: Path, fault: str, message: str, remedy: str
) -> None:
    environment = {}
    if fault == "refused":
        hub.close()
    elif fault == "offline":
        environment["HF_HUB_OFFLINE"] = "1"
    else:
        hub.fault = fault
    patience = 2.0 if fault == "slow" else 30.0
    said = fetch(hub, tmp_path, patience=patience, **environment)
    assert message in said["error"]
    assert MODEL in said["error"] or fault in {"broken", "busy"}
    assert remedy in said["remedy"]
    assert said["seconds"] < 15


def test_an_unknown_name_is_said_to_be_unknown(hub: Any, tmp_path: Path) -> None:
    hub.repositories["models"].clear()
    said = answer(hub.run(REFUSE, tmp_path))
    assert f"there is no model '{MODEL}'" in said["error"]
    assert said["setting"] == "model_name_or_path"


def test_a_download_that_stands_still_is_given_up_and_goes_on_later(hub: Any, tmp_path: Path) -> None:
    hub.slow_files = 60.0
    began = time.monotonic()
    assert "took too long" in fetch(hub, tmp_path, patience=1.0)["error"]
    assert time.monotonic() - began < 30  # the process ends, although the download is under way
    hub.slow_files = 0.0
    assert "folder" in fetch(hub, tmp_path)


def test_a_download_can_be_cancelled_while_the_hub_is_slow(hub: Any, tmp_path: Path) -> None:
    hub.slow_files = 60.0
    assert fetch(hub, tmp_path, cancel=True)["cancelled"] < 10


def test_a_download_that_is_cut_off_goes_on_where_it_was(hub: Any, tmp_path: Path, folders: Any) -> None:
    hub.cut = 2
    folder = Path(fetch(hub, tmp_path)["folder"])
    assert hub.cut == 0
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (folder / name).read_bytes() == (folders / "model" / name).read_bytes()


def test_a_model_with_only_pickled_weights_is_refused_before_they_are_downloaded(
    hub: Any, tmp_path: Path, folders: Any
) -> None:
    model = tmp_path / "pickled"
    model.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "pytorch_model.bin"):
        (model / name).write_bytes((folders / "model" / name).read_bytes())
    hub.repositories["models"][MODEL] = model
    said = answer(hub.run(REFUSE, tmp_path / "home"))
    assert "pickle (pytorch_model.bin)" in said["error"]
    assert not [request for request in hub.requests if "pytorch_model.bin" in request]


def test_an_encoder_is_refused_before_its_weights_are_downloaded(hub: Any, tmp_path: Path, folders: Any) -> None:
    model = tmp_path / "encoder"
    model.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        (model / name).write_bytes((folders / "model" / name).read_bytes())
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    hub.repositories["models"][MODEL] = model
    assert "left to right" in answer(hub.run(REFUSE, tmp_path / "home"))["error"]
    assert not [request for request in hub.requests if "safetensors" in request]


def test_a_cache_that_can_not_be_written_to_is_named(hub: Any, tmp_path: Path) -> None:
    (tmp_path / "hf").write_text("a file where a directory should be")
    said = fetch(hub, tmp_path)
    assert str(tmp_path / "hf") in said["error"]
    assert "HF_HOME" in said["remedy"]


def test_the_hub_is_searched_and_facts_are_fetched_without_weights(hub: Any, tmp_path: Path) -> None:
    code = f"""
from tui_finetune.models.catalog import model_facts, search_hub
print([entry.name for entry in search_hub("vlm")], [entry.name for entry in search_hub("other")])
print(model_facts({MODEL!r}), model_facts({MODEL!r}, network=True).license)
"""
    process = hub.run(code, tmp_path)
    assert process.stdout == f"['{MODEL}'] []\nNone mit\n", process.stderr
    # The search asks for the counts of weights, which the hub knows; no file of weights is asked for.
    assert not [request for request in hub.requests if ".safetensors" in request]


def test_the_program_trains_from_these_names(hub: Any, tmp_path: Path) -> None:
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "tui_finetune",
            "train",
            "--model_name_or_path",
            MODEL,
            "--dataset_name",
            DATA,
            "--max_steps",
            "2",
            "--per_device_train_batch_size",
            "2",
        ],
        env=hub.environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    run = tmp_path / "runs" / "VLM-1-openwebtext-10k-1"
    for file in ("model.safetensors", "tokenizer.json", "training_plot.png"):
        assert (run / "final" / file).is_file()
    card = (run / "final" / "README.md").read_text()
    assert f"base_model: {MODEL}" in card
    assert f"- {DATA}" in card
