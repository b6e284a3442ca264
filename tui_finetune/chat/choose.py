"""The step between logits and token."""

from __future__ import annotations

import random

import torch

from tui_finetune.chat.sampling import Sampling
from tui_finetune.errors import UserError


class Chooser:
    """Chooses tokens, drawing from a generator of its own: the global random numbers belong to a training.

    Args:
        sampling: how.
        device: where the logits are.
    """

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._sampling = sampling
        self._generator = torch.Generator(device=device)
        seed = sampling.seed if sampling.seed is not None else random.SystemRandom().getrandbits(62)
        self._generator.manual_seed(seed)

    def choose(self, logits: torch.Tensor, ids: list[int]) -> torch.Tensor:
        """The next token, a tensor without dimensions.

        Args:
            logits: of shape (vocabulary,), in fp32; stays as it is.
            ids: all tokens so far.

        Raises:
            UserError: the logits are no numbers.
        """
        sampling = self._sampling
        scores = _penalized(logits, ids, sampling.repetition_penalty) if sampling.repetition_penalty != 1 else logits
        if sampling.temperature == 0:
            best = scores.argmax()
            if not bool(torch.isfinite(scores[best])):
                raise _broken()
            return best
        probabilities = torch.softmax(_limited(scores / sampling.temperature, sampling), -1)
        try:
            return torch.multinomial(probabilities, 1, generator=self._generator)[0]
        except RuntimeError as error:
            if "probability tensor" in str(error):
                raise _broken() from error
            raise


def _broken() -> UserError:
    return UserError(
        "the model's numbers are broken (inf or nan)", "go back to an earlier checkpoint, or another model"
    )


def _penalized(logits: torch.Tensor, ids: list[int], penalty: float) -> torch.Tensor:
    """The logits with those of tokens that are in the text already made less likely."""
    seen = torch.tensor(sorted(set(ids)), device=logits.device)
    values = logits[seen]
    return logits.index_copy(0, seen, torch.where(values < 0, values * penalty, values / penalty))


def _limited(scores: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """The scores with those of tokens that are not to be drawn at minus infinity."""
    if 0 < sampling.top_k < scores.shape[-1]:
        scores = scores.masked_fill(scores < torch.topk(scores, sampling.top_k).values[-1], float("-inf"))
    if sampling.min_p > 0:
        probabilities = torch.softmax(scores, -1)
        scores = scores.masked_fill(probabilities < sampling.min_p * probabilities.max(), float("-inf"))
    if sampling.top_p < 1:
        ordered, places = torch.sort(scores, descending=True)
        # What comes before a token already has the probability that is wanted: it is one too many.
        before = torch.softmax(ordered, -1).cumsum(-1) - torch.softmax(ordered, -1)
        dropped = torch.zeros_like(scores, dtype=torch.bool).scatter(0, places, before >= sampling.top_p)
        scores = scores.masked_fill(dropped, float("-inf"))
    return scores
