"""What can't be saved is found before the training, and mended where it can be (D7)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tiny import make_model
from tests.training.conftest import Train, models, place, train  # noqa: F401
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.models.located import locate
from tui_finetune.models.saving import check_savable, make_savable

CONTRADICTIONS = [
    {"do_sample": False, "temperature": 0.7},
    {"do_sample": False, "top_p": 0.9, "top_k": 5, "min_p": 0.1},
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model", "llama")


@pytest.mark.parametrize("contradiction", CONTRADICTIONS, ids=str)
def test_d7_a_generation_config_that_contradicts_itself_is_cleaned(
    model: Path, contradiction: dict[str, object]
) -> None:
    from transformers import GenerationConfig

    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": 3, **contradiction}))
    notice = check_savable(locate(str(model), None))
    assert notice is not None
    assert "generation_config.json" in notice.message
    generation = GenerationConfig.from_pretrained(model)
    generation.pad_token_id = 3  # as Trainer changes it
    with pytest.raises(ValueError, match="generation"):
        generation.save_pretrained(model)
    make_savable(GenerationConfig(), generation)  # type: ignore[arg-type] # any configuration that can be saved
    generation.save_pretrained(model)
    assert generation.eos_token_id == 3


def test_d7_a_sound_one_is_left_as_it_is(model: Path) -> None:
    (model / "generation_config.json").write_text(json.dumps({"do_sample": True, "temperature": 0.7}))
    assert check_savable(locate(str(model), None)) is None


def test_d7_what_cannot_be_saved_is_refused_by_the_plan(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import PreTrainedConfig

    from tui_finetune.planning.plan import examine

    def fail(self: object, folder: str) -> None:
        raise ValueError("`hidden_act` is a function")

    monkeypatch.setattr(PreTrainedConfig, "save_pretrained", fail)
    problem = examine(RunConfig(model_name_or_path=str(model))).problem
    assert isinstance(problem, UserError)
    assert "can't be saved again: `hidden_act` is a function" in problem.message


@pytest.mark.usefixtures("place")
def test_d7_such_a_model_trains_and_is_saved(train: Train, model: Path) -> None:  # noqa: F811
    (model / "generation_config.json").write_text(json.dumps(CONTRADICTIONS[0]))
    trained = train(model_name_or_path=str(model), max_steps=1, eval_strategy="no")
    assert trained.outcome.status == "finished", trained.outcome.error
    assert [saved.step for saved in trained.state.checkpoints] == [1]
    assert any("contradicts itself" in notice.notice.message for notice in trained.state.notices)
