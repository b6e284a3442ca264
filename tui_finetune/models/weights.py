"""Files of weights, by their headers: what is in them and whether they are whole. No torch.

A safetensors file is eight bytes with the length of the header (little endian), the header (JSON: for each tensor its
dtype, shape and offsets in the rest) and the tensors' bytes. Nothing in it can run code, unlike the pickled .bin files,
which are never opened here.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from tui_finetune.errors import UserError

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
MAX_HEADER_BYTES = 100_000_000
MAX_INDEX_BYTES = 100_000_000

_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.bin")
# Masks and tables that old checkpoints carry along: they are made anew on loading and are no parameters.
_BUFFERS = re.compile(r"(rotary_emb\.inv_freq|\.masked_bias|position_ids)$")
_MASKS = re.compile(r"\.(attn|attention)\.bias$")


@dataclass(frozen=True)
class Tensor:
    """One tensor in a file's header."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_parameter(self) -> bool:
        return not _BUFFERS.search(self.name) and not (_MASKS.search(self.name) and len(self.shape) == 4)


def _damaged(path: Path, why: str) -> UserError:
    return UserError(
        f"{path}: {why}", "copy or download the model again; the file is incomplete", setting="model_name_or_path"
    )


def no_safetensors(name: str, pickled: str | None) -> UserError:
    """What to say about a model without safetensors; ``pickled`` is the file that it has its weights in instead."""
    if pickled is None:
        return UserError(
            f"{name} has no weights (no {SINGLE_FILE})",
            "name a model as save_pretrained writes it",
            setting="model_name_or_path",
        )
    return UserError(
        f"{name} has its weights only as a pickle ({pickled}), which can run code when it is opened",
        "choose a model with .safetensors weights, or convert it where you trust it (save_pretrained writes them)",
        setting="model_name_or_path",
    )


def read_header(path: Path) -> list[Tensor]:
    """The tensors in a safetensors file.

    Raises:
        UserError: the file is cut short, or no safetensors file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or size < 8 + length:
                raise _damaged(path, f"the file is cut short ({size:,} bytes)")
            if length > MAX_HEADER_BYTES:
                raise _damaged(path, "this is not a safetensors file")
            header = json.loads(file.read(length))
        tensors = []
        end = 0
        for name, entry in header.items():
            if name != "__metadata__":
                tensors.append(Tensor(name, str(entry["dtype"]), tuple(int(n) for n in entry["shape"])))
                end = max(end, int(entry["data_offsets"][1]))
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "check that the file is there and may be read", setting="model_name_or_path"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise _damaged(path, "this is not a safetensors file") from None
    if size < 8 + length + end:
        raise _damaged(path, f"the file is cut short: it has {size:,} of {8 + length + end:,} bytes")
    return tensors


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that hold a model's weights.

    Raises:
        UserError: there are none, one is missing, or there are only pickled weights.
    """
    if (folder / SINGLE_FILE).is_file():
        return [folder / SINGLE_FILE]
    index = folder / INDEX_FILE
    if index.is_file():
        try:
            if index.stat().st_size > MAX_INDEX_BYTES:
                raise ValueError
            names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
            if any(Path(name).name != name for name in names):  # nothing outside the folder is read
                raise ValueError
            paths = [folder / name for name in names]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise _damaged(index, "this is not an index of weights") from None
        for path in paths:
            if not path.is_file():
                raise _damaged(path, f"there is no such file, but {INDEX_FILE} names it")
        return paths
    pickled = next((path.name for pattern in _PICKLES for path in sorted(folder.glob(pattern))), None)
    raise no_safetensors(str(folder), pickled)


def read_weights(folder: Path) -> list[Tensor]:
    """All tensors of a model's folder; raises UserError, which names the file, where one is missing or not whole."""
    return [tensor for path in weight_files(folder) for tensor in read_header(path)]


def count_parameters(tensors: list[Tensor], *, tied: bool) -> int:
    """The number of parameters.

    Args:
        tensors: the tensors in the files.
        tied: the output layer is the input embedding, so it counts once even where a file holds it twice.
    """
    return sum(tensor.size for tensor in parameters_of(tensors, tied=tied))


def parameters_of(tensors: list[Tensor], *, tied: bool) -> tuple[Tensor, ...]:
    """The parameters among a model's tensors; arguments as for `count_parameters`."""
    parameters = [tensor for tensor in tensors if tensor.is_parameter]
    embeddings = {
        t.shape for t in parameters if t.name.endswith(("embed_tokens.weight", "wte.weight", "embed_in.weight"))
    }
    return tuple(
        t
        for t in parameters
        if not (tied and t.name.endswith(("lm_head.weight", "embed_out.weight")) and t.shape in embeddings)
    )


def weights_sha256(folder: Path) -> str:
    """A hash of all that is in a model's files of weights, whatever they are called.

    Files in the hub's cache are called by their hash, which is taken; others are read, a second or so for each gigabyte.

    Raises:
        UserError: the folder has no weights.
        OSError: they can't be read.
    """
    hashes = sorted(_named_hash(path) or _file_sha256(path) for path in weight_files(folder))
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _named_hash(path: Path) -> str | None:
    blob = path.resolve()
    return blob.name if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name) else None


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()
