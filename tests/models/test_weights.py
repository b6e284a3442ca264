"""Weights by their headers: what is whole, what is counted, what is never opened."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tui_finetune.errors import UserError
from tui_finetune.models.weights import count_parameters, read_header, read_weights, weight_files


def write_safetensors(path, shapes, *, cut=0, dtype="F32"):
    """A safetensors file of zeros with tensors of these shapes, made by hand."""
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(end)
    path.write_bytes(data[: len(data) - cut])


def test_a_whole_file_tells_its_tensors(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", {"a": (2, 3), "b": (4,)})
    assert [(t.name, t.size) for t in read_weights(tmp_path)] == [("a", 6), ("b", 4)]


@pytest.mark.parametrize("cut", [1, 30, 60, 200])
def test_a_file_cut_short_is_named(tmp_path: Path, cut: int) -> None:
    write_safetensors(tmp_path / "model.safetensors", {"a": (2, 3), "b": (4,)}, cut=cut)
    with pytest.raises(UserError, match=r"model\.safetensors: the file is cut short"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\x05" + bytes(7) + b"hello", b"\x02" + bytes(7) + b"[]", b"{" * 500]
)
def test_a_file_that_is_something_else_is_a_plain_error(tmp_path: Path, content: Any) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors"):
        read_header(tmp_path / "model.safetensors")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    write_safetensors(tmp_path / names[0], {"a": (2,)})
    with pytest.raises(UserError, match="model-00002-of-00002"):
        weight_files(tmp_path)
    write_safetensors(tmp_path / names[1], {"b": (3,)})
    assert sum(t.size for t in read_weights(tmp_path)) == 5


def test_an_index_can_not_point_outside_its_folder(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "secret.safetensors", {"a": (2,)})
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(UserError, match="index"):
        weight_files(folder)


def test_pickled_weights_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(UserError, match=r"pickle \(pytorch_model\.bin\)") as caught:
        weight_files(tmp_path)
    assert "safetensors" in caught.value.remedy


def test_tied_weights_and_buffers_count_once_and_not_at_all(tmp_path: Path) -> None:
    shapes = {
        "transformer.wte.weight": (10, 4),
        "lm_head.weight": (10, 4),
        "transformer.h.0.attn.bias": (1, 1, 8, 8),
        "transformer.h.0.attn.masked_bias": (),
        "model.rotary_emb.inv_freq": (2,),
        "transformer.ln_f.bias": (4,),
    }
    write_safetensors(tmp_path / "model.safetensors", shapes)
    tensors = read_weights(tmp_path)
    assert count_parameters(tensors, tied=True) == 44
    assert count_parameters(tensors, tied=False) == 84
