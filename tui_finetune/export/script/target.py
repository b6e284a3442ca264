"""Export as a script: train.py, which gives the same losses, and beside it what it needs."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.names import STARTER
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.export.folder import DTYPES
from tui_finetune.export.merged import TORCH_DTYPES
from tui_finetune.export.rows import RunRows, check_data, data_bytes, rows_of
from tui_finetune.export.script.build import Recipe, check_settings, script
from tui_finetune.export.subject import Subject
from tui_finetune.export.target import PLACE, Forecast, Made, Target
from tui_finetune.models.adapters import is_adapter
from tui_finetune.models.devices import device_facts, resolve_precision
from tui_finetune.models.methods.choose import method_of
from tui_finetune.models.methods.lora import Lora
from tui_finetune.models.methods.method import Method
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.prepare import PreparedData
    from tui_finetune.models.devices import Precision

SCRIPT = "train.py"
DATA = "data.jsonl"
TEMPLATE = "chat_template.jinja"
ROWS = "rows"
MODEL_COPY = "starter"

_OTHERWISE = "How they were made is beyond a short script."
_LIBRARIES = ("peft", "torch", "transformers", "datasets", "accelerate")


class Script(Target):
    """One script that trains as the run did."""

    name = "script"
    title = "train.py, a plain training script that gives the same losses, with its data"

    def forecast(self, subject: Subject) -> Forecast:
        size = data_bytes(subject.config)
        # The time is that of reading twice, for the script's rows are compared with the run's.
        return Forecast(None, None) if size is None else Forecast(size, 8 + size / 1e6)

    def check(self, subject: Subject) -> None:
        check_settings(subject.config)
        check_data(subject.config)
        named = Path(subject.config.model_name_or_path).expanduser()
        if is_adapter(named):
            raise UserError(
                f"a script can't continue the adapter {named} yet", "merge it first, and train that: --to merged"
            )

    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        rows = rows_of(subject, report)
        data = rows.prepared(report)
        recipe = _recipe(subject, rows, data)
        config = rows.config.model_copy(update={"max_length": rows.max_length})
        if not rows.several:
            rows.write_documents(draft / DATA, report)
        if recipe.in_folder:
            shutil.copytree(
                rows.base.folder, draft / MODEL_COPY, ignore=shutil.ignore_patterns("*.md", "finetune-tui.yaml")
            )
        if recipe.own_template and data.chat_template is not None:
            (draft / TEMPLATE).write_text(data.chat_template, encoding="utf-8")
        (draft / SCRIPT).write_text(script(config, recipe), encoding="utf-8")
        report(0, None, "comparing the script's rows with the run's")
        notes = ["Its rows were compared with the run's: they are the same, token for token."]
        why = "they are of several data sets" if rows.several else _difference(draft / SCRIPT, data)
        if why:
            recipe = replace(recipe, ready=_OTHERWISE)
            (draft / DATA).unlink(missing_ok=True)
            (draft / TEMPLATE).unlink(missing_ok=True)
            recipe = replace(recipe, own_template=False)
            save_rows(data, draft / ROWS)
            (draft / SCRIPT).write_text(script(config, recipe), encoding="utf-8")
            notes = [
                f"The rows are taken as tokens from the folder {ROWS}, as a short script would make others ({why})."
            ]
        if config.chunked_cross_entropy:
            notes.append(
                "The run computed its loss in chunks of tokens, the script does at once: losses differ by rounding."
            )
        if not recipe.in_folder and recipe.revision is None:
            notes.append(f"It loads the model from {recipe.model}.")
        return Made(notes=tuple(notes), commands=(f"cd {PLACE} && python {SCRIPT}",))


def _recipe(subject: Subject, rows: RunRows, data: PreparedData) -> Recipe:
    config, shape, base = rows.config, rows.transform.shape, rows.base
    adapts = method_of(config).trains_adapter
    end, method = data.end_token, method_of(config)
    precision = _precision(config)
    return Recipe(
        run_name=subject.run.name,
        model=MODEL_COPY if base.name == STARTER else base.name if base.revision else str(base.folder.absolute()),
        revision=base.revision,
        in_folder=base.name == STARTER,
        format="conversation" if shape.turns else "text" if shape.name == "text" else "completion",
        plain=rows.plain,
        packed=data.packed,
        evaluates=data.evaluation is not None and len(data.evaluation) > 0,
        precision=precision,
        dtype=TORCH_DTYPES[method.base_dtype(precision)],
        lora=_lora(method) if isinstance(method, Lora) else {},
        packing=_packing(method, precision),
        save_dtype=_save_dtype(config, base.facts().dtype),
        own_template=data.chat_template is not None,
        end_of_turn="" if end is None else str(rows.tokenizer.convert_ids_to_tokens(end)),
        end_id=end if end not in {None, rows.tokenizer.eos_token_id} else None,
        has_end=rows.tokenizer.eos_token_id is not None,
        versions=" ".join(version for version in _versions() if adapts or not version.startswith("peft")),
    )


def _precision(config: RunConfig) -> Precision:
    """The number format of the run's computation; a run of before that left it to the CPU computed in fp32."""
    device = device_facts()
    wanted = "fp32" if config.precision == "auto" and device.kind == "cpu" else config.precision
    return resolve_precision(wanted, device)[0]


