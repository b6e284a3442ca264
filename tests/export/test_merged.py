"""A merged model is the adapter's, to 1e-5, and what it was merged into is the better of what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import Train, Trained
from tui_finetune.errors import UserError
from tui_finetune.export.merged import Merged, logits_of, relative
from tui_finetune.export.subject import Subject, subject_of
from tui_finetune.export.target import export_to
from tui_finetune.models.loading import load_model
from tui_finetune.models.located import LocatedModel, locate
from tui_finetune.models.methods.peft_models import as_adapted, attach, base_of, for_use, save_adapter


def silent(*_: object) -> None:
    """Nobody watches."""


def loaded(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def with_adapter(trained: Trained, base: LocatedModel, *, quantization: str = "none", dora: bool = False) -> Subject:
    """The run, its final model being an adapter with weights drawn at random on a base."""
    import shutil

    import torch

    adapted = attach(
        load_model(base), base, seed=0, tokens=[], r=4, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear",
        use_dora=dora, use_rslora=False,
    )  # fmt: skip
    torch.manual_seed(1)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            weights.data.normal_(std=0.05)
    shutil.rmtree(trained.run.final_dir)
    model = as_adapted(adapted)
    assert model is not None
    save_adapter(model, trained.run.final_dir, base_of(base, quantization))
    return subject_of(trained.run)


@pytest.fixture
def trained(train: Train) -> Trained:
    return train(max_steps=1)


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_logits_are_the_adapters(trained: Trained, models: Path, place: Path, architecture: str, dora: bool) -> None:
    base = locate(str(models / architecture))
    subject = with_adapter(trained, base, dora=dora)
    beside = for_use(load_model(subject.located), subject.located.adapter)  # type: ignore[arg-type]  # there is one
    made = export_to(Merged(), subject, place / "merged", silent)

    whole = loaded(place / "merged")
    assert relative(logits_of(whole), logits_of(beside)) < 1e-5
    assert relative(logits_of(whole), logits_of(load_model(base))) > 1e-2  # the adapter does something
    assert any("differ by" in note for note in made.notes)
    assert (place / "merged" / "tokenizer.json").is_file()


def test_of_a_packed_base_the_better_weights_are_taken(trained: Trained, models: Path, place: Path) -> None:
    pytest.importorskip("bitsandbytes")
    subject = with_adapter(trained, locate(str(models / "llama")), quantization="nf4")
    made = export_to(Merged(), subject, place / "merged", silent)
    note = next(note for note in made.notes if "original weights" in note)
    first, second = (float(word.strip(",:")) for word in note.split() if word[0].isdigit() and "." in word)
    assert ("the original ones are taken" in note) == (first <= second)
    assert first != second


def test_a_full_runs_model_is_written_in_the_bases_format(trained: Trained, place: Path) -> None:
    export_to(Merged(), subject_of(trained.run, "1"), place / "merged", silent)
    final, whole = loaded(trained.run.final_dir), loaded(place / "merged")
    assert relative(logits_of(whole), logits_of(final)) == 0


def test_a_base_that_is_gone_is_said_beforehand(trained: Trained, models: Path, place: Path) -> None:
    import shutil

    shutil.copytree(models / "llama", place / "base")
    subject = with_adapter(trained, locate(str(place / "base")))
    shutil.rmtree(place / "base")
    with pytest.raises(UserError, match="can't be had"):
        export_to(Merged(), subject, place / "merged", silent)
