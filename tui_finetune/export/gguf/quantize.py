"""Number formats of GGUF files with fewer bits than 16, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from gguf import GGMLQuantizationType
    from transformers import PreTrainedModel

KINDS = {"f16": 16.0, "q8_0": 8.5, "q5_0": 5.5, "q4_0": 4.5}
"""Bits a weight takes. Blocks of 32 weights share a scale of 16 bits."""

BLOCK = 32
EMBEDDINGS = ("token_embd.weight", "output.weight")
"""Of these a few bits would cost most; they keep eight."""


def quantization(name: str, shape: tuple[int, ...], kind: str) -> GGMLQuantizationType | None:
    """The number format of a tensor in a GGUF file; None where it stays as it is.

    Args:
        name: the tensor's, in the file.
        shape: rows and columns; a block is of a row.
        kind: a name of KINDS.
    """
    from gguf import GGMLQuantizationType

    if (
        kind == "f16"
        or len(shape) < 2
        or shape[-1] % BLOCK
        or not name.endswith(".weight")
        or name == "position_embd.weight"
    ):
        return None
    found: GGMLQuantizationType = GGMLQuantizationType["Q8_0" if name in EMBEDDINGS else kind.upper()]
    return found


def quantize_file(source: Path, target: Path, kind: str, report: Report) -> None:
    """Write a GGUF file of 16 bits anew, with its matrices in another number format.

    Args:
        source: the file.
        target: the new one.
        kind: a name of KINDS.
        report: told of tensors done; may raise Cancelled.
    """
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, quants

    reader = GGUFReader(source)
    field = reader.get_field("general.architecture")
    assert field is not None
    writer = GGUFWriter(target, str(field.contents()))
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        value = field.contents()
        if field.name == "general.file_type":
            value = int(LlamaFileType[f"MOSTLY_{kind.upper()}"])
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, value, field.types[0], sub_type=inner)
    tick = Ticker(report, len(reader.tensors), "tensors")
    for number, tensor in enumerate(reader.tensors):
        shape = tuple(int(size) for size in reversed(tensor.shape.tolist()))
        wanted = quantization(tensor.name, shape, kind)
        if wanted is None or tensor.tensor_type not in {GGMLQuantizationType.F16, GGMLQuantizationType.F32}:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        else:
            data = quants.quantize(tensor.data.astype("float32"), wanted)
            writer.add_tensor(tensor.name, data, raw_dtype=wanted)
        tick(number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def round_weights(model: PreTrainedModel, kind: str, report: Report | None = None) -> None:
    """Round a model's weights as they are rounded in a GGUF file of that kind, to see what that costs.

    The matrices are those of the file but for the order of their rows, and a block is of one row.
    """
    import torch
    from gguf import GGMLQuantizationType, quants

    matrices = list(_matrices(model))
    tick = Ticker(report, len(matrices), "matrices")
    with torch.no_grad():
        for number, (weights, transposed, name) in enumerate(matrices):
            rows = weights.T if transposed else weights
            wanted = quantization(name, tuple(rows.shape), kind) or GGMLQuantizationType.F16
            data: npt.NDArray[np.float32] = rows.float().contiguous().numpy()
            rounded = torch.from_numpy(
                quants.dequantize(quants.quantize(data, wanted), wanted).reshape(data.shape).copy()
            )
            weights.copy_(rounded.T if transposed else rounded)
            tick(number)


def _matrices(model: PreTrainedModel) -> Iterator[tuple[torch.Tensor, bool, str]]:
    """The matrices of a model, each once, with whether it lies transposed, and a name that says whether it is an embedding."""
    from transformers.pytorch_utils import Conv1D

    seen: set[int] = set()
    ends = {
        id(module) for module in (model.get_input_embeddings(), model.get_output_embeddings()) if module is not None
    }
    for module in model.modules():
        weights = getattr(module, "weight", None)
        if weights is None or weights.ndim != 2 or id(weights) in seen:
            continue
        seen.add(id(weights))
        positions = type(module).__name__ == "Embedding" and id(module) not in ends
        name = EMBEDDINGS[0] if id(module) in ends else "position_embd.weight" if positions else "blk.weight"
        yield weights, isinstance(module, Conv1D), name
