"""Making the starter's tokenizer and its model with fresh weights."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from .dialogues import ASSISTANT, END, USER

BEGIN, PAD = "<|bos|>", "<|pad|>"
CONTEXT = 512

# A system message has no turn of its own: it stands before the first user message.
# The generation marks tell which tokens are replies, for losses on these alone.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{%- set ns = namespace(system='') -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}"
    "{%- set ns.system = message['content'] + ' ' -%}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{ '<|assistant|>' }}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{%- else -%}"
    "{{ '<|user|>' + ns.system + message['content'] }}{%- set ns.system = '' -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with `vocabulary` tokens, learned from the texts.

    It puts the begin token before a text, so that a model can be asked for a text from nothing, and that the first
    word, too, is predicted from something; it never adds the end token.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BEGIN, END, USER, ASSISTANT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    begin = bpe.token_to_id(BEGIN)
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A $B", special_tokens=[(BEGIN, begin)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT],
        model_max_length=CONTEXT,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def fresh_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """A Llama of 1.6 million parameters with random weights."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=160,
        intermediate_size=448,
        num_hidden_layers=4,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=CONTEXT,
        # Five times the usual: narrow layers take off sooner.
        initializer_range=0.05,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def save_fresh(texts: Iterable[str], folder: Path, vocabulary: int, seed: int) -> None:
    """Write a model folder with fresh weights and the tokenizer."""
    tokenizer = train_tokenizer(texts, vocabulary)
    fresh_model(tokenizer, seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


UNSEEN_SHARE, UNSEEN_SPREAD = 0.6, 0.1
"""Of the direction that the embeddings of unseen tokens have in common, how much is kept; and the standard deviation of
what is their own, somewhat less than that of tokens that are used."""


def embeddings(model: PreTrainedModel) -> torch.Tensor:
    """A model's input embeddings, (tokens, width)."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)
    return weight


def tell_unseen_tokens_apart(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], seed: int
) -> None:
    """Give tokens that are in none of the texts embeddings of their own.

    Training has taught the model one thing of them only, never to write them, and so has pushed all of them to the same
    place, far out: fine-tuning on their words then begins with undoing that. Anew they still are unlikely, and each is
    somewhere else.

    Args:
        model: with tied embeddings; changed in place.
        tokenizer: its own.
        texts: all that it was trained on.
        seed: of the new embeddings.
    """
    seen = torch.zeros(len(tokenizer), dtype=torch.bool)
    seen[[tokenizer.bos_token_id, tokenizer.eos_token_id]] = True
    rest = iter(texts)
    while batch := list(islice(rest, 1000)):
        for ids in tokenizer(batch)["input_ids"]:
            seen[ids] = True
    weights = embeddings(model).data
    own = torch.randn(int((~seen).sum()), weights.shape[1], generator=torch.Generator().manual_seed(seed))
    weights[~seen] = UNSEEN_SHARE * weights[~seen].mean(0) + UNSEEN_SPREAD * own
