"""Folders that hold an adapter: what is in them and which model it belongs to. No torch.

An adapter is a few small matrices beside a model that stays as it is. Its folder has what peft writes, so that plain
`AutoPeftModelForCausalLM` loads it, and `base_model.json`, which names the model exactly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tui_finetune.errors import UserError
from tui_finetune.models.weights import Tensor, read_header

SETTING = "model_name_or_path"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
BASE_FILE = "base_model.json"
MAX_CONFIG_BYTES = 4_000_000


@dataclass(frozen=True)
class BaseModel:
    """The model that an adapter belongs to.

    Attributes:
        name: 'starter', a folder or a name on the hub.
        revision: its commit on the hub.
        sha256: of its weights (`weights.weights_sha256`); None where that isn't known.
        quantization: how it was packed while the adapter was trained: 'none', 'nf4' or 'int8'.
    """

    name: str
    revision: str | None = None
    sha256: str | None = None
    quantization: str = "none"

    def to_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Adapter:
    """An adapter in a folder.

    Attributes:
        folder: where it is.
        base: the model it belongs to.
        config: what is in its adapter_config.json.
    """

    folder: Path
    base: BaseModel
    config: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def weights(self) -> list[Tensor]:
        """The tensors in its file, by the header; raises UserError where it is not whole."""
        return read_header(self.folder / ADAPTER_WEIGHTS)

    def settings(self) -> dict[str, object]:
        """The settings of a run that continues it."""
        rank, alpha, targets = (self.config.get(key) for key in ("r", "lora_alpha", "target_modules"))
        packed = self.base.quantization
        settings: dict[str, object] = {
            "method": "lora" if packed == "none" else "qlora",
            "quantization": packed,
            "use_dora": bool(self.config.get("use_dora")),
            "use_rslora": bool(self.config.get("use_rslora")),
        }
        if isinstance(rank, int):
            settings["lora_r"] = rank
        if isinstance(alpha, (int, float)):
            settings["lora_alpha"] = int(alpha)
        if isinstance(targets, (list, str)) and targets:
            settings["lora_target_modules"] = targets if isinstance(targets, str) else ",".join(sorted(targets))
        return settings


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and not a whole model."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def holds_model(folder: Path) -> bool:
    """Whether a folder holds a model or an adapter."""
    return (folder / "config.json").is_file() or (folder / ADAPTER_CONFIG).is_file()


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a folder.

    Raises:
        UserError: its configuration can't be read, doesn't say which model it belongs to, or it is of a kind that can't be
            used here.
    """
    config = _object(folder / ADAPTER_CONFIG)
    named = _object(folder / BASE_FILE)
    name = named.get("name") or config.get("base_model_name_or_path")
    if not config:
        raise UserError(f"{folder / ADAPTER_CONFIG} can't be read", "copy or download the adapter again", SETTING)
    if not isinstance(name, str) or not name:
        raise UserError(
            f"the adapter in {folder} doesn't say which model it belongs to",
            f"set base_model_name_or_path in its {ADAPTER_CONFIG}",
            SETTING,
        )
    kind, start = config.get("peft_type"), config.get("init_lora_weights", True)
    if kind != "LORA":
        raise UserError(
            f"the adapter in {folder} is of a kind that is not known here ({kind})", "take one made by LoRA", SETTING
        )
    if isinstance(start, str) and start.lower() not in {"gaussian", "true"}:
        raise UserError(
            f"the adapter in {folder} began with {start}, which changes the model it belongs to",
            "save it with path_initial_model_for_weight_conversion, which makes a plain LoRA adapter of it",
            SETTING,
        )

    def text(key: str) -> str | None:
        return found if isinstance(found := named.get(key), str) else None

    revision = text("revision") if named else config.get("revision")
    base = BaseModel(name, revision or None, text("sha256"), text("quantization") or "none")
    return Adapter(folder, base, config)
