"""What the Model and Dataset screens say, and what their lists hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.previewed import Lengths, Preview
from tui_finetune.data.problems import Problem
from tui_finetune.data.samples import Sample
from tui_finetune.data.segments import Segment
from tui_finetune.errors import UserError
from tui_finetune.formatting import count
from tui_finetune.models.devices import DeviceFacts
from tui_finetune.models.facts import ModelFacts
from tui_finetune.planning.fit import fit_of
from tui_finetune.tui.screens.dataset import items as dataset_items
from tui_finetune.tui.screens.dataset.describe import MAX_SHOWN, example_text, facts_of, problems_of, progress_in_words
from tui_finetune.tui.screens.dataset.histogram import binned
from tui_finetune.tui.screens.model import items as model_items
from tui_finetune.tui.screens.model.describe import hindrance, meaning_of_size, rows_of_facts
from tui_finetune.tui.screens.model.items import HubSearch
from tui_finetune.tui.widgets.filter_list import fitted

FACTS = ModelFacts(
    "m",
    architecture="LlamaForCausalLM",
    parameters=1_560_000,
    context_length=512,
    vocab_size=1792,
    hidden_size=160,
    layers=4,
    heads=4,
    intermediate_size=640,
    dtype="F16",
    bytes=3_100_000,
)
CPU = DeviceFacts("CPU", "cpu", total=16 * 10**9, free=12 * 10**9, count=2, bf16_good=False)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (940, "940"),
        (12_400, "12,400"),
        (1_330_000, "1.3 M"),
        (494_000_000, "494 M"),
        (999_600_000, "1.0 B"),
        (7_616_000_000, "7.6 B"),
    ],
)
def test_counts_have_three_figures(number: int, words: str) -> None:
    assert count(number) == words


# A model


def test_the_meaning_of_a_size_grows_with_it() -> None:
    words = [meaning_of_size(replace(FACTS, parameters=int(n))).split(".")[0] for n in (1e6, 1e8, 5e8, 2e9, 7e9, 7e10)]
    assert words == ["Tiny", "Small", "Modest", "Medium", "Large", "Very large"]


def test_what_is_not_known_is_said_to_be_so() -> None:
    rows = dict(rows_of_facts(ModelFacts("m")))
    assert {rows[label] for label in ("Parameters", "Context", "Architecture", "Vocabulary", "License")} == {
        "not known"
    }
    assert "not known" in meaning_of_size(ModelFacts("m"))


@pytest.mark.parametrize("changes", [{"is_causal_lm": False}, {"needs_code": True}, {"quantized": True}])
def test_what_cannot_be_trained_says_why(changes: dict[str, bool]) -> None:
    assert not hindrance(FACTS)
    assert hindrance(replace(FACTS, **changes))  # type: ignore[arg-type]


def test_a_model_fits_fits_with_less_or_does_not_fit() -> None:
    config = RunConfig()
    small = fit_of(config, FACTS, CPU)
    assert small is not None
    assert small.fits
    middle = fit_of(config, replace(FACTS, parameters=500_000_000, vocab_size=150_000, layers=24, hidden_size=896), CPU)
    assert middle is not None
    assert not middle.fits
    assert "With other settings it would fit: about" in middle.words
    large = fit_of(config, replace(FACTS, parameters=7_000_000_000), CPU)
    assert large is not None
    assert not large.fits
    assert "other settings" not in large.words
    assert fit_of(config, ModelFacts("m"), CPU) is None


def test_the_name_of_a_model_on_the_hub_can_be_used_as_typed_but_not_while_the_hub_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    keys = [item.key for item in model_items.items_for("org/name", "starter", [], HubSearch(), tmp_path)]
    assert keys == ["starter", "org/name", model_items.SEARCH]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    items = model_items.items_for("org/name", "starter", [], HubSearch(), tmp_path)
    assert [item.key for item in items if item.enabled] == ["starter"]


# Data


def preview(**changes: object) -> Preview:
    values: dict[str, object] = {
        "name": "notes.jsonl",
        "files": ["notes.jsonl"],
        "columns": ["text"],
        "format": "text",
        "reason": "so it is",
        "mapping": {"text": "text"},
        "rows": 100,
        "examples": [],
        "lengths": Lengths(20.4, 19, 60, 90, 7),
        "tokens": 2040,
        "trained_tokens": 2040,
        "duplicates": 1,
        "problems": [],
        "documents": 98,
        "max_length": 64,
        **changes,
    }
    return Preview(**values)  # type: ignore[arg-type]


def test_the_numbers_of_a_data_set_are_all_there() -> None:
    facts = dict(facts_of(preview()))
    assert facts["Rows"] == "100, 98 with text, 1 duplicate"
    assert facts["In a row"] == "mean 20, p50 19,\np95 60, max 90"
    assert facts["Too long"] == "7 beyond 64"
    assert dict(facts_of(preview(sampled=50)))["Tokens"].startswith("about")


def test_without_a_tokenizer_the_reason_is_given() -> None:
    facts = dict(facts_of(preview(lengths=None, tokens=None), UserError("m has no tokenizer")))
    assert facts["Tokens"] == "not known: m has no tokenizer"


def test_a_problem_names_its_row_and_many_are_counted() -> None:
    problems = [Problem("has no text", "left out", file="notes.jsonl", row=number) for number in range(1, 21)]
    shown = problems_of(preview(problems=problems))
    assert shown[0] == ("line 1", "has no text; left out")
    assert shown[-1][1].startswith("and 12 more")


def test_a_long_row_is_cut_with_a_count_and_what_is_not_trained_on_is_marked() -> None:
    assert example_text([Segment("x" * (MAX_SHOWN + 5), True)]).plain.endswith("… and 5 more characters")
    assert example_text([Segment("ask", False), Segment("answer", True)]).plain == "░ask▌answer"
    assert example_text([Segment("a\x1b]52;b", True)]).plain == "a␛]52;b"


def test_progress_is_said_in_words() -> None:
    assert progress_in_words(0, None, "starting") == "starting …"
    assert progress_in_words(12_000_000, 40_000_000, "bytes") == "reading 12.0 MB of 40.0 MB"
    assert progress_in_words(500, 1000, "rows") == "500 of 1,000 rows"


def test_data_is_listed_once_and_the_chosen_one_always(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    shelf = dataset_items.Shelf(
        [Sample("tales", tmp_path / "x", "", 5)], ["tales", "org/data"], dataset_items.look_into(tmp_path)
    )
    items = dataset_items.items_for("", "org/chosen", shelf, tmp_path)
    keys = [item.key for item in items]
    assert keys.count("tales") == 1
    assert keys[0] == "org/chosen"
    assert "./a.txt" in keys
    assert "org/data" in keys
    items = dataset_items.items_for("", str(tmp_path / "a.txt"), shelf, tmp_path)
    assert dataset_items.same_data(str(tmp_path / "a.txt"), tmp_path, items[1:]) == "./a.txt"


# Drawing


@pytest.mark.parametrize("width", [8, 20, 33])
@pytest.mark.parametrize("text", ["short", "a/very/long/path/to/some/model-with-a-name", "模型" * 20, "a\x1b[31m\nb"])
def test_a_label_takes_exactly_its_room(text: str, width: int) -> None:
    line = fitted(text, width)
    assert cell_len(line) == width
    assert line.isprintable()


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert fitted("organization/model-7B-Instruct", 20).startswith("organi")
    assert fitted("organization/model-7B-Instruct", 20).endswith("-Instruct")


@pytest.mark.parametrize("longest", [1, 7, 500, 5000])
def test_every_length_is_in_one_bin(longest: int) -> None:
    lengths = list(range(longest + 1))
    width, counts = binned(lengths, 40, longest)
    assert sum(counts) == len(lengths)
    assert len(counts) <= 40
    assert width * len(counts) > longest
