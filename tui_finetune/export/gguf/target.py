"""Export as a GGUF file, which llama.cpp, Ollama, LM Studio and others run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.export.evaluation import evaluation_documents, loss_on
from tui_finetune.export.gguf.quantize import KINDS, quantize_file, round_weights
from tui_finetune.export.gguf.support import check_converter, check_convertible, mended, pre_tokenizer
from tui_finetune.export.merged import check_mergeable, whole_model, write_whole
from tui_finetune.export.subject import Subject
from tui_finetune.export.subprocesses import run_python
from tui_finetune.export.target import PLACE, Forecast, Made, Target
from tui_finetune.models.adapters import is_adapter
from tui_finetune.models.facts import read_json
from tui_finetune.system.progress import Report

CONVERTER = "tui_finetune.export.gguf.converter"
MERGED = ".merged"
_COST = {"f16": "as good as exact", "q8_0": "nearly exact", "q5_0": "a little worse", "q4_0": "noticeably worse"}


class Gguf(Target):
    """One file. `kind` is its number format, a name of KINDS."""

    name = "gguf"
    title = "one file for llama.cpp, Ollama and LM Studio"
    OPTIONS = ("kind",)

    def __init__(self, kind: str = "f16") -> None:
        super().__init__()
        self.kind = kind

    @property
    def label(self) -> str:
        return f"gguf {self.kind}"

    @property
    def suffix(self) -> str:
        return f"-{self.kind}.gguf"

    def check(self, subject: Subject) -> None:
        check_converter()
        check_mergeable(subject)
        check_convertible(subject.located.folder, subject.located.own_folder)
        subject.check_sound()

    def forecast(self, subject: Subject) -> Forecast:
        parameters = subject.facts.parameters
        if parameters is None:
            return Forecast()
        size = int(parameters * KINDS[self.kind] / 8)
        # The converter's imports; then reading, writing and, with fewer bits, rounding and two evaluations in fp32.
        evaluation = 0.0 if self.kind == "f16" else parameters / 4e6
        tokenizer = subject.located.own_folder / "tokenizer.json"
        words = tokenizer.stat().st_size // 2 if tokenizer.is_file() else 2_000_000
        return Forecast(size + words, 12 + parameters * 2 / 2e8 + evaluation)

    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        file = draft / f"{subject.name}{self.suffix}"
        folder, notes = _whole_folder(subject, draft, report)
        convert(folder, file, self.kind, subject.name, draft, report)
        check_file(file, folder)
        notes += [f"{self.kind}: {_COST[self.kind]}.", *_cost(subject, folder, self.kind, report)]
        shutil.rmtree(draft / MERGED, ignore_errors=True)
        if self.kind == "f16":
            notes.append("--type q8_0 makes half the size; it says what that costs.")
        return Made(notes=tuple(notes), commands=serving(PLACE))


def _whole_folder(subject: Subject, work: Path, report: Report) -> tuple[Path, list[str]]:
    """The folder of the whole model, an adapter merged on the way; and what is to be said about that."""
    if not is_adapter(subject.folder):
        return subject.folder, []
    whole = whole_model(subject, report)
    (work / MERGED).mkdir()
    write_whole(whole, work / MERGED, report)
    return work / MERGED, list(whole.notes)


def serving(file: str) -> tuple[str, ...]:
    """How llama.cpp runs a GGUF file."""
    return (f"llama-cli -m {file}", f"llama-server -m {file} --port 8080")


def convert(folder: Path, file: Path, kind: str, name: str, work: Path, report: Report) -> None:
    """Write a model's folder as a GGUF file.

    Args:
        folder: as save_pretrained writes it.
        file: the new file.
        kind: a name of KINDS.
        name: what the model is called in the file.
        work: a folder for what is needed on the way, and gone at the end.
        report: told how far it is; may raise Cancelled.

    Raises:
        UserError: the converter failed.
    """
    copy = work / ".model"
    copy.mkdir()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != "config.json":
            os.symlink(path.absolute(), copy / path.name)
    (copy / "config.json").write_text(json.dumps(mended(read_json(folder / "config.json"))), encoding="utf-8")
    pre = pre_tokenizer(folder)
    direct = kind in {"f16", "q8_0"}
    first = file if direct else copy / "f16.gguf"
    arguments = ["-m", CONVERTER, str(copy), str(first), kind if direct else "f16", name, *([pre] if pre else [])]
    status, output = run_python(arguments, report=report, doing="converting")
    if status or not first.is_file():
        raise UserError(
            f"the converter to GGUF failed: {_reason(output)}", "--to merged makes a folder for transformers"
        )
    if not direct:
        quantize_file(first, file, kind, report)
    shutil.rmtree(copy)


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def check_file(file: Path, folder: Path) -> None:
    """Read a GGUF file back, and compare what is in it with the model's folder; raises UserError where it differs."""
    from gguf import GGUFReader, quants

    facts = read_json(folder / "config.json")
    try:
        reader = GGUFReader(file)
        embeddings = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
        values = quants.dequantize(embeddings.data, embeddings.tensor_type)
        field = reader.get_field("tokenizer.ggml.tokens")
        tokens = len(field.data) if field is not None else 0
    except (OSError, ValueError, StopIteration, IndexError) as error:
        raise UserError(f"the GGUF file can't be read back: {error}", "try again; the disk may be failing") from error
    difference = _difference(values, folder)
    if tokens != values.shape[0] or facts.get("vocab_size") not in {None, tokens} or difference > 0.02:
        raise UserError(
            "the GGUF file is not what the model is: its embeddings or its tokens differ",
            "the converter doesn't suit this model; --to merged makes a folder for transformers",
        )


def _difference(values: object, folder: Path) -> float:
    """How far embeddings are from those in a model's folder, relative to their size."""
    import numpy as np
    import torch
    from safetensors import safe_open

    from tui_finetune.models.weights import weight_files

    given = torch.from_numpy(np.ascontiguousarray(values))
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118  # no mapping
                if name.endswith(("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight")):
                    own = file.get_tensor(name).float()
                    if own.shape != given.shape:
                        return 1.0
                    return float((own - given).norm() / own.norm().clamp(min=1e-12))
    return 0.0


def _cost(subject: Subject, folder: Path, kind: str, report: Report) -> list[str]:
    """What a number format costs in loss, measured on documents that the run was evaluated on."""
    if kind == "f16":
        return []
    import torch
    from transformers import AutoModelForCausalLM

    from tui_finetune.system.libraries import quiet

    documents = evaluation_documents(subject, report)
    if not documents:
        return ["What it costs in loss was not measured, as the data of the run is gone."]
    with quiet(report):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    before = loss_on(model, documents, report)
    round_weights(model, kind, report)
    after = loss_on(model, documents, report)
    return [f"Evaluation loss with these weights: {after:.4f}, with those of the model: {before:.4f}."]
