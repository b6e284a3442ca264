"""Export of the data as it was trained on: rows of tokens, and the documents as they were understood."""

from __future__ import annotations

from pathlib import Path

from tui_finetune.data.split import divide
from tui_finetune.errors import UserError
from tui_finetune.export.rows import RunRows, check_data, data_bytes, rows_of
from tui_finetune.export.script.target import save_rows
from tui_finetune.export.subject import Subject
from tui_finetune.export.target import PLACE, Forecast, Made, Target
from tui_finetune.system.progress import Report

ROWS = "rows"
PARTS = ("train", "evaluation")

_ABOUT = """\
The data of the run {name}, as it was trained on.

- `{rows}/`: rows of tokens, `train` and `evaluation`: `datasets.load_from_disk("{rows}")`. A label of -100 is not trained on.
{packed}- {documents}: the documents before they were made tokens, in the order of the data.
"""
_PACKED = "  A row holds several documents; `position_ids` begin at 0 for each.\n"


class DatasetExport(Target):
    """Tokenized rows as Arrow, and the prepared documents as JSONL."""

    name = "dataset"
    title = "the data as it was trained on: rows of tokens (Arrow), and documents (JSONL)"

    def check(self, subject: Subject) -> None:
        check_data(subject.config)

    def forecast(self, subject: Subject) -> Forecast:
        size = data_bytes(subject.config)
        # About four characters a token, and three columns of four bytes; and the documents.
        return Forecast(None, None) if size is None else Forecast(4 * size, 8 + size / 4e6)

    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        from datasets import load_from_disk

        rows = rows_of(subject, report)
        data = rows.prepared(report)
        save_rows(data, draft / ROWS)
        documents = _write_parts(rows, draft, report)
        names = ", ".join(f"`{path.name}`" for path in sorted(draft.glob("*.jsonl"), reverse=True))
        packed = _PACKED if data.packed else ""
        about = _ABOUT.format(name=subject.run.name, rows=ROWS, packed=packed, documents=names)
        (draft / "README.md").write_text(about, encoding="utf-8")
        saved = load_from_disk(str(draft / ROWS))
        counts = [len(part) for part in (data.train, data.evaluation) if part is not None]
        if [len(saved[name]) for name in saved] != counts:
            raise UserError("the rows that were written are not those of the run", "try again; the disk may be failing")
        return Made(
            notes=(f"{documents:,} documents; {counts[0]:,} rows to train on, {sum(counts[1:]):,} to evaluate on.",),
            commands=(f"""python -c "import datasets; print(datasets.load_from_disk('{PLACE}/{ROWS}'))\"""",),
        )


def _write_parts(rows: RunRows, draft: Path, report: Report) -> int:
    """Write the documents of each part to a file; how many documents there are."""
    if rows.several:
        counts = []
        for number, part in enumerate(rows.parts):
            name = "-".join(filter(None, ("" if part.trains else "evaluation", part.label))) or "train"
            counts.append(rows.write_documents(draft / f"{name}.jsonl", report, number))
        return sum(counts)
    everything = draft / "documents.jsonl"
    total = rows.write_documents(everything, report)
    _, evaluation = divide(total, rows.config)
    kept = set(evaluation.tolist())
    with everything.open("rb") as file, (draft / "train.jsonl").open("wb") as train:
        evaluated = (draft / "evaluation.jsonl").open("wb") if kept else None
        try:
            for number, line in zip(range(total), file, strict=True):
                (evaluated if evaluated is not None and number in kept else train).write(line)
        finally:
            if evaluated is not None:
                evaluated.close()
    everything.unlink()
    return total
