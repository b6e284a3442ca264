"""From where on something is a finding, and where each figure is from. The help shows this table."""

from __future__ import annotations

DIVERGED_OVER_LOWEST, DIVERGED_OVER_START, DIVERGED_RISE = 3.0, 1.3, 0.5
SPIKE_DEVIATIONS, SPIKE_WINDOW, SPIKE_POINTS, SPIKE_SHARE = 6.0, 128, 20, 0.1
RESTLESS_SPIKES = 3
HIGH_GRADIENT, HIGH_GRADIENT_SHARE, GRADIENT_POINTS = 50.0, 0.2, 10
FLAT_SHARE, FLAT_POINTS = 0.005, 30
RATE_TIMES, RATE_TIMES_BEFORE = 30.0, 100.0
CAUSE_TIMES = 3.0
"""A rate so many times off is named as the cause of what went wrong."""
OVERFIT_READINGS, OVERFIT_SHARE, OVERFIT_LEAST = 3, 0.05, 0.01
MEMORIZED_LOSS = 0.2
WORSE_SHARE = 0.02
IMPROVING_SHARE = 0.01
CUT_SHARE, EMPTY_SHARE = 0.05, 0.3
MEMORY_SHARE, HOT_CELSIUS = 0.9, 90.0
SLOW_SHARE, SLOW_SECONDS = 0.5, 60.0
SILENT_SECONDS, QUICK_STEP_SECONDS = 600.0, 60.0

RULES: tuple[tuple[str, str, str], ...] = (
    ("went wrong", "the loss is not a number; or, behind the warmup, it is or was above 1.3 times its start, or is 3 times its lowest",
     "OPT (2022) went back and lowered the rate when a run diverged; the factors leave room for noise"),
    ("spike", "above the mean of the last 128 points by 6 standard deviations, and by a tenth of it; three are unrest",
     "OLMo-core's skip-step optimizers: 6 deviations over 128 steps; PaLM skipped the batches around a spike"),
    ("gradient", "its norm above 50 before clipping in a fifth of the points; or zero twice in a row",
     "clipping at 1 is usual since GPT-3 (2020), and leaves 2 % of such a gradient; zero: nothing to learn from"),
    ("flat", "a change below 0.5 % over 30 points or more since the start", "below what a batch's noise amounts to"),
    ("learning rate", "30 times outside 1e-6 to 1e-4 (LoRA: ten times that) or what the model's folder suggests; before the start 100",
     "LoRA Without Regret (2025): ten times the rate of full fine-tuning; measured here: 10 to 17"),
    ("overfitting", "three evaluations each higher than the one before, or one 5 % above the best, while training falls",
     "Prechelt, Early Stopping - But When? (1998): UP and GL criteria, at 5 %"),
    ("memorized", "a training loss under 0.2 while evaluation rises", "at 0.2 the right token gets a probability of 82 %"),
    ("no better", "the best evaluation is not below the loss before training", "by definition"),
    ("still improving", "the last evaluation is the best by more than 1 %", "more than evaluations differ by chance"),
    ("learning little more", "less than 0.5 % gained over the last third", "as for flat"),
    ("data lost", "more than 5 % of the tokens cut off, or 30 % of the rows with nothing to learn",
     "what is cut off is never learned: mostly the ends"),
    ("machine", "memory 90 % full; 90 °C; half the usual speed for a minute; no sign of life for ten minutes",
     "GPUs lower their clock at about that heat; Linux ends programs when memory is full"),
)  # fmt: skip
"""Name, when, and where the figure is from."""


def rules_text() -> str:
    """The table in words, for the help."""
    return "\n".join(f"{name}: {when} ({source})." for name, when, source in RULES)
