"""Tiny real models and data, made in a moment."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

WORDS = [
    "the",
    "old",
    "lamp",
    "kept",
    "its",
    "light",
    "while",
    "a",
    "ship",
    "came",
    "home",
    "over",
    "the",
    "dark",
    "sea",
    "and",
    "wind",
    "turned",
    "north",
    "again",
]


def sentences(count: int, seed: int = 0, least: int = 6, most: int = 60) -> list[str]:
    """Texts of words drawn at random, of ragged length."""
    rng = random.Random(seed)
    return [" ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most))) + "." for _ in range(count)]


def write_jsonl(path: Path, texts: list[str], column: str = "text") -> Path:
    path.write_text("".join(json.dumps({column: text}) + "\n" for text in texts))
    return path


def make_tokenizer(folder: Path, *, pad: bool = False) -> Any:
    """A byte-level BPE tokenizer of some 300 tokens with an end-of-text token, saved into the folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>"] + (["<|pad|>"] if pad else [])
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(200, seed=9), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=special[0], bos_token=special[0], pad_token="<|pad|>" if pad else None
    )
    fast.save_pretrained(folder)
    return fast


def make_model(
    folder: Path, architecture: str = "llama", *, seed: int = 0, dropout: float = 0.1, pad: bool = False
) -> Path:
    """A model folder with random weights: 'llama' or 'gpt2', two layers of 32, with a context of 64 tokens."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(folder, pad=pad)
    size = len(tokenizer)
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    if architecture == "gpt2":
        gpt2 = GPT2Config(
            vocab_size=size,
            n_positions=64,
            n_embd=32,
            n_layer=2,
            n_head=2,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=0,
            eos_token_id=0,
        )
        model: GPT2LMHeadModel | LlamaForCausalLM = GPT2LMHeadModel(gpt2)
    else:
        llama = LlamaConfig(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
            attention_dropout=dropout,
            bos_token_id=0,
            eos_token_id=0,
            tie_word_embeddings=True,
        )
        model = LlamaForCausalLM(llama)
    torch.set_rng_state(state)
    model.save_pretrained(folder)
    return folder
