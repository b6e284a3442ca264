"""A text of any length gets the tokens that one call would give it, and can be stopped on the way."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tests.tiny import WORDS, sentences
from tui_finetune.data.segments import Segment
from tui_finetune.data.tokens import long_texts
from tui_finetune.data.tokens import tokenize as tokenization
from tui_finetune.data.tokens.long_texts import encode_long
from tui_finetune.data.tokens.tokenize import Encoder
from tui_finetune.errors import Cancelled

WINDOW, OVERLAP = 2048, 512


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "WINDOW", WINDOW)
    monkeypatch.setattr(long_texts, "OVERLAP", OVERLAP)
    monkeypatch.setattr(long_texts, "LARGEST_WINDOW", 4 * WINDOW)
    monkeypatch.setattr(tokenization, "WINDOW", WINDOW)


def byte_level() -> Tokenizer:
    """As GPT-2, Llama 3 and Qwen have it: words first, then bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        sentences(200, seed=9),
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer


def whole_text() -> Tokenizer:
    """As Llama 2 and Gemma have it: no words, a text is one run of characters with a space put before it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator([*sentences(30, seed=9), *HARD], trainer)
    return tokenizer


def unigram() -> Tokenizer:
    """As XLNet and T5 have it: the likeliest way to cut a text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(sentences(200, seed=9), trainer)
    return tokenizer


KINDS = {"bytes": byte_level, "whole text": whole_text, "unigram": unigram}
HARD = ["naïve café 😀 𝒳 日本語\n\n\t  indented   ", "don't 12345678901234567890 ---- "]


def fast(kind: str) -> Any:
    return PreTrainedTokenizerFast(tokenizer_object=KINDS[kind](), eos_token="</s>")


def long_text(characters: int) -> str:
    rng = random.Random(0)
    parts: list[str] = []
    size = 0
    while size < characters:
        parts.append(rng.choice([*WORDS, *HARD]) + rng.choice([" ", " ", " ", ", ", "\n"]))
        size += len(parts[-1])
    return "".join(parts)


@pytest.mark.parametrize("kind", KINDS)
def test_windows_give_the_tokens_and_places_of_one_call(kind: str) -> None:
    tokenizer, text = fast(kind), long_text(20 * WINDOW)
    calls = []
    found = encode_long(tokenizer, text, lambda: calls.append(1))
    whole = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    assert found.ids.tolist() == whole["input_ids"]
    assert found.offsets.tolist() == [list(place) for place in whole["offset_mapping"]]
    assert len(calls) >= 20


def test_a_text_without_an_end_of_a_word_is_kept_whole_in_bounded_windows() -> None:
    """One letter over and over: where its tokens begin depends on where the window does."""
    tokenizer, text = fast("bytes"), "old" + "ol" * 12 * WINDOW + " lamp"
    longest = 0

    def watch(piece: str, **options: Any) -> Any:
        nonlocal longest
        longest = max(longest, len(piece))
        return tokenizer(piece, **options)

    watched: Any = watch
    found = encode_long(watched, text, lambda: None)
    assert tokenizer.decode(found.ids) == text
    assert longest <= 4 * WINDOW
    assert (np.diff(found.offsets[:, 0]) >= 0).all()


@pytest.mark.parametrize("masked", [False, True])
def test_long_documents_get_their_ends_and_their_mask_as_short_ones_do(
    masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = fast("bytes")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", 0)]
    )
    text = long_text(6 * WINDOW)
    example = [Segment(text[:5000], not masked), Segment(text[5000:9000], True), Segment(text[9000:], not masked)]
    examples = [[Segment("short", True)], example, [Segment("a", not masked), Segment("b", True)]]
    encoder = Encoder(tokenizer, train_on_eos=True)
    found = encoder.encode(examples)
    monkeypatch.setattr(tokenization, "WINDOW", 10**9)
    for piecewise, at_once in zip(found, encoder.encode(examples), strict=True):
        assert piecewise.ids.tolist() == at_once.ids.tolist()
        assert piecewise.trained.tolist() == at_once.trained.tolist()
    assert found[1].ids[0] == 0


def test_a_long_document_can_be_left_half_way() -> None:
    calls = []

    def cancel() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        Encoder(fast("bytes"), train_on_eos=True).encode([[Segment(long_text(50 * WINDOW), True)]], cancel)
    assert len(calls) == 2
