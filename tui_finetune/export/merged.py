"""Export as a plain folder for transformers: the whole model, an adapter added into its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.export.evaluation import Document, evaluation_documents, loss_on
from tui_finetune.export.folder import DTYPES, clean_tokenizer
from tui_finetune.export.subject import Subject
from tui_finetune.export.target import PLACE, Forecast, Made, Target
from tui_finetune.models.adapters import is_adapter
from tui_finetune.models.loading import load_model, load_tokenizer
from tui_finetune.models.located import LocatedModel, locate
from tui_finetune.models.methods.peft_models import for_use, merged
from tui_finetune.models.quantization import check_installed
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

TOLERANCE = 1e-5
"""By how much logits of the merged model may differ from those of the adapter's, both in fp32, relative to their size."""

LOOK = (2, 24)
"""Rows and tokens of the batch that models are compared on."""

TORCH_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "pure_bf16": "bfloat16"}


@dataclass(frozen=True)
class Whole:
    """A whole model in fp32, in memory.

    Attributes:
        model: with its adapter merged, if it had one.
        located: where it is from.
        notes: what is to be said about it.
    """

    model: PreTrainedModel
    located: LocatedModel
    notes: tuple[str, ...] = ()


class Merged(Target):
    """A folder as save_pretrained writes it, in the number format of the base model."""

    name = "merged"
    title = "a plain folder for transformers and vLLM, with any adapter merged into its model"

    def check(self, subject: Subject) -> None:
        check_mergeable(subject)
        subject.check_sound()

    def forecast(self, subject: Subject) -> Forecast:
        parameters = subject.facts.parameters
        # Loaded, merged, compared on a few tokens, and written.
        return Forecast() if parameters is None else Forecast(bytes_of(subject), 6 + parameters / 4e7)

    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        whole = whole_model(subject, report)
        notes = write_whole(whole, draft, report)
        return Made(notes=(*whole.notes, *notes), commands=(f"vllm serve {PLACE}", f"finetune-tui chat {PLACE}"))


def bytes_of(subject: Subject) -> int:
    """The size of the whole model in its base's number format."""
    return (4 if subject.facts.dtype == "F32" else 2) * (subject.facts.parameters or 0) + 4_000_000


def check_mergeable(subject: Subject) -> None:
    """Raise UserError where an adapter's base model is not on this machine, or what was packed can't be unpacked."""
    if not is_adapter(subject.folder):
        return
    packed = subject.located.adapter.base.quantization if subject.located.adapter else "none"
    if packed != "none":
        check_installed(packed)


def whole_model(subject: Subject, report: Report) -> Whole:
    """The model of a run as one whole model in fp32.

    An adapter is merged into its base; merged logits are compared with those of the adapter beside it. Where the base was
    packed into 4 or 8 bits, the adapter is merged into the original weights and into the packed ones unpacked again;
    whichever has the lower loss on the evaluation rows is taken.

    Raises:
        UserError: the base is gone or another, or the merged model computes something else.
    """
    located = locate(str(subject.folder), report=report)
    if located.adapter is None:
        return Whole(load_model(located, report=report), located)
    packed = located.adapter.base.quantization
    one = _merged(located, report)
    if packed == "none":
        return one
    documents = evaluation_documents(subject, report)
    other = _merged(located, report, packed=packed)
    return _better(one, other, packed, documents, report)


def _better(original: Whole, unpacked: Whole, packed: str, documents: list[Document], report: Report) -> Whole:
    if not documents:
        note = f"It is merged into the original weights, not those of {packed}; which is better was not measured."
        return Whole(original.model, original.located, (*original.notes, note))
    losses = [loss_on(whole.model, documents, report) for whole in (original, unpacked)]
    taken, words = (original, "original") if losses[0] <= losses[1] else (unpacked, f"unpacked {packed}")
    note = (
        f"Evaluation loss merged into the original weights {losses[0]:.4f}, into unpacked {packed} {losses[1]:.4f}: "
        f"the {words} ones are taken."
    )
    return Whole(taken.model, taken.located, (*taken.notes, note))


