"""The starter as it is shipped: it loads like any model, is small, and its chat template is that of its pretraining."""

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer, BatchEncoding, LlamaForCausalLM, PreTrainedTokenizerFast

from tui_finetune.config.aliases import canonical
from tui_finetune.config.schema import RunConfig
from tui_finetune.starter.paths import MODEL
from tui_finetune.starter.recipe import corpus, measure, tokens
from tui_finetune.starter.recipe.worlds.everyday import EVERYDAY


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    loaded = AutoTokenizer.from_pretrained(MODEL)
    assert isinstance(loaded, PreTrainedTokenizerFast)
    return loaded


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    loaded = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    assert isinstance(loaded, LlamaForCausalLM)
    loaded.eval()
    return loaded


def test_it_is_a_plain_llama_in_half_precision(model: LlamaForCausalLM) -> None:
    shipped = AutoModelForCausalLM.from_pretrained(MODEL, dtype="auto")
    assert isinstance(shipped, LlamaForCausalLM)
    assert shipped.dtype == torch.float16
    assert model.config.max_position_embeddings == 512
    assert model.config.tie_word_embeddings


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in MODEL.iterdir() if path.is_file()) <= 6_000_000


def test_its_tokenizer_puts_the_begin_token_first_and_nothing_last(
    tokenizer: PreTrainedTokenizerFast, model: LlamaForCausalLM
) -> None:
    ids = tokenizer("Anna was a curious girl.")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] != tokenizer.eos_token_id
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3
    assert len(tokenizer) == model.config.vocab_size


def test_any_text_survives_the_tokenizer(tokenizer: PreTrainedTokenizerFast) -> None:
    text = 'Grüße, 世界! {"who": "Ann"}\n\ttabs  and   spaces 🙂'
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_documents_fit_into_the_context(tokenizer: PreTrainedTokenizerFast) -> None:
    lengths = [len(tokenizer(document.text)["input_ids"]) + 1 for _, document in corpus.documents(EVERYDAY, 300, 31)]
    assert max(lengths) <= tokens.CONTEXT


def test_the_chat_template_is_that_of_the_corpus(tokenizer: PreTrainedTokenizerFast) -> None:
    messages = [
        {"role": "user", "content": "Tell me a story."},
        {"role": "assistant", "content": "It rained."},
        {"role": "user", "content": "Why?"},
    ]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered == "<|bos|><|user|>Tell me a story.<|assistant|>It rained.<|eos|><|user|>Why?<|assistant|>"
    ids = tokenizer.apply_chat_template(messages[:1], add_generation_prompt=True, return_dict=False)
    assert ids == tokenizer(measure.chat_prompt("Tell me a story."))["input_ids"]


def test_a_system_message_goes_before_the_first_question(tokenizer: PreTrainedTokenizerFast) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == "<|bos|><|user|>Be brief. Hello!"


def test_replies_are_marked_for_losses_on_them_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "It rained."}]
    rendered = tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    assert isinstance(rendered, BatchEncoding)
    marked = [token for token, mask in zip(rendered["input_ids"], rendered["assistant_masks"], strict=True) if mask]
    assert tokenizer.decode(marked) == "It rained.<|eos|>"


def test_its_settings_are_settings() -> None:
    values = canonical(yaml.safe_load((MODEL / "finetune-tui.yaml").read_text()))
    config = RunConfig.model_validate(values)
    assert config.learning_rate >= 5e-4
    RunConfig.model_validate(canonical(yaml.safe_load((MODEL.parent / "recipe" / "config.yaml").read_text())))


def test_it_knows_its_world(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """A loose bound, quick to check; the benchmark measures the real figures."""
    fits = measure.fit(model, tokenizer, count=24)
    assert fits["all"].loss < 1.25 * fits["all"].entropy
    writing = measure.writing(measure.generate(model, tokenizer, [""] * 12, temperature=0.8, seed=1))
    assert writing.accepted > 0.9
    assert writing.sea == 0
    assert writing.ended > 0.9


def test_the_same_texts_give_the_same_tokenizer_and_seed_the_same_weights() -> None:
    texts = [document.text for _, document in corpus.documents(EVERYDAY, 60, 32)]
    first, again = (tokens.train_tokenizer(texts, 500) for _ in range(2))
    assert first.get_vocab() == again.get_vocab()
    one, other = (tokens.embeddings(tokens.fresh_model(first, 3)) for _ in range(2))
    assert torch.equal(one, other)
