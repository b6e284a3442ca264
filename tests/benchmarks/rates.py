"""How many tokens a second are trained on, whatever trains; and data and a model to train."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.tiny import WORDS, make_tokenizer

MAX_LENGTH = 512


class UsefulTokens:
    """While open, takes the time after each batch that any Trainer of this process trains on, and counts its useful tokens.

    Useful is a token that is learned: one that has a label and something before it in the row. Padding has none; nor has
    what was cut off.
    """

    def __init__(self) -> None:
        self.batches: list[tuple[float, int]] = []

    def __enter__(self) -> UsefulTokens:
        from transformers import Trainer

        self._original = original = Trainer.training_step

        def timed(trainer: Any, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
            useful = int(inputs["labels"][:, 1:].ne(-100).sum())
            loss = original(trainer, model, inputs, *rest, **more)
            self.batches.append((time.monotonic(), useful))
            return loss

        Trainer.training_step = timed  # type: ignore[assignment, method-assign]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from transformers import Trainer

        Trainer.training_step = self._original  # type: ignore[method-assign]

    def rate(self, warm_up: int) -> float:
        """Useful tokens a second, after so many batches that are not counted."""
        (began, _), (ended, _) = self.batches[warm_up - 1], self.batches[-1]
        return sum(useful for _, useful in self.batches[warm_up:]) / (ended - began)


def in_its_own_process(module: str, call: str, folder: Path) -> float:
    """Call something of a module in a new process, whose state and cache are in the folder; the number printed last."""
    name, arguments = call.split("(", 1)
    environment = {
        **os.environ,
        "FINETUNE_TUI_STATE": str(folder / "state"),
        "FINETUNE_TUI_CACHE": str(folder / "cache"),
        "HF_DATASETS_CACHE": str(folder / "datasets"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-c", f"from {module} import {name}; {name}({arguments}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return float(done.stdout.split()[-1])


def make_model(folder: Path) -> Any:
    """A Llama of 5 million random weights with its tokenizer, which is returned."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(folder)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=256,
            intermediate_size=768,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=MAX_LENGTH,
            bos_token_id=0,
            eos_token_id=0,
        )
    ).save_pretrained(folder)
    return tokenizer


def make_data(path: Path, tokenizer: Any, documents: int) -> None:
    """Documents of log-normal length, some 220 tokens in the mean, and up to 2000."""
    rng = random.Random(0)
    per_word = len(tokenizer(" ".join(WORDS))["input_ids"]) / len(WORDS)
    with path.open("w") as file:
        for _ in range(documents):
            tokens = min(2000, max(8, rng.lognormvariate(5.05, 0.85)))
            text = " ".join(rng.choice(WORDS) for _ in range(round(tokens / per_word)))
            file.write(json.dumps({"text": text}) + "\n")


def ours(folder: str, steps: int, batch: int, accumulation: int, warm_up: int) -> None:
    """Train with this program as it is set by default; prints useful tokens a second after so many batches to warm up."""
    from tui_finetune.config.resolve import resolve
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.runs.result import RunResult
    from tui_finetune.system.allocator import keep_freed_memory
    from tui_finetune.training.session import TrainingSession

    keep_freed_memory()  # and a thread, as `finetune-tui train` has it
    with tempfile.TemporaryDirectory() as output, UsefulTokens() as counted:
        run = RunDirectory(Path(output) / "run")
        run.create()
        settings = {
            "model": f"{folder}/model",
            "dataset": f"{folder}/data.jsonl",
            "max_length": MAX_LENGTH,
            "per_device_train_batch_size": batch,
            "gradient_accumulation_steps": accumulation,
            "max_steps": steps,
            "validation_split": 0,
            "save_strategy": "no",
        }
        outcomes: list[RunResult] = []
        thread = threading.Thread(target=lambda: outcomes.append(TrainingSession(resolve(settings), run).run()))
        thread.start()
        thread.join()
        if outcomes[0].error is not None:
            raise RuntimeError(outcomes[0].error.message)
    print(counted.rate(warm_up))