def _merged(located: LocatedModel, report: Report, packed: str = "none") -> Whole:
    """The model with its adapter merged, compared with the adapter beside the same weights."""
    adapter = located.adapter
    assert adapter is not None
    report(0, None, "loading the model")
    beside = load_model(located, report=report)
    if packed != "none":
        unpack(beside, packed, report)
    beside = for_use(beside, adapter)
    expected = logits_of(beside)
    del beside
    whole = load_model(located, report=report)
    if packed != "none":
        unpack(whole, packed, report)
    report(0, None, "merging")
    whole = merged(whole, adapter)
    difference = relative(logits_of(whole), expected)
    if not difference <= TOLERANCE:
        raise UserError(
            f"the merged model computes something else than the adapter: its logits differ by {difference:.1e}",
            "use the adapter with its base model as it is",
        )
    return Whole(
        whole, located, (f"Logits with the adapter merged differ by {difference:.0e} from those with it beside.",)
    )


def unpack(model: PreTrainedModel, packed: str, report: Report | None = None) -> None:
    """Round the weights of a model's linear layers as packing and unpacking rounds them, in place."""
    import torch
    from bitsandbytes import functional

    head = model.get_output_embeddings()
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    tick = Ticker(report, len(layers), "layers")
    with torch.no_grad():
        for number, layer in enumerate(layers):
            weights = layer.weight.data
            if packed == "nf4":
                data, state = functional.quantize_4bit(weights, quant_type="nf4", compress_statistics=True)
                layer.weight.copy_(functional.dequantize_4bit(data, state))
            else:
                scale = weights.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
                layer.weight.copy_((weights / scale).round() * scale)
            tick(number)


def logits_of(model: PreTrainedModel) -> torch.Tensor:
    """The logits of a batch of tokens drawn at random, always the same; of shape (rows, tokens, vocabulary)."""
    import torch

    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = torch.randint(0, vocabulary, LOOK, generator=torch.Generator().manual_seed(0))
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=ids.to(model.device), use_cache=False).logits.float().cpu()
    return found


def relative(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference of two tensors, relative to the size of the second where that is above 1."""
    return float((one - other).abs().max() / other.abs().max().clamp(min=1.0))


def write_whole(whole: Whole, folder: Path, report: Report) -> tuple[str, ...]:
    """Write a whole model with its tokenizer into a folder, in the number format of its base, and read it back.

    Returns:
        What is to be said about it.

    Raises:
        UserError: what was written is not what was meant to be.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    from tui_finetune.system.libraries import quiet

    model, own = whole.model, whole.located.own_folder
    expected = logits_of(model)
    name = DTYPES.get(_base_dtype(whole.located) or "", "fp32")
    dtype: torch.dtype = getattr(torch, TORCH_DTYPES[name])
    if dtype == torch.float16 and any(bool((w.abs() > torch.finfo(dtype).max).any()) for w in model.parameters()):
        name, dtype = "fp32", torch.float32
    report(0, None, "writing")
    model.config.use_cache = True
    torch.nn.Module.to(model, dtype)
    if (own / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(str(own))
    with quiet(report):
        model.save_pretrained(folder)
        load_tokenizer(whole.located).save_pretrained(folder)
        again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    difference = relative(logits_of(again), expected)
    # Rounded to 8 or 11 bits, every weight is off by its share; another model is off by all of it.
    if not difference <= (TOLERANCE if dtype == torch.float32 else 0.25):
        raise UserError(f"what was written computes something else: its logits differ by {difference:.1e}", "try again")
    clean_tokenizer(folder / "tokenizer_config.json")
    rounded = "" if name == "fp32" else f", which moves logits by {difference:.0e}"
    return (f"Weights in {name}, as those of the base model{rounded}.",)


def _base_dtype(located: LocatedModel) -> str | None:
    """The number format of the base's weights, as safetensors names it."""
    return located.base.facts().dtype
