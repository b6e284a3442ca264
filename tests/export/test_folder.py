"""The plot and the model card that a run leaves."""

import math
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.events import event
from tui_finetune.config.schema import RunConfig
from tui_finetune.export.model_card import Made, escape, model_card, write_model_card
from tui_finetune.export.plot import draw_losses
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.state import RunState


def state_with(losses=(), evaluations=()):
    state = RunState()
    for step, loss in losses:
        state.apply(event("metrics", step=step, loss=loss))
    for step, loss in evaluations:
        state.apply(event("metrics", step=step, eval_loss=loss))
    return state


FULL = state_with([(10, 3.0), (20, 2.0), (30, 1.5)], [(10, 2.9), (20, 2.1), (30, 2.3)])


def rows_of(card):
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in card.splitlines() if line[:2] == "| "]


def front_matter(card):
    return yaml.safe_load(card.split("---")[1])


@pytest.mark.parametrize(
    "state",
    [
        RunState(),
        state_with([(1, 2.0)]),
        state_with([], [(1, 2.0)]),
        state_with([(10, 2.0)], [(10, 2.0)]),
        state_with([(s, 5 / s) for s in range(1, 400)], [(100, 1.0)]),
        state_with([(1, math.nan), (2, 1.0)], [(2, math.inf)]),
        FULL,
    ],
    ids=["nothing", "one loss", "one evaluation", "one of each", "one evaluation of many", "not finite", "full"],
)
def test_the_plot_is_drawn_whatever_was_logged(tmp_path: Path, state: Any) -> None:
    path = tmp_path / "plot.png"
    draw_losses(state, path, "a $run_1$ with <odd> {title}\n\\")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 8 * 150
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["plot.png"]


def test_the_same_run_gives_the_same_plot(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_losses(FULL, tmp_path / name, "run")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_both_curves_share_the_step_axis_and_the_best_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    figures: list[Any] = []
    original = Figure.savefig

    def kept(self: Figure, *args: Any, **options: Any) -> None:
        figures.append(self)
        original(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", kept)
    draw_losses(FULL, tmp_path / "plot.png", "my run")
    (axes,) = figures[0].axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()}
    assert lines["training loss"] == [[10, 3.0], [20, 2.0], [30, 1.5]]
    assert lines["evaluation loss"] == [[10, 2.9], [20, 2.1], [30, 2.3]]
    assert lines["best: 2.1 at step 20"] == [[20, 2.1]]
    assert axes.get_title(loc="left") == "my run"
    assert axes.get_xlabel() == "step"


@pytest.mark.parametrize(("first", "scale"), [(11.0, "log"), (3.0, "linear"), (0.0, "linear")])
def test_losses_that_fall_far_are_drawn_on_a_logarithmic_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: float, scale: str
) -> None:
    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: figures.append(self))
    draw_losses(state_with([(1, first), (50, 0.4), (100, 0.3)], [(100, 0.3)]), tmp_path / "plot.png", "run")
    (axes,) = figures[0].axes
    assert axes.get_yscale() == scale
    assert ("log" in axes.get_ylabel()) == (scale == "log")


def test_the_card_names_model_data_settings_and_losses() -> None:
    config = RunConfig(model_name_or_path="PingVortex/VLM-1", dataset_name="stas/openwebtext-10k", learning_rate=3e-4)
    result = RunResult(
        "finished", step=30, total_steps=30, seconds=61.0, best_step=20, final_step=20, data_format="text"
    )
    card = model_card("my-run", config, FULL, Made(result, "mit", stop="</s>", dtype="bfloat16"))
    front = front_matter(card)
    assert front["base_model"] == "PingVortex/VLM-1"
    assert front["datasets"] == ["stas/openwebtext-10k"]
    assert front["library_name"] == "transformers"
    assert front["license"] == "mit"
    rows = rows_of(card)
    assert ["`learning_rate`", "0.0003"] in rows
    assert ["20", "2.0000", "2.1000 (best)"] in rows
    assert ["weights saved as", "bfloat16"] in rows
    assert ["training time", "1 min 01 s"] in rows
    assert "The weights are those of step 20, the best by evaluation loss." in card
    assert "Its texts end with `</s>`, where generation stops." in card
    assert card.index("Settings that differ") < card.index("All settings")
    assert "![Training and evaluation loss over the steps](training_plot.png)" in card
    assert "AutoModelForCausalLM.from_pretrained" in card


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RunState(), "No loss was logged"),
        (state_with([(1, 2.5)]), "The last training loss was 2.5000"),
        (state_with([], [(7, 2.5)]), "| 7 |  | 2.5000 (best) |"),
    ],
)
def test_the_card_is_whole_whatever_was_logged(state: Any, words: str) -> None:
    assert words in model_card("run", RunConfig(), state)


def test_the_card_tells_nothing_of_where_it_was_made() -> None:
    config = RunConfig(
        model_name_or_path="/home/ann/models/tiny",
        dataset_name="/home/ann/secret/letters.txt",
        output_dir="/home/ann/runs/x",
        final_model_dir="/home/ann/final",
    )
    card = model_card("run", config, FULL)
    assert "ann" not in card
    assert "letters.txt" in card
    assert not {"base_model", "datasets"} & front_matter(card).keys()


def test_text_from_outside_can_not_leave_its_cell() -> None:
    nasty = "a|b\n# heading <script> [x](http://y) `code` \x1b[31m*bold*"
    config = RunConfig(dataset_text_field=nasty)
    card = model_card("run", config, FULL, Made(stop=nasty))
    assert "\x1b" not in card
    assert "\n# heading" not in card
    assert "<script>" not in card.replace("\\<script\\>", "")
    assert "](http" not in card
    assert escape("a_b|c") == "a\\_b\\|c"


def test_many_evaluations_are_thinned_but_keep_the_best_and_the_last() -> None:
    evaluations = [(step, 5 - step / 300 if step <= 777 else 4.0) for step in range(1, 1001)]
    steps = [row[0] for row in rows_of(model_card("run", RunConfig(), state_with([], evaluations)))]
    assert {"1", "777", "1000"} <= set(steps)
    assert sum(step.isdigit() for step in steps) < 60


def test_the_card_is_written_whole(tmp_path: Path) -> None:
    write_model_card(tmp_path / "README.md", "run", RunConfig(), FULL, Made())
    assert (tmp_path / "README.md").read_text().startswith("---\n")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_stop_is_told() -> None:
    result = RunResult("stopped", step=30, total_steps=900)
    assert "It was stopped before its planned end. 900 steps were planned." in model_card(
        "run", RunConfig(), FULL, Made(result)
    )


def test_the_card_says_how_the_model_is_talked_to_and_how_much_it_was_trained_on() -> None:
    chat = model_card("run", RunConfig(), FULL, Made(chat=True, stop="<|im_end|>", documents=1234, tokens=567890))
    assert "apply_chat_template" in chat
    assert "Its replies end with `<|im_end|>`, where generation stops." in chat
    assert ["data", "1,234 documents, 567,890 tokens"] in rows_of(chat)
    text = model_card("run", RunConfig(), FULL, Made(prompt='The "old" lamp'))
    assert "apply_chat_template" not in text
    assert 'tokenizer("The \\"old\\" lamp", return_tensors="pt")' in text
    assert "documents" not in text
