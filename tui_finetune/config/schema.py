"""RunConfig: every setting of a run, declared once.

The form, the command-line flags, the YAML file, the validation and the reference in the README are all made from the
declarations here. Names are those of transformers and TRL where they have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from tui_finetune.config.data_parts import named_after_parts, one_line
from tui_finetune.config.fields import Setting, describe, setting

# Not defined here, so that the app's first frame needs no pydantic.
from tui_finetune.config.names import DEFAULT_SAMPLE as DEFAULT_SAMPLE
from tui_finetune.config.names import STARTER as STARTER
from tui_finetune.errors import UserError

GROUPS = (
    "Model and data",
    "Method",
    "Text to tokens",
    "Length of training",
    "Learning",
    "Evaluation and saving",
    "Hardware",
    "Output",
)


ADAPTERS = ("lora", "qlora")
"""The methods that train an adapter and leave the model as it is."""

SFT = "sft"
"""The task where nothing is said: to write like the data."""

WITH_REFERENCE = ("dpo", "kto")
"""The tasks in which a model is compared with what it was before."""

PAIRED = ("dpo", "orpo")
"""The tasks that compare two replies to the same prompt."""

PREFERENCES = ("dpo", "orpo", "kto")
"""The tasks that learn which replies are preferred."""


def _auto_is_none(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in {"", "auto", "none", "null"} else value


def _false_is_no(value: object) -> object:
    """YAML 1.1 reads a bare ``no`` as false."""
    return "no" if value is False else value


def _prompts_in_a_line(value: object) -> object:
    """A list as one line, and what YAML makes of a bare ``off``."""
    if isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value):
        return " | ".join(" ".join(item.split()) for item in value) or None
    return "off" if value is False else _auto_is_none(value)


def _task(value: object) -> object:
    """Other spellings of the same tasks; nothing is the usual one."""
    if value is None or value is False:
        return SFT
    word = str(value).strip().lower()
    return SFT if word in {"", "none"} else word


def _short_optimizer(value: object) -> object:
    """Other spellings of the same optimizers."""
    return _OPTIMIZERS.get(value, value) if isinstance(value, str) else value


_OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw_fused": "adamw_torch_fused",
    "adamw_hf": "adamw_torch",
    "adamw_bnb_8bit": "adamw_8bit",
    "paged_adamw": "paged_adamw_32bit",
    "lion_32bit": "lion",
}


def _list_is_text(value: object) -> object:
    """Lists, as YAML and other tools have them, as text with commas."""
    return ",".join(str(item).strip() for item in value) if isinstance(value, (list, tuple)) else value


def _data_parts(value: object, key: str) -> str | None:
    """Several data sets as one line of text."""
    try:
        return one_line(value, key)
    except UserError as error:
        raise ValueError(error) from None


def _steps_or_share(value: float | None) -> float | None:
    """Whole from 1 on."""
    if value is None or value < 1:
        return value
    if value != int(value):
        raise ValueError("steps are whole")
    return int(value)


Auto = BeforeValidator(_auto_is_none)
StepsOrShare = AfterValidator(_steps_or_share)
Optimizer = BeforeValidator(_short_optimizer)
Listed = BeforeValidator(_list_is_text)
Targets = BeforeValidator(lambda value: "all-linear" if value == "all" else value)
TextOrNumber = BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
Mixture = BeforeValidator(partial(_data_parts, key="datasets"))
EvalMixture = BeforeValidator(partial(_data_parts, key="eval_dataset"))
NoneIsWord = BeforeValidator(lambda value: "none" if value is None or value is False else value)

_MIX_STRATEGIES: Mapping[str, str] = {
    "concat": "concatenate",
    "interleave_under": "first_exhausted",
    "interleave_over": "all_exhausted",
}
"""LLaMA-Factory's names for them."""

MixStrategy = BeforeValidator(lambda value: _MIX_STRATEGIES.get(value, value) if isinstance(value, str) else value)

Task = BeforeValidator(_task)
Interval = Annotated[Literal["no", "epoch", "steps"], BeforeValidator(_false_is_no)]


