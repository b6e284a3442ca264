"""The method that settings ask for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tui_finetune.config.schema import RunConfig
from tui_finetune.models.methods.full import Full
from tui_finetune.models.methods.lora import Lora
from tui_finetune.models.methods.method import Method
from tui_finetune.models.methods.qlora import QLora

METHODS: Mapping[str, type[Method]] = MappingProxyType({kind.name: kind for kind in (Full, Lora, QLora)})
"""Every method by the value of the setting `method`."""


def method_of(config: RunConfig) -> Method:
    """The method with a run's settings; lora on a packed model is qlora."""
    packed = config.method == "lora" and config.quantization in {"nf4", "int8"}
    return METHODS["qlora" if packed else config.method](config)
