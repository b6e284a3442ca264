"""Every family that people fine-tune: tuned by each method, saved, loaded with plain transformers or peft, and writing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.architectures import ARCHITECTURES, make_architecture
from tests.training.conftest import Train
from tui_finetune.models.located import locate
from tui_finetune.models.methods.use import load_for_use

METHODS: dict[str, dict[str, object]] = {
    "full": {"method": "full"},
    "lora": {"method": "lora", "lora_r": 4},
    "dora": {"method": "lora", "lora_r": 4, "use_dora": True},
}
EVERYDAY = {("gpt2", "dora"), ("gemma3_text", "lora"), ("qwen3_moe", "lora")}
"""What is tried every day; all the rest under -m long."""

ALL = [
    pytest.param(name, method, marks=[] if (name, method) in EVERYDAY else pytest.mark.long)
    for name in ARCHITECTURES
    for method in METHODS
    if (name, method) != ("qwen3_moe", "dora")
]


@pytest.mark.parametrize(("name", "method"), ALL)
def test_it_is_tuned_saved_loaded_and_writes(name: str, method: str, train: Train, place: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = make_architecture(place / name, name)
    tuned = train(model_name_or_path=str(model), max_steps=6, learning_rate=1e-2, eval_strategy="no", **METHODS[method])
    assert tuned.outcome.status == "finished", tuned.outcome
    assert tuned.losses()[-1][1] < tuned.losses()[0][1]
    folder = str(tuned.run.final_dir)
    loader = AutoModelForCausalLM if method == "full" else AutoPeftModelForCausalLM
    theirs, tokenizer = loader.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    located = locate(folder)
    ours = load_for_use(located).eval()
    inputs = tokenizer("the old lamp", return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        torch.testing.assert_close(ours(**inputs).logits, theirs(**inputs).logits.float(), atol=1e-5, rtol=1e-5)
        base = load_for_use(locate(str(model))).eval()
        assert not torch.allclose(base(**inputs).logits, theirs(**inputs).logits.float(), atol=1e-3)
    written = theirs.generate(**inputs, max_new_tokens=8, do_sample=False)
    assert written.shape[1] > inputs["input_ids"].shape[1]
