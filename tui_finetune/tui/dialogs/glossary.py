"""The words of the field, for somebody who meets them for the first time."""

from __future__ import annotations

GLOSSARY = {
    "token": "A piece of text as the model sees it: a word or a part of one, in English about four characters. Lengths, "
    "limits and speeds are counted in tokens.",
    "fine-tuning": "Training a model that can already write a little further, on your text, so that it picks up its "
    "style, format or subject.",
    "batch": "The rows that are computed at once. The gradients of several batches can be added up before the weights "
    "change; all of them together are the effective batch.",
    "step": "One update of the weights, from one effective batch.",
    "epoch": "One pass over all rows that are trained on.",
    "loss": "How much the next token surprises the model, on average; lower is better. It starts between 2 and 4 for most "
    "models and never gets to 0 on honest text.",
    "evaluation loss": "The loss on rows kept aside, never trained on. It tells how well the model does on text that it "
    "has not seen.",
    "overfitting": "Memorizing the rows: the training loss keeps falling while the evaluation loss rises. More data, "
    "fewer epochs or a lower learning rate help; early stopping ends the run in time.",
    "learning rate": "How far each step moves the weights. Too high, and the loss jumps or grows; too low, and it hardly falls.",
    "checkpoint": "Everything needed to continue exactly from one step: weights, optimizer, random numbers, position in the data. "
    "Stopping saves one, so that nothing is lost.",
    "chat template": "How the turns of a conversation are written for a model. A model without one continues text: "
    "write the beginning, and it goes on from there.",
    "temperature": "How freely the next token is drawn when writing: near 0 always the likeliest, 1 as likely as the model finds "
    "it, above that, wilder.",
}
"""Terms and what they mean, in the order in which they build on each other."""
