"""Under the preset 'tutorial' the losses are those of the tutorial's script, to the last digit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import sentences, write_jsonl
from tests.training.conftest import Train


def _script(model_folder: str, data_file: str, output_dir: str, seed: int) -> list[dict]:
    """The tutorial's few calls: tokenize with truncation and padding, split, train with a plain Trainer."""
    from datasets import load_dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        EarlyStoppingCallback,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    dataset = load_dataset("json", data_files=data_file, split="train")
    tokenized = dataset.map(
        lambda batch: tokenizer(batch["text"], truncation=True, padding="max_length", max_length=512),
        batched=True,
        remove_columns=dataset.column_names,
    ).train_test_split(test_size=0.1, seed=seed)
    arguments = TrainingArguments(
        output_dir=output_dir,
        num_train_epochs=3,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=8,
        gradient_accumulation_steps=2,
        learning_rate=2e-5,
        weight_decay=0.01,
        logging_steps=2,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        seed=seed,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=tokenized["train"],
        eval_dataset=tokenized["test"],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=2)],
    )
    trainer.train()
    return trainer.state.log_history


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_tutorial_losses_are_the_scripts(
    architecture: str, train: Train, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tiny import make_model

    # Context of 512 and dropout, as distilgpt2 has. Few rows, so losses are logged more often than the tutorial does.
    folder = make_model(tmp_path / "model", architecture)
    _lengthen(folder, architecture)
    # Some texts are longer than 512 tokens, some hold the end-of-text token, one is empty.
    texts = sentences(44, seed=3, least=1, most=12) + sentences(3, seed=4, least=700, most=800)
    texts += ["the old <|endoftext|> lamp", ""]
    write_jsonl(place / "data.jsonl", texts)

    expected = _script(str(folder), str(place / "data.jsonl"), str(tmp_path / "script"), seed=42)
    trained = train(
        preset="tutorial",
        model_name_or_path=str(folder),
        dataset_name="data.jsonl",
        learning_rate=2e-5,
        logging_steps=2,
        max_length=512,
        per_device_train_batch_size=8,
    )

    assert trained.outcome.status == "finished"
    assert trained.losses() == [(log["step"], log["loss"]) for log in expected if "loss" in log]
    assert trained.eval_losses() == [(log["step"], log["eval_loss"]) for log in expected if "eval_loss" in log]
    assert len(trained.losses()) >= 3
    assert len(trained.eval_losses()) == 3
    notices = [event["message"] for event in trained.events if event["type"] == "notice"]
    for word in ("Early stopping", "512", "padded", "end-of-text", "fp16"):
        assert any(word in notice for notice in notices), f"nothing is said about {word}"


def _lengthen(folder, architecture):
    import json

    from transformers import AutoConfig, AutoModelForCausalLM

    raw = json.loads((folder / "config.json").read_text())
    raw["n_positions" if architecture == "gpt2" else "max_position_embeddings"] = 512
    (folder / "config.json").write_text(json.dumps(raw))
    import torch

    torch.manual_seed(5)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
