"""The memory that is estimated for a run against the most that it takes.

    python -m tests.benchmarks.peak [WORDS]...

Forty combinations of size, batch, length, method, precision, gradient checkpointing, chunked loss and optimizer, each a real
run of three steps in a process of its own, as `finetune-tui train` does it, on the CPU; with WORDS only those whose
description has them all. What counts is the process's largest resident memory.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.corpus import make_small_model, write_corpus
from tests.benchmarks.rates import in_its_own_process
from tui_finetune.cli.tables import table

GOAL = 0.12

SIZES = {
    "small": {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 6},
    "large": {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12},
}
LORA: dict[str, object] = {"method": "lora"}
CHECKPOINTING: dict[str, object] = {"gradient_checkpointing": True}
CHUNKED: dict[str, object] = {"chunked_cross_entropy": True}
BF16: dict[str, object] = {"precision": "bf16"}
PURE: dict[str, object] = {"precision": "pure_bf16"}

WAYS: tuple[dict[str, object], ...] = (
    {},
    CHECKPOINTING,
    CHUNKED,
    CHECKPOINTING | CHUNKED,
    {"gradient_accumulation_steps": 2},
    {"optim": "adafactor"},
    {"optim": "adamw_8bit"},
    {"optim": "lion"},
    BF16,
    BF16 | CHUNKED,
    PURE,
    PURE | CHECKPOINTING | CHUNKED,
    LORA,
    LORA | CHECKPOINTING,
    LORA | CHUNKED,
    LORA | CHECKPOINTING | CHUNKED,
    LORA | BF16,
    LORA | BF16 | CHECKPOINTING | CHUNKED,
    LORA | {"use_dora": True},
    {"method": "qlora"},
)
BATCHES = ((4, 512), (8, 256), (2, 1024), (1, 512))


def combinations() -> list[tuple[str, int, int, dict[str, object]]]:
    """Size, batch, length and settings of each run."""
    return [
        (size, *BATCHES[(number + offset) % len(BATCHES)], way)
        for offset, size in enumerate(SIZES)
        for number, way in enumerate(WAYS)
    ]


def describe(size: str, batch: int, length: int, way: dict[str, object]) -> str:
    words = {"True": ""}
    settings = (f"{key} {words.get(str(value), str(value))}".strip() for key, value in way.items())
    return f"{size} {batch} x {length}, {', '.join(settings) or 'full'}"


def run(folder: str, settings: dict[str, object]) -> None:
    """Train three steps, as the program does; prints the process's largest resident memory in bytes."""
    from tui_finetune.config.resolve import resolve
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.system.allocator import keep_freed_memory
    from tui_finetune.training.launch import launch_in_thread

    keep_freed_memory()
    directory = RunDirectory(Path(folder) / f"run-{random.getrandbits(40):x}")
    directory.create()
    launch = launch_in_thread(directory, resolve(settings), own_output=False)
    launch.begin()
    launch.wait()
    if launch.result is None or launch.result.status != "finished":
        raise SystemExit(f"{launch.result} {launch.failure}")
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(kilobytes * (1 if sys.platform == "darwin" else 1024))


def estimated(settings: dict[str, object]) -> int:
    """Bytes that are estimated for it."""
    from tui_finetune.config.resolve import resolve
    from tui_finetune.models.catalog import model_facts
    from tui_finetune.models.devices import cpu_facts
    from tui_finetune.planning.estimate import estimate

    facts = model_facts(str(settings["model_name_or_path"]))
    assert facts is not None
    device = replace(cpu_facts(), bf16_good=False)
    return estimate(resolve(settings).config, facts, device=device).needed


def main() -> int:
    wanted = sys.argv[1:]
    chosen = [one for one in combinations() if all(word in describe(*one) for word in wanted)]
    rows, worst = [], 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "data.jsonl", 0.3)
        for size, shape in SIZES.items():
            make_small_model(folder / size, folder / "data.jsonl", max_position_embeddings=1024, **shape)
        for size, batch, length, way in chosen:
            settings: dict[str, object] = {
                "model_name_or_path": str(folder / size), "dataset_name": str(folder / "data.jsonl"),
                "per_device_train_batch_size": batch, "per_device_eval_batch_size": 1, "max_length": length,
                "gradient_accumulation_steps": 1, "max_steps": 3, "precision": "fp32", "chunked_cross_entropy": False,
                "gradient_checkpointing": False, "save_strategy": "no", "eval_strategy": "no", **way,
            }  # fmt: skip
            measured = in_its_own_process("tests.benchmarks.peak", f"run({str(folder)!r}, {settings!r})", folder)
            needed = estimated(settings)
            off = needed / measured - 1
            worst = max(worst, abs(off))
            rows.append(
                (describe(size, batch, length, way), f"{needed / 1e6:,.0f}", f"{measured / 1e6:,.0f}", f"{off:+.0%}")
            )
            print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
    print(f"Estimated and measured peak memory in MB (goal: within {GOAL:.0%})")
    for line in table(("", "estimated", "measured", "off"), rows, right=frozenset({1, 2, 3})):
        print("  " + line)
    print(f"  worst {worst:.0%} of {len(rows)}")
    return 0 if worst <= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