class RunConfig(BaseModel):
    """All that determines a run. Immutable; checked when it is made."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=(), allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _named_after_parts(cls, values: object) -> object:
        """A run of several data sets is called after them."""
        try:
            return named_after_parts(values) if isinstance(values, dict) else values
        except UserError:  # which the setting itself tells
            return values

    # Model and data
    model_name_or_path: str = setting(
        STARTER,
        group="Model and data",
        aliases=("base_model", "model", "model_name"),
        help="Model to fine-tune: 'starter', a local folder, or a name on the Hugging Face hub.",
        explanation="The model that training starts from. 'starter' is included and needs no network. A folder must "
        "hold a model as save_pretrained writes it; anything else is looked up on the Hugging Face hub, such as "
        "'distilgpt2' or 'Qwen/Qwen3-0.6B'. It must be a causal language model: one that writes text from left to "
        "right. A larger model writes better and takes more memory and time, roughly in proportion.",
    )
    model_revision: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("revision",),
        help="Version of a hub model: a branch, tag or commit; auto is the newest.",
        explanation="Models on the hub change. A run writes the commit it used into its config.yaml, so that it can be "
        "resumed and repeated with the very same weights, also without a network. Set it to stay with one version "
        "or to use a branch other than 'main'. Folders and the starter have no versions.",
    )
    dataset_name: str = setting(
        DEFAULT_SAMPLE,
        group="Model and data",
        aliases=("dataset", "dataset_path"),
        help="Data to train on: a sample's name, a file, a folder of files, or a name on the hub.",
        explanation="What the model learns to write like. A sample ('sea-tales'), a file (.txt, .md, .jsonl, .json, "
        ".csv, .parquet, .arrow), a folder of such files, a data set saved with save_to_disk, or one on the hub, "
        "such as 'stas/openwebtext-10k'. A few hundred good examples change a model's style; new knowledge takes "
        "many more. `finetune-tui preview` shows what is in it.",
    )
    datasets: Annotated[str | None, Mixture] = setting(
        None,
        group="Model and data",
        unset="none",
        help="Several data sets at once, in the place of dataset_name: chat.jsonl=2, code.jsonl=1, or a list.",
        explanation="In YAML a list, each entry a name or a mapping: name, weight, format, split, config, max_samples, "
        "text_field, messages_field, prompt_field, input_field, completion_field, label_field, eval_split, "
        "completion_only_loss, assistant_only_loss. What an entry leaves out is as the settings of the same name say. On the "
        "command line names with commas between them, each with its weight behind = if it has one, or that list in "
        "brackets. Each data set has its own format and loss mask, keeps its own rows aside for evaluation, and has an "
        "evaluation loss of its own among the curves.",
    )
    mix_strategy: Annotated[Literal["auto", "concatenate", "first_exhausted", "all_exhausted"], MixStrategy] = setting(
        "auto",
        group="Model and data",
        aliases=("stopping_strategy",),
        help="How several data sets are mixed; auto goes by the weights, or takes all rows where there are none.",
        explanation="'concatenate' takes every row of each once. The others take rows by weight: 'first_exhausted' as many as "
        "the shares allow until one data set has no more, so that none is seen twice; 'all_exhausted' until each has been "
        "seen whole, so that those with a large weight and few rows come again. A weight is a share of the rows, beside "
        "the others' weights. Auto is 'first_exhausted' with weights and 'concatenate' without.",
    )
    dataset_config: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("dataset_config_name", "subset"),
        unset="default",
        help="Configuration (subset) of a hub data set.",
        explanation="Some data sets on the hub have several configurations, for instance one per language. Left "
        "alone, the data set's own default is used.",
    )
    dataset_train_split: str = setting(
        "train",
        group="Model and data",
        aliases=("split", "dataset_split"),
        help="Split of the data set to train on.",
        explanation="Hub data sets come in named parts, usually 'train' and sometimes 'validation' and 'test'. Local "
        "files have only 'train'.",
    )
    dataset_format: Literal["auto", "text", "prompt-completion", "messages", "alpaca", "sharegpt"] = setting(
        "auto",
        group="Model and data",
        help="How a row becomes text to train on; 'auto' recognizes it from the columns and the first rows.",
        explanation="'text': one column holds the text, and all of it is trained on. 'prompt-completion': a prompt "
        "and what follows it. 'messages' and 'sharegpt': conversations, as a list of turns with role and content, or "
        "from and value. 'alpaca': instruction, input and output. In every format but 'text', only what the model "
        "should write is trained on. 'auto' looks at the columns and the first rows, and says what it found and why.",
    )
    dataset_text_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("text_column", "text_field"),
        help="Column that holds the text.",
        explanation="Only needed where the column is not found automatically: 'text' is used if there is one, then "
        "'content', then the only column of text.",
    )
    dataset_messages_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("messages_column", "field_messages"),
        help="Column that holds the turns of a conversation.",
        explanation="Only needed where a row has several lists of turns: otherwise 'messages' or 'conversations' is "
        "used, or the only column that holds a list of turns with role and content, or from and value.",
    )
    dataset_prompt_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("prompt_column", "field_instruction"),
        help="Column that holds the prompt, instruction or question.",
        explanation="Only needed where the column has an unusual name: 'prompt', 'instruction', 'question' and "
        "'query' are found automatically. Set it together with dataset_completion_field.",
    )
    dataset_input_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("input_column", "field_input"),
        help="Column that holds the input that an instruction is about.",
        explanation="Only for the format 'alpaca', and only where the column is called neither 'input' nor "
        "'context'. Where a row's input is empty, its instruction stands alone.",
    )
    dataset_completion_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("completion_column", "response_column", "field_output"),
        help="Column that holds the completion, output or answer: the part that is trained on.",
        explanation="Only needed where the column has an unusual name: 'completion', 'response', 'output' and "
        "'answer' are found automatically. Set it together with dataset_prompt_field.",
    )
    dataset_label_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("label_column", "field_label"),
        help="Column that tells good replies (true) from bad ones (false); or a rating, with dataset_label_threshold.",
        explanation="With task: kto, good replies become likelier and bad ones less likely; a column 'label', 'kto_tag' or "
        "'rating' is found automatically. With task: sft, only the good ones can be learned: such data is refused until you "
        "say so, and with this column named, its bad rows are left out and counted.",
    )
    dataset_label_threshold: Annotated[float | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("label_threshold", "rating_threshold"),
        unset="none",
        help="The rating from which on a reply is good, where dataset_label_field holds ratings.",
        explanation="A reply that was rated 4 of 5 may be good or bad, and only you know which: with 4 here, ratings of 4 and 5 "
        "are good and all below are bad.",
    )
    dataset_chosen_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("chosen_column", "field_chosen"),
        help="Column that holds the better of two replies.",
        explanation="Only needed where the column is called neither 'chosen' nor 'chosen_messages'. Set it together with "
        "dataset_rejected_field.",
    )
    dataset_rejected_field: Annotated[str | None, Auto] = setting(
        None,
        group="Model and data",
        aliases=("rejected_column", "field_rejected"),
        help="Column that holds the worse of two replies.",
        explanation="Only needed where the column is called neither 'rejected' nor 'rejected_messages'. Set it together with "
        "dataset_chosen_field.",
    )
    max_samples: Annotated[int | None, Auto] = setting(
        None,
        ge=1,
        group="Model and data",
        unset="auto",
        aliases=("max_train_samples", "num_samples"),
        help="How many rows of the data are used, from the first on; auto is all.",
        explanation="A few hundred rows show whether data and settings are right before the whole is trained on. Rows for "
        "evaluation are among them.",
    )
    validation_split: float = setting(
        0.1,
        ge=0,
        group="Model and data",
        aliases=("val_size", "val_set_size", "test_size"),
        help="Share of the rows held out for evaluation (or their number, from 1 up); 0 for none.",
        explanation="These rows are never trained on. The loss on them (evaluation loss) tells whether the model "
        "learns something general or merely memorizes: when it rises while the training loss falls, the model "
        "overfits. 0.1 is usual; with a lot of data a few hundred rows are plenty. 0 turns off evaluation, early "
        "stopping and the choice of the best checkpoint.",
    )

    eval_dataset: Annotated[str | None, EvalMixture] = setting(
        None,
        group="Model and data",
        unset="none",
        aliases=("test_datasets", "validation_dataset"),
        help="Data to evaluate on in the place of a share of the training data: a name, or several as in datasets.",
        explanation="Named like the data to train on: a sample, a file, a folder, or a name on the hub. Nothing is then kept "
        "aside of the training data, and validation_split means nothing. The format is recognized as for the training data.",
    )
    dataset_eval_split: Annotated[str, NoneIsWord] = setting(
        "auto",
        group="Model and data",
        aliases=("dataset_test_split", "eval_split"),
        help="Split to evaluate on; auto is 'validation' where the data set has one, none keeps rows of its own aside.",
        explanation="Many data sets on the hub, and folders with files called train and validation, bring rows to evaluate on. "
        "Auto takes those where there are any and nobody sets validation_split; name another split, such as 'test', to take "
        "that. With 'none', or where there is no such split, validation_split of the rows are kept aside.",
    )

    # Method
    task: Annotated[Literal["sft", "dpo", "orpo", "kto"], Task] = setting(
        "sft",
        group="Method",
        aliases=("stage", "rl", "training_type"),
        help="What is learned: to write like the data (sft), or which replies are preferred (dpo, orpo, kto).",
        explanation="'sft', supervised fine-tuning, learns to write what the data has. The others learn from preferences, best "
        "after sft has taught the kind of replies. 'dpo' takes pairs of a better and a worse reply and makes the better one "
        "likelier than the model found it before. 'orpo' does both at once, sft and pairs, and needs no model to compare with. "
        "'kto' takes single replies, each good or bad. They are computed by "
        "TRL: pip install 'finetune-tui[preference]'.",
    )
    beta: float = setting(
        0.1,
        gt=0,
        le=100,
        group="Method",
        aliases=("pref_beta", "rl_beta", "dpo_beta"),
        tasks=("dpo", "orpo", "kto"),
        help="How closely the model stays to what it was (dpo, kto); how much the pairs count beside the text (orpo).",
        explanation="With dpo and kto, a higher value keeps the model nearer to what it was, a lower one lets it follow the "
        "preferences further: 0.1 is usual, 0.01 to 0.5 are tried. With orpo it is the weight of the pairs: 0.1 is usual, more "
        "makes the difference between the replies count more.",
    )
    loss_type: Literal["sigmoid", "hinge", "ipo", "apo_zero", "apo_down", "sigmoid_norm"] = setting(
        "sigmoid",
        group="Method",
        aliases=("pref_loss",),
        tasks=("dpo",),
        help="The loss of dpo; sigmoid is DPO's own.",
        explanation="'sigmoid' is the DPO paper's. 'hinge' stops pushing once a pair is told apart clearly. 'ipo' aims at a "
        "margin and no further, against overfitting to clear pairs. 'apo_zero' makes good replies likelier and bad ones less "
        "likely, 'apo_down' lowers both, for replies worse than the model's own. 'sigmoid_norm' divides by the length, so that "
        "long replies don't win by being long.",
    )
    desirable_weight: float = setting(
        1.0,
        ge=0,
        le=1000,
        group="Method",
        aliases=("kto_chosen_weight", "kto_desirable_weight"),
        tasks=("kto",),
        help="How much a good reply counts in kto.",
        explanation="Where good and bad replies are not equally many, raise the weight of the fewer ones until number times weight "
        "is about the same for both, up to a third more for the good ones.",
    )
    undesirable_weight: float = setting(
        1.0,
        ge=0,
        le=1000,
        group="Method",
        aliases=("kto_rejected_weight", "kto_undesirable_weight"),
        tasks=("kto",),
        help="How much a bad reply counts in kto.",
        explanation="See desirable_weight: with ten times more bad replies than good ones, 0.1 balances them.",
    )
    precompute_ref_log_probs: bool = setting(
        False,
        group="Method",
        tasks=("dpo",),
        methods=("full",),
        help="Ask the model as it was once, before training, and not at every step: saves the memory of its copy.",
        explanation="dpo compares with the model as it was. Full fine-tuning keeps a copy of it for that, which takes the memory "
        "of the weights a second time; this computes its numbers for all rows beforehand instead, which takes a pass over the "
        "data. An adapter needs no copy: the model without it is the model as it was.",
    )
    method: Literal["full", "lora", "qlora"] = setting(
        "full",
        group="Method",
        help="How the model is trained: all weights (full), a small adapter (lora), or that on a 4-bit model (qlora).",
        explanation="'full' changes every weight: the most thorough, and it takes the most memory. 'lora' leaves the model as it "
        "is and trains a small adapter beside it, with a hundredth of the weights: far less memory and disk, nearly as "
        "good for a style, a format, or a task. 'qlora' is lora on a model that is packed into 4 bits, for models that "
        "don't fit otherwise; packing loses a little. use_peft, adapter, finetuning_type, load_in_4bit and load_in_8bit "
        "of other tools are accepted too.",
    )
    lora_r: int = setting(
        16,
        ge=1,
        le=4096,
        group="Method",
        aliases=("r", "lora_rank", "rank"),
        methods=ADAPTERS,
        help="Rank of the adapter: how much it can learn.",
        explanation="Each adapted layer gets two narrow matrices with this many columns. 8 to 32 are usual, and 16 is enough for "
        "a style; take 64 or more for much new material. Memory and disk of the adapter grow in proportion.",
    )
    lora_alpha: Annotated[int | None, Auto] = setting(
        None,
        ge=1,
        group="Method",
        methods=ADAPTERS,
        help="How strongly the adapter acts; auto is twice lora_r.",
        explanation="What the adapter adds is multiplied by lora_alpha / lora_r. Twice the rank is usual and rarely needs to be "
        "changed: a higher learning rate does nearly the same.",
    )
    lora_dropout: float = setting(
        0.0,
        ge=0,
        le=0.9,
        group="Method",
        tasks=(SFT,),
        methods=ADAPTERS,
        help="Share of the adapter's inputs that are left out at random while training.",
        explanation="Against overfitting on small data; 0.05 to 0.1 where it is used. It keeps 70% more activations in memory, so "
        "it is off unless you ask for it.",
    )
    lora_target_modules: Annotated[str, Targets, Listed] = setting(
        "all-linear",
        group="Method",
        aliases=("lora_targets", "lora_target", "target_modules", "peft_target_modules"),
        methods=ADAPTERS,
        help="Layers that get an adapter: all-linear, names with commas (q_proj,v_proj), or a regular expression.",
        explanation="'all-linear' adapts every matrix of attention and feed-forward, which learns best at the same size. Only the "
        "attention (q_proj,k_proj,v_proj,o_proj) is smaller and was usual for long. A regular expression, such as "
        "'.*layers\\.[0-7]\\..*_proj', must fit the whole name of a layer.",
    )
    use_dora: bool = setting(
        False,
        group="Method",
        aliases=("peft_use_dora", "dora"),
        methods=ADAPTERS,
        help="DoRA: learn the length of each weight vector as well as its direction.",
        explanation="A refinement of LoRA that learns a little better at low ranks. It takes more memory and about half again as "
        "much time; try plain LoRA first.",
    )
    use_rslora: bool = setting(
        False,
        group="Method",
        aliases=("peft_use_rslora", "rslora"),
        methods=ADAPTERS,
        help="rsLoRA: divide lora_alpha by the square root of lora_r, not by lora_r.",
        explanation="Keeps large ranks from learning too timidly: with lora_r 64 or more it makes the rank count. With the usual "
        "16 it makes the adapter four times as strong, so lower lora_alpha or the learning rate with it.",
    )
    loraplus_lr_ratio: Annotated[float | None, Auto] = setting(
        None,
        ge=1,
        le=1000,
        group="Method",
        aliases=("lora_plus_lr_ratio",),
        unset="none",
        methods=ADAPTERS,
        help="LoRA+: how many times faster the adapter's second matrices learn than its first.",
        explanation="The two matrices of an adapter begin unequal, and the second, which begins at zero, may learn faster. 16 is "
        "usual where it is used; lower learning_rate to a half or so with it.",
    )
    trainable_token_indices: Annotated[str | None, Listed, Auto] = setting(
        None,
        group="Method",
        unset="none",
        methods=ADAPTERS,
        help="Numbers of tokens whose embeddings are trained as well, such as 32000,32001.",
        explanation="For tokens that the model has never seen, such as ones you added for a chat template. Only these rows of the "
        "embeddings are trained, which costs next to nothing and keeps a head that shares them right.",
    )
    quantization: Literal["auto", "none", "nf4", "int8"] = setting(
        "auto",
        group="Method",
        methods=ADAPTERS,
        help="How the frozen model is packed: nf4 (4 bit), int8 (8 bit) or none; auto is nf4 with qlora, else none.",
        explanation="A packed model takes a quarter (nf4) or half (int8) of the memory that bf16 does, and is a little worse: "
        "take it where the model doesn't fit otherwise. Only an adapter can be trained on it. It needs bitsandbytes: pip "
        "install 'finetune-tui[quantization]'.",
    )
    double_quantization: bool = setting(
        True,
        group="Method",
        aliases=("bnb_4bit_use_double_quant", "use_bnb_nested_quant"),
        methods=ADAPTERS,
        help="With nf4: pack the scales of the packed weights too.",
        explanation="Saves another 0.4 bits for each weight, a tenth of the packed model, and loses nothing that can be measured.",
    )
    unfrozen_layers: Annotated[str, Listed, TextOrNumber] = setting(
        "all",
        group="Method",
        aliases=("freeze_trainable_layers", "num_layer_trainable", "unfrozen_parameters"),
        methods=("full",),
        help="Layers that are trained: all, how many of the last ones, or patterns of their weights' names.",
        explanation="The first layers know the language and the last ones what to say: training the last 2 to 8 only saves the "
        "gradients and optimizer state of all others. A pattern names weights, such as 'layers.1[0-5]|lm_head'; several "
        "have commas between them. An adapter (method: lora) usually learns more for the same memory.",
    )
    neftune_noise_alpha: Annotated[float | None, Auto] = setting(
        None,
        gt=0,
        le=1000,
        tasks=(SFT,),
        group="Method",
        unset="none",
        help="NEFTune: noise on the embeddings while training; 5 is usual.",
        explanation="A little noise on what the model reads keeps it from learning small data by heart, and often makes replies "
        "better. It changes nothing about the finished model, costs nothing, and makes the training loss a little higher.",
    )

    # Text to tokens
    max_length: Annotated[int | None, Auto] = setting(
        None,
        ge=8,
        group="Text to tokens",
        aliases=("block_size", "cutoff_len", "sequence_len", "max_seq_length"),
        help="Tokens in one training row; auto is the model's context length, at most 1024.",
        explanation="The longest piece of text that the model sees at once. A token is a piece of a word, in English "
        "about four characters. It can't exceed the model's context length. Memory grows with it: halve it if the "
        "device runs out of memory. The preview shows how many of your texts are longer.",
    )
    packing: bool = setting(
        True,
        tasks=(SFT,),
        group="Text to tokens",
        aliases=("sample_packing", "packed"),
        help="Fill each row with whole texts instead of padding.",
        explanation="Short texts are combined into full rows and kept strictly apart: no text sees another one. "
        "Nothing is computed on padding, which makes training two to three times as fast on texts of mixed length. "
        "Turned off, each row holds one text and is padded.",
    )
    padding: Literal["longest", "max_length"] = setting(
        "longest",
        tasks=(SFT,),
        group="Text to tokens",
        aliases=("pad_to",),
        help="Without packing: pad to the longest row of the batch, or always to max_length.",
        explanation="Rows of a batch must have the same length; shorter ones are filled with a padding token that is "
        "not trained on. 'longest' pads to the longest row of the batch. 'max_length' always pads to the limit, "
        "which wastes time and memory and is here because the tutorial does it.",
    )
    group_by_length: Annotated[bool | None, Auto] = setting(
        None,
        tasks=(SFT,),
        group="Text to tokens",
        help="Without packing: put rows of similar length into the same batch; auto shuffles all rows.",
        explanation="A batch is padded to its longest row, so rows of similar length waste less time on padding. The "
        "order of the rows is then less random: they are shuffled and sorted by length in pools of 50 batches, and the "
        "batches are shuffled again. Auto shuffles all rows, as most training scripts do. It makes no difference with "
        "packing, or with padding: max_length.",
    )
    excess_length_strategy: Literal["split", "truncate", "drop"] = setting(
        "split",
        group="Text to tokens",
        help="What happens to a text longer than max_length: split it, cut off its end, or leave it out.",
        explanation="'split' makes several rows of a long text, so that nothing is lost. 'truncate' keeps only its "
        "beginning, 'drop' leaves out the whole text. Conversations, and prompts with completions, are never split, "
        "because the second half would lack its question: 'split' cuts off their end, and says how many there are.",
    )
    split_special_tokens: bool = setting(
        True,
        group="Text to tokens",
        help="Read names of special tokens that stand in your texts, such as <|im_end|>, as plain text.",
        explanation="The tokens that begin and end turns are written by the chat template. Where their names stand in the "
        "texts themselves, a document could end a turn or begin one of the system: so they are split into ordinary tokens, "
        "and the preview says in how many rows. An end-of-text token at the very end of a text stays one. Turn it off for texts that were put into a model's chat format beforehand. "
        "The preset 'tutorial' turns it off, as its script does.",
    )
    completion_only_loss: Annotated[bool | None, Auto] = setting(
        None,
        tasks=(SFT,),
        group="Text to tokens",
        help="Train only on completions, not on prompts; for prompt-completion and alpaca data.",
        explanation="The model reads the prompt and is trained to write only what follows it, which is nearly always "
        "what you want; auto does so. Turned off, it is trained to write the prompts as well. train_on_inputs and "
        "mask_prompt of other tools are accepted too: they set this and assistant_only_loss.",
    )
    assistant_only_loss: Annotated[bool | None, Auto] = setting(
        None,
        tasks=(SFT,),
        group="Text to tokens",
        help="Train only on the assistant's turns; for messages and sharegpt data.",
        explanation="In a conversation, the model is trained to write the assistant's turns, each with the token "
        "that ends it, and only reads everything else; auto does so. Turned off, it is trained to write the user's "
        "and the system's words as well.",
    )
    preserve_thinking: bool = setting(
        False,
        group="Text to tokens",
        help="Keep the thoughts of earlier turns, where the chat template would leave them out.",
        explanation="Many templates show the model only the thoughts of the last turn, as it will be when it is talked to; "
        "a conversation's earlier replies are then learned without theirs. Turned on, they are written before each reply "
        "as the template writes the last one's, between <think> and </think>. The preview says in how many rows thoughts are "
        "left out.",
    )
    train_on_eos: bool = setting(
        True,
        tasks=(SFT,),
        group="Text to tokens",
        help="End each text with the end-of-text token, and train on it.",
        explanation="A model that was never trained on the end-of-text token never stops talking. Many scripts lose "
        "it silently, because they use the same token for padding, which is not trained on. Turned off, no token is "
        "added and padding tokens inside a text are not trained on either, as in the tutorial's script.",
    )

    # Length of training
    num_train_epochs: float = setting(
        3.0,
        gt=0,
        le=10_000,
        chosen=True,
        group="Length of training",
        aliases=("num_epochs", "epochs"),
        help="How many passes over the data; auto takes as many as small data needs, at least 3.",
        explanation="One epoch is one pass over all training rows. 1 to 3 are usual; small data sets take more, and "
        "overfit sooner. Auto takes enough for 60 updates. Early stopping ends the run when evaluation no longer improves. A finished run can be "
        "extended by raising this and resuming it.",
    )
    max_steps: int = setting(
        -1,
        ge=-1,
        group="Length of training",
        help="Number of steps, whatever the epochs; -1 to go by epochs.",
        explanation="A step is one update of the weights. Set it to try things out quickly: 20 steps tell whether the data "
        "and the memory are right.",
    )
    per_device_train_batch_size: int = setting(
        8,
        ge=1,
        le=65_536,
        chosen=True,
        group="Length of training",
        aliases=("micro_batch_size", "batch_size"),
        help="Rows computed at once; auto takes the most that fit.",
        explanation="Auto takes up to 8, as many as fit into memory by the estimate, and keeps the rows of an update by "
        "gradient_accumulation_steps. More rows at once make better use of the device and take more memory. When memory runs out, "
        "halve this and double gradient_accumulation_steps: the result stays the same.",
    )
    per_device_eval_batch_size: int = setting(
        8,
        ge=1,
        le=65_536,
        chosen=True,
        group="Length of training",
        aliases=("eval_batch_size",),
        help="Rows computed at once in evaluation.",
        explanation="Evaluation needs no gradients, so it takes less memory than training. It changes the speed, not "
        "the model.",
    )
    gradient_accumulation_steps: int = setting(
        2,
        ge=1,
        le=65_536,
        chosen=True,
        group="Length of training",
        aliases=("gradient_accumulation",),
        help="Batches accumulated for one update of the weights; auto makes up to 16 rows of an update.",
        explanation="Auto makes updates of 16 rows, or of fewer where the data would give too few updates. The effective batch size is this times per_device_train_batch_size. 16 to 64 rows are usual for "
        "fine-tuning: fewer make the loss noisy, more leave fewer updates in an epoch. It costs no memory.",
    )

    # Learning
    learning_rate: float = setting(
        2e-5,
        gt=0,
        le=1,
        chosen=True,
        group="Learning",
        aliases=("lr",),
        help="How far each update moves the weights; auto goes by the method and the size of the model.",
        explanation="The most important number. Too high, and the loss jumps or grows; too low, and little changes. "
        "1e-5 to 5e-5 are usual when all weights of a pretrained model are trained, ten times that for an adapter: "
        "where nobody sets it, it follows the method. Small models like the starter "
        "need a hundred times more. If the loss falls steadily but slowly, double it; if it is erratic, halve it.",
    )
    lr_scheduler_type: Literal[
        "linear",
        "cosine",
        "cosine_with_min_lr",
        "warmup_stable_decay",
        "constant",
        "constant_with_warmup",
        "polynomial",
        "inverse_sqrt",
        "cosine_with_restarts",
    ] = setting(
        "linear",
        group="Learning",
        aliases=("lr_scheduler",),
        help="How the learning rate changes over the run.",
        explanation="'linear' and 'cosine' decay to zero at the end, which lets the model settle; 'constant' stays "
        "the same. The difference is small; 'linear' and 'cosine' are usual. 'cosine_with_min_lr' stops at a share of the "
        "rate (min_lr_rate); 'warmup_stable_decay' stays at the full rate and decays over the last part (decay_steps), so "
        "that a run can be extended before it.",
    )
    min_lr_rate: float = setting(
        0.1,
        ge=0,
        le=1,
        group="Learning",
        aliases=("cosine_min_lr_ratio",),
        help="Where the rate ends, as a share of learning_rate; for cosine_with_min_lr and warmup_stable_decay.",
        explanation="A rate that never reaches zero keeps the model learning to the end. 0.1 is usual; 0 lets it settle "
        "completely. Other schedules have their own ends and take no notice of it.",
    )
    decay_steps: float = setting(
        0.2,
        gt=0,
        group="Learning",
        aliases=("num_decay_steps",),
        help="Steps over which warmup_stable_decay lowers the rate at the end; below 1, a share of all steps.",
        explanation="The stable part learns, the decay settles what was learned: most of the drop in loss comes in it. 0.1 to "
        "0.2 of the run are usual. Other schedules take no notice of it.",
    )
    warmup_steps: float = setting(
        0.0,
        ge=0,
        group="Learning",
        aliases=("warmup_ratio",),
        help="Steps over which the learning rate rises to its full value; below 1, a share of all steps.",
        explanation="The first updates are the most erratic. A short warmup keeps them from doing harm. 0.03 (3% of "
        "the steps) is usual; raise it to 0.1 if the loss jumps at the beginning.",
    )
    weight_decay: float = setting(
        0.01,
        ge=0,
        le=1,
        group="Learning",
        help="How strongly the weights are pulled toward zero.",
        explanation="A little of it keeps weights from growing needlessly, which helps against overfitting. 0.01 to "
        "0.1 are usual.",
    )
    max_grad_norm: float = setting(
        1.0,
        ge=0,
        group="Learning",
        aliases=("gradient_clipping",),
        help="Largest gradient norm allowed; 0 turns clipping off.",
        explanation="One odd batch can give a huge gradient that ruins the model. Larger gradients are scaled down "
        "to this norm. 1.0 is usual.",
    )
    optim: Annotated[
        Literal[
            "adamw_torch_fused",
            "adamw_torch",
            "adamw_8bit",
            "paged_adamw_8bit",
            "paged_adamw_32bit",
            "adafactor",
            "lion",
            "muon",
            "sgd",
        ],
        Optimizer,
    ] = setting(
        "adamw_torch_fused",
        group="Learning",
        aliases=("optimizer",),
        help="Algorithm that updates the weights.",
        explanation="AdamW is what nearly everybody uses; 'fused' is the same, but faster. It keeps two more numbers "
        "for each weight, so it takes twice the memory of the weights. 'adamw_8bit' keeps them in 8 bits, a quarter of "
        "that, and learns as well; the 'paged' ones move them to the host's memory when a GPU's runs short (all three "
        "need the extra 'quantization'). 'lion' keeps one number a weight and wants a rate 3 to 10 times lower, with more "
        "weight decay. 'muon' keeps one as well and learns fast when all weights are trained; embeddings and norms stay "
        "with AdamW. 'adafactor' keeps next to nothing and trains slightly worse; 'sgd' keeps nothing and is seldom good.",
    )
    adam_beta1: float = setting(
        0.9,
        ge=0,
        lt=1,
        group="Learning",
        help="How much of the mean gradient is kept from step to step; for AdamW and Lion.",
        explanation="The optimizer goes by a running mean of the gradients: 0.9 looks back about ten steps. It rarely needs "
        "to be changed.",
    )
    adam_beta2: float = setting(
        0.999,
        ge=0,
        lt=1,
        group="Learning",
        help="How much of the mean squared gradient is kept from step to step; for AdamW and Lion.",
        explanation="0.999 looks back about a thousand steps. 0.95 to 0.99 follow changes sooner, and are usual where batches "
        "are large or the loss has spikes. For Lion, 0.99 is what its authors take.",
    )
    adam_epsilon: float = setting(
        1e-8,
        ge=0,
        le=1,
        group="Learning",
        help="A small number that keeps AdamW from dividing by zero.",
        explanation="It matters only where gradients are tiny; 1e-8 is usual, 1e-6 in half precision.",
    )
    seed: int = setting(
        42,
        ge=0,
        le=2**32 - 1,
        group="Learning",
        aliases=("random_seed",),
        help="Seed of all random numbers: the same seed gives the same run.",
        explanation="It determines the split, the order of the rows, and dropout. Run twice with different seeds to "
        "see how much of a difference is chance.",
    )
    early_stopping_patience: int = setting(
        2,
        ge=0,
        group="Learning",
        aliases=("early_stopping",),
        help="Evaluations without improvement after which the run ends; 0 turns it off.",
        explanation="Ends the run when the evaluation loss has not improved this many times in a row. The best "
        "checkpoint is kept as the final model. With one evaluation per epoch, 2 needs at least four epochs to have "
        "any effect.",
    )

    # Evaluation and saving
    logging_steps: int = setting(
        10,
        ge=1,
        chosen=True,
        group="Evaluation and saving",
        help="Steps between two points of the training loss; auto is 10, or less for a curve of 30 points.",
        explanation="Each point is the mean loss since the one before. A lower number gives a finer, noisier curve.",
    )
    eval_strategy: Interval = setting(
        "epoch",
        group="Evaluation and saving",
        aliases=("evaluation_strategy",),
        help="When the model is evaluated: each epoch, every eval_steps, or not at all.",
        explanation="Evaluation takes time and tells you when to stop. Once per epoch is fine for small data; if an "
        "epoch takes hours, choose 'steps'.",
    )
    eval_steps: Annotated[float | None, Auto, StepsOrShare] = setting(
        None,
        gt=0,
        group="Evaluation and saving",
        unset="auto",
        help="Steps between evaluations, where eval_strategy is 'steps'; below 1, a share of all steps; auto is a tenth of the run.",
        explanation="Each evaluation takes as long as a pass over the held-out rows. Five to twenty per run are "
        "plenty. Given alone, it sets eval_strategy to 'steps'.",
    )
    eval_on_start: bool = setting(
        True,
        group="Evaluation and saving",
        help="Evaluate once before the first step, so that the losses after it can be read against it.",
        explanation="The loss before training is the number that all others are read against: a run whose best evaluation "
        "is not below it has taught the model nothing. It costs one evaluation and changes nothing in the run. Without "
        "rows to evaluate on, or with eval_strategy 'no', there is none.",
    )
    sample_prompts: Annotated[str | None, BeforeValidator(_prompts_in_a_line)] = setting(
        None,
        group="Evaluation and saving",
        help="Prompts that the model completes as it trains: a list, a file, or off; auto takes three from the data.",
        explanation="What the model writes after the same few prompts, before the first step, at each evaluation and at "
        "the end, shows what training does to it. Auto takes the beginnings of three rows that are not trained on. Several "
        "prompts are separated by |, or stand in a file, one a line. It takes at most 2 % of the training time: where that "
        "is little, samples are shorter and fewer. The run stays the same, bit for bit; 'off' leaves them out.",
    )
    eval_loss_average: Literal["tokens", "batches"] = setting(
        "tokens",
        tasks=(SFT,),
        group="Evaluation and saving",
        help="Evaluation loss as the mean over all tokens, or over the means of batches.",
        explanation="'tokens' counts every token that is evaluated once, so the loss is the same at every batch size, "
        "packed or not, and can be compared between runs. 'batches' is what Trainer does: it takes the mean of each "
        "batch and the mean of those, so that a short batch weighs as much as a full one. It is here because the "
        "tutorial does it.",
    )
    save_strategy: Interval = setting(
        "epoch",
        group="Evaluation and saving",
        help="When a checkpoint is saved: each epoch, every save_steps, or only at the end and when stopped.",
        explanation="A checkpoint has everything needed to resume exactly: weights, optimizer, random state, "
        "position in the data. Stopping always saves one, and so does every evaluation that is the best so far.",
    )
    save_steps: Annotated[float, StepsOrShare] = setting(
        500,
        gt=0,
        group="Evaluation and saving",
        help="Steps between checkpoints, where save_strategy is 'steps'; below 1, a share of all steps.",
        explanation="The most that a crash can cost you. Each checkpoint is about three times the size of the "
        "weights. Given alone, it sets save_strategy to 'steps'.",
    )
    save_total_limit: int = setting(
        2,
        ge=1,
        group="Evaluation and saving",
        help="How many of the newest checkpoints are kept, besides the best one.",
        explanation="Older ones are deleted once a newer one is safely on disk. The best one by evaluation loss is "
        "always kept, and so are the two newest.",
    )

    save_only_model: bool = setting(
        False,
        group="Evaluation and saving",
        help="Save checkpoints that hold only the model, a third of the size; such a run can't be resumed.",
        explanation="Leaves out the optimizer, the random state and the position in the data, which take two thirds of a "
        "checkpoint. The best checkpoint is still found and kept. A run that is stopped or interrupted ends there: its "
        "checkpoints can be talked to and trained from, but not resumed.",
    )

    # Hardware
    precision: Literal["auto", "fp32", "bf16", "fp16", "pure_bf16"] = setting(
        "auto",
        group="Hardware",
        aliases=(),
        help="Number format for computing: auto is bf16 where the device is good at it, else fp32.",
        explanation="Half precision is about twice as fast on GPUs and saves memory. 'bf16' is robust and needs a "
        "newer GPU (from 2020 on); 'fp16' works on older ones and can overflow. On a machine without a GPU, 'fp16' "
        "means fp32. The weights themselves are kept in fp32, so that small updates are not lost; 'pure_bf16' keeps them, their "
        "gradients and the optimizer's numbers in bf16 too, which takes half the memory and learns a little worse. Whether a "
        "CPU is good at bf16 is measured once, in a fraction of a second, and remembered.",
    )
    gradient_checkpointing: Annotated[bool | None, Auto] = setting(
        None,
        group="Hardware",
        help="Recompute activations to save memory; auto does so where memory would not suffice.",
        explanation="Takes about a third more time and far less memory on long rows. Auto turns it on where a batch of one "
        "row wouldn't fit otherwise. The result is the same.",
    )
    chunked_cross_entropy: Annotated[bool | None, Auto] = setting(
        None,
        tasks=(SFT,),
        group="Hardware",
        help="Compute the loss in chunks of tokens; auto does so where the logits take more than half a GB.",
        explanation="Each token has a number for every token of the vocabulary, three times over, which in small models takes "
        "more memory than all the rest. In chunks only a part of them is there at once. It takes about a seventh more time "
        "and gives the same loss, but for rounding.",
    )
    attn_implementation: Literal["auto", "sdpa", "eager", "flash_attention_2", "flex_attention"] = setting(
        "auto",
        group="Hardware",
        aliases=("attention",),
        help="How attention is computed; auto is FlashAttention where it is installed and suits, else SDPA.",
        explanation="'sdpa' is torch's own and good everywhere. 'flash_attention_2' is faster on long rows on an NVIDIA GPU in "
        "half precision, and needs the package flash-attn. 'flex_attention' is compiled by torch. 'eager' is the plain "
        "formula, slow, for models that know nothing else.",
    )
    use_liger_kernel: bool = setting(
        False,
        group="Hardware",
        aliases=("enable_liger_kernel",),
        help="Liger's fused kernels, on an NVIDIA GPU: faster, with less memory.",
        explanation="Computes norms, feed-forward and cross-entropy in single kernels. Needs the package liger-kernel and an "
        "NVIDIA GPU, and knows the usual families: Llama, Mistral, Qwen, Gemma, Phi, Granite.",
    )
    torch_compile: bool = setting(
        False,
        group="Hardware",
        help="Compile the model with torch.compile.",
        explanation="The first step takes a minute or so; later ones may be up to a third faster on a GPU. On a CPU it brings "
        "next to nothing.",
    )
    tf32: Annotated[bool | None, Auto] = setting(
        None,
        group="Hardware",
        help="Let fp32 products on an NVIDIA GPU (from 2020 on) round to 10 bits; auto does so.",
        explanation="Several times faster there, and what torch recommends for training. It changes nothing on other devices, "
        "nor in half precision.",
    )

    # Several processes
    num_processes: Annotated[int | None, Auto] = setting(
        None,
        ge=1,
        le=4096,
        group="Hardware",
        help="Processes that train together, one a GPU; auto is one for each GPU that is visible, else 1.",
        explanation="Each process has a copy of the model and computes its own rows; an update is made of all of them: "
        "per_device_train_batch_size × gradient_accumulation_steps × num_processes rows. Over several machines it is their "
        "number on all of them. A run that is resumed on another number of processes accumulates more or fewer batches, so "
        "that its updates stay what they were.",
    )
    gpus: Annotated[str | None, Auto] = setting(
        None,
        group="Hardware",
        aliases=("gpu_ids",),
        help="The GPUs to use, by number, such as 0,2; auto takes those with the most free memory.",
        explanation="As nvidia-smi numbers them. Where CUDA_VISIBLE_DEVICES is set, it says which there are.",
    )
    distributed: Literal["auto", "ddp"] = setting(
        "auto",
        group="Hardware",
        help="How several processes share the work; ddp has a copy of the model on each GPU.",
        explanation="With DDP (torch's DistributedDataParallel) each GPU holds the whole model, and gradients are averaged "
        "once an update. The model has to fit on one GPU.",
    )
    max_restarts: int = setting(
        3,
        ge=0,
        group="Hardware",
        help="How often training is restarted from the newest checkpoint after a process was lost.",
        explanation="Where one of several processes is killed, or its GPU fails, all are started again from the newest "
        "checkpoint. Of a run of one process, `finetune-tui resume` does it.",
    )
    num_machines: int = setting(
        1,
        ge=1,
        group="Hardware",
        help="Machines that train together; each starts finetune-tui with its own machine_rank.",
        explanation="The run's directory must be one that all of them share. Set main_process_ip too.",
    )
    machine_rank: int = setting(
        0,
        ge=0,
        group="Hardware",
        help="Which of the machines this is, from 0.",
        explanation="Each machine is started with its own number. Machine 0 writes the run, the others compute with it.",
    )
    main_process_ip: Annotated[str | None, Auto] = setting(
        None,
        group="Hardware",
        help="Address of machine 0, where several train together.",
        explanation="The address by which the other machines reach it, on the fastest network that they share.",
    )
    main_process_port: Annotated[int | None, Auto] = setting(
        None,
        ge=1,
        le=65535,
        group="Hardware",
        help="Port on machine 0 by which the machines find each other; auto is 29500, and a free one on one machine.",
        explanation="It must be free on machine 0, and no firewall may close it between the machines.",
    )
    ddp_timeout: int = setting(
        1800,
        ge=1,
        group="Hardware",
        help="Seconds after which a process that no longer answers is taken for lost.",
        explanation="Where one of several processes hangs, the others wait for it at the next update. After so long they "
        "give up, and training is restarted from the newest checkpoint.",
    )
    check_before_training: bool = setting(
        True,
        group="Hardware",
        help="Try one batch, a checkpoint and the disk before training begins; it takes seconds.",
        explanation="Computes the longest batch of the data forward and backward, writes a piece of a checkpoint, reads it "
        "back, and looks at the free disk. What would end the run hours later is said at once, and what was measured "
        "corrects the estimated memory and time. The run itself stays the same, bit for bit. Where the estimate is beyond the "
        "memory that is free, the run is refused before the model is loaded: Linux ends a program that takes too much.",
    )

    # Output
    output_dir: Annotated[str | None, Auto] = setting(
        None,
        group="Output",
        aliases=("OUTPUT_DIR",),
        help="Directory of the run; auto is runs/<model>-<dataset>-<n>.",
        explanation="Everything about the run is in it: configuration, event log, checkpoints, and the final model. "
        "A directory that already holds a run is never overwritten.",
    )
    final_model_dir: Annotated[str | None, Auto] = setting(
        None,
        group="Output",
        aliases=("FINAL_MODEL_DIR",),
        unset="auto",
        help="Where the final model goes; auto is <output_dir>/final.",
        explanation="A folder that transformers, and most other programs, can load by its path.",
    )
    save_dtype: Literal["auto", "fp32", "bf16", "fp16"] = setting(
        "auto",
        group="Output",
        help="Number format of the final model's weights; auto is that of the model it was made from.",
        explanation="Weights are trained in fp32. The final model is saved in the format that its base has, usually bf16 "
        "or fp16, which takes half the disk and memory and loses next to nothing. Set fp32 to keep every bit. "
        "Checkpoints always keep fp32, so that a run can be resumed exactly.",
    )
    report_to: Literal["none", "tensorboard", "wandb", "trackio", "mlflow"] = setting(
        "none",
        group="Output",
        help="Experiment tracker to report to as well.",
        explanation="The tracker's package must be installed, and you must be logged in to it. Its own settings are "
        "read from its environment variables.",
    )
    notify: Literal["terminal", "none"] = setting(
        "terminal",
        group="Output",
        help="How to be told at the end, on failure and when something is badly wrong.",
        explanation="'terminal' rings the terminal's bell and has it show a notification on the desktop, where it can: "
        "iTerm2, WezTerm, kitty, Ghostty, foot, urxvt and others do, also over SSH; inside tmux it takes "
        "'set -g allow-passthrough on'. 'none' keeps quiet.",
    )
    notify_command: Annotated[str | None, Auto] = setting(
        None,
        group="Output",
        help="A program to run at the end of the run and on failure, such as one that sends a mail; none by default.",
        explanation="It is started directly, not by a shell, with FINETUNE_TUI_RUN (the run's directory), "
        "FINETUNE_TUI_NAME, FINETUNE_TUI_OUTCOME (finished, stopped or failed), FINETUNE_TUI_REASON, FINETUNE_TUI_STEP and "
        "FINETUNE_TUI_EVAL_LOSS in its environment, for a mail, ntfy or a webhook. What it prints goes to train.log. "
        "It is taken from the command line and the form only, never from a file or a run that may be somebody else's.",
    )


def settings() -> Mapping[str, Setting]:
    """All settings by key, in the order of their declaration."""
    return _described(RunConfig)


@cache
def _described(config: type[RunConfig]) -> Mapping[str, Setting]:
    return MappingProxyType({key: describe(key, field) for key, field in config.model_fields.items()})
