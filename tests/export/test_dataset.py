"""The data that is exported is what the run was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import load_from_disk

from tests.tiny import sentences
from tests.training.conftest import Train
from tui_finetune.errors import Cancelled
from tui_finetune.export.dataset import DatasetExport
from tui_finetune.export.subject import subject_of
from tui_finetune.export.target import export_to
from tui_finetune.planning.evaluation_rows import evaluation_set


def test_rows_and_documents_are_those_of_the_run(train: Train, place: Path) -> None:
    lines = [
        json.dumps({"prompt": ask, "completion": answer}) + "\n"
        for ask, answer in zip(sentences(20, most=8), sentences(20, 1, most=8), strict=True)
    ]
    (place / "data.jsonl").write_text("".join(lines) + json.dumps({"prompt": "nothing", "completion": " "}) + "\n")
    trained = train(max_steps=2, packing=False)
    made = export_to(DatasetExport(), subject_of(trained.run), place / "data", lambda *_: None)

    rows = load_from_disk(str(place / "data" / "rows"))
    documents = {name: [json.loads(line) for line in (place / "data" / f"{name}.jsonl").open()] for name in rows}
    assert {name: len(part) for name, part in rows.items()} == {"train": 18, "evaluation": 2}
    assert {name: len(part) for name, part in documents.items()} == {"train": 18, "evaluation": 2}
    assert "20 documents" in made.notes[0]
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained.run.final_dir)
    told = {tokenizer.decode(row["input_ids"], skip_special_tokens=True) for row in rows["evaluation"]}
    assert told == {document["prompt"] + document["completion"] for document in documents["evaluation"]}
    asked = evaluation_set(trained.run)
    assert [{"prompt": one.words, "completion": one.expected} for one in asked] == documents["evaluation"]
    trained_on = [token for token in rows["train"][0]["labels"] if token != -100]
    assert 0 < len(trained_on) < len(rows["train"][0]["input_ids"])


def test_an_export_that_is_cancelled_leaves_nothing(train: Train, place: Path) -> None:
    trained = train(max_steps=2)

    def cancel(*_: object) -> None:
        raise Cancelled

    before = sorted(place.iterdir())
    with pytest.raises(Cancelled):
        export_to(DatasetExport(), subject_of(trained.run), place / "data", cancel)
    assert sorted(place.iterdir()) == before
