"""What a reply costs: against `model.generate`, and in the tenth turn against the first.

python -m tests.benchmarks.chat [MODEL]
"""

from __future__ import annotations

import statistics
import sys
import time

import torch

from tui_finetune.chat.conversation import Conversation
from tui_finetune.chat.engine import Engine
from tui_finetune.chat.prompt_set import Asked, answer_all
from tui_finetune.chat.prompts import encode
from tui_finetune.chat.sampling import Sampling
from tui_finetune.cli.tables import table
from tui_finetune.models.located import locate

PROMPT = "Once upon a time there was an old lamp that"
TOKENS = 100
ROUNDS = 7
SET = 48


def ours(engine: Engine) -> float:
    """Tokens a second of a reply, its prompt not read before."""
    engine.reply("x", Sampling(temperature=0, max_new_tokens=1))
    began = time.perf_counter()
    reply = engine.reply(PROMPT, Sampling(temperature=0, max_new_tokens=TOKENS))
    return (reply.tokens + (reply.stopped == "end")) / (time.perf_counter() - began)


def theirs(engine: Engine) -> float:
    """The same with `model.generate`."""
    ids = torch.tensor([encode(engine.tokenizer, PROMPT)])
    began = time.perf_counter()
    out = engine.model.generate(  # type: ignore[operator]
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS
    )
    return float(out.shape[1] - ids.shape[1]) / (time.perf_counter() - began)


def first_tokens(engine: Engine) -> list[float]:
    """Seconds to the first token of ten turns of a conversation."""
    engine.reply("x", Sampling(temperature=0, max_new_tokens=1))
    talk, seconds = Conversation("turns" if engine.has_chat_template else "text"), []
    for turn in range(10):
        words = f"Tell me more about lamp number {turn}."
        prompt = talk.prompt_for(words) if talk.style == "turns" else talk.text + words
        reply = engine.reply(prompt, Sampling(temperature=0, max_new_tokens=16))
        talk.keep(words if talk.style == "turns" else str(prompt), reply.text)
        seconds.append(reply.first_seconds or 0.0)
    return seconds


def batched(engine: Engine, batch_size: int) -> float:
    """Seconds for a set of prompts."""
    asked = [Asked(f"{PROMPT} {number}") for number in range(SET)]
    began = time.perf_counter()
    answer_all(engine, asked, Sampling(temperature=0, max_new_tokens=24), turns=False, batch_size=batch_size)
    return time.perf_counter() - began


def main() -> None:
    engine = Engine.load(locate(sys.argv[1] if len(sys.argv) > 1 else "starter"))
    engine.model.generation_config.use_cache = True
    ours(engine), theirs(engine)
    ratios = [ours(engine) / theirs(engine) for _ in range(ROUNDS)]
    turns = [first_tokens(engine) for _ in range(3)]
    tenth = statistics.median(one[9] / one[0] for one in turns)
    sets = [batched(engine, 1) / batched(engine, 16) for _ in range(2)]
    rows = [
        ("tokens/s against model.generate", f"{statistics.median(ratios):.2f}", ">= 0.95"),
        ("first token of turn 10 against turn 1", f"{tenth:.2f}", "<= 1.5"),
        (f"{SET} prompts one by one against batches of 16", f"{statistics.median(sets):.2f}", ">= 3"),
    ]
    for line in table(("", "ratio", "wanted"), rows, right=frozenset({1})):
        print(line)


if __name__ == "__main__":
    main()