def _lora(method: Lora) -> dict[str, object]:
    """What LoraConfig is given, without what it does by itself."""
    config = method.config
    always = {"r": config.lora_r, "lora_alpha": method.alpha, "target_modules": method.targets}
    other = {"lora_dropout": config.lora_dropout, "use_dora": config.use_dora, "use_rslora": config.use_rslora}
    return always | {name: value for name, value in other.items() if value}


def _packing(method: Method, precision: Precision) -> dict[str, object]:
    """What BitsAndBytesConfig is given."""
    if method.quantization == "none":
        return {}
    if method.quantization == "int8":
        return {"load_in_8bit": True}
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": method.config.double_quantization,
        "bnb_4bit_compute_dtype": TORCH_DTYPES[precision],
    }


def _save_dtype(config: RunConfig, base: str | None) -> str:
    name = DTYPES.get(base or "", "fp32") if config.save_dtype == "auto" else config.save_dtype
    return TORCH_DTYPES[name]


def _versions() -> list[str]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return found


def save_rows(data: PreparedData, folder: Path) -> None:
    """Save the rows of tokens, `train` and `evaluation`, as datasets' load_from_disk reads them."""
    from datasets import DatasetDict

    parts = {"train": data.train, "evaluation": data.evaluation}
    DatasetDict({name: part.with_format(None) for name, part in parts.items() if part is not None}).save_to_disk(folder)


def _difference(script_path: Path, data: PreparedData) -> str:
    """What differs between the rows that a script makes and those of the run; '' where nothing does."""
    try:
        defined = runpy.run_path(str(script_path), run_name="train")
        theirs = defined["make_rows"](defined["load_tokenizer"]())
    except Exception:  # whatever a chat template may raise
        return "it could not make them"
    for name, part, their in zip(("training", "evaluation"), (data.train, data.evaluation), theirs, strict=True):
        if part is None or their is None:
            if part is not their:
                return f"it had other {name} rows"
        elif not _same(part.with_format(None), their):
            return f"it had other {name} rows"
    return ""


def _same(part: Dataset, their: Dataset) -> bool:
    return len(part) == len(their) and all(
        _values(row) == _values(other) for row, other in zip(part, their, strict=True)
    )


def _values(row: Mapping[str, Sequence[int]]) -> list[list[int]]:
    """The columns of a row that are trained on, without what it is filled up with."""
    kept = row.get("attention_mask") or [1] * len(row["input_ids"])
    names = [name for name in ("input_ids", "position_ids", "labels") if name in row]
    return [[value for value, keep in zip(row[name], kept, strict=True) if keep] for name in names]
