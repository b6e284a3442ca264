"""Files of text of any size, with as many different words as real text has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 50_000
BLOCK_WORDS = 1 << 18
MEAN_WORDS = 150
TOKENS = 16_384


def write_corpus(path: Path, megabytes: float, seed: int = 0) -> None:
    """A .jsonl of so many million bytes: documents of ragged length, of words whose frequency falls with their rank.

    A tokenizer remembers words it has met, so a few words over and over would be no measure of its speed.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjxqz"))
    chances = 1.0 / np.arange(2, len(letters) + 2)
    sizes = rng.integers(2, 11, WORDS)
    text = "".join(rng.choice(letters, sizes.sum(), p=chances / chances.sum()))
    ends = np.cumsum(sizes)
    words = [text[end - size : end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]
    frequency = 1.0 / np.arange(10, WORDS + 10)
    frequency /= frequency.sum()
    left = megabytes * 1_000_000
    with path.open("w") as file:
        while left > 0:
            drawn = rng.choice(WORDS, BLOCK_WORDS, p=frequency).tolist()
            place = 0
            while place < len(drawn) and left > 0:
                count = max(3, int(rng.lognormal(np.log(MEAN_WORDS) - 0.35, 0.85)))
                sentence = " ".join([words[number] for number in drawn[place : place + count]])
                line = json.dumps({"text": sentence.capitalize() + "."}) + "\n"
                file.write(line)
                left -= len(line)
                place += count


def make_small_model(folder: Path, texts: Path, **shape: int) -> None:
    """A Llama of a million random weights, or of another shape, and a byte-level BPE tokenizer of the usual kind.

    Args:
        folder: where they are saved.
        texts: a file of write_corpus; the tokenizer learns from the first few megabytes.
        shape: what is to be other in its configuration.
    """
    from itertools import islice

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    with texts.open() as file:
        tokenizer.train_from_iterator((json.loads(line)["text"] for line in islice(file, 5000)), trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(folder)
    small: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
    }
    LlamaForCausalLM(
        LlamaConfig(vocab_size=TOKENS, bos_token_id=0, eos_token_id=0, **{**small, **shape})
    ).save_pretrained(folder)
