"""The sections of a training script, as a person would write them. What varies is in constants at its top."""

from __future__ import annotations

from textwrap import dedent

LOAD_TOKENIZER = dedent("""\
    def load_tokenizer():
        tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
        return tokenizer
    """)

OWN_TEMPLATE = '    tokenizer.chat_template = (HERE / "chat_template.jinja").read_text(encoding="utf-8")\n'
"""Before the return, where the model has no chat template."""

TEXT = dedent('''\
    def tokenize(example, tokenizer):
        """A text as tokens, ended by the end-of-text token, so that the model learns to stop. All of it is trained on."""
        ids = tokenizer(example["text"]).input_ids
        if ids and ids[-1] != tokenizer.eos_token_id:
            ids.append(tokenizer.eos_token_id)
        return {"input_ids": ids, "labels": list(ids)}
    ''')

TEXT_NO_END = dedent('''\
    def tokenize(example, tokenizer):
        """A text as tokens. All of it is trained on, but for padding tokens that stand in it."""
        ids = tokenizer(example["text"]).input_ids
        return {"input_ids": ids, "labels": [-100 if token == tokenizer.pad_token_id else token for token in ids]}
    ''')

COMPLETION = dedent('''\
    def tokenize(example, tokenizer):
        """A prompt and its completion as tokens. Only the completion is trained on, and the end-of-text token after it."""
        encoded = tokenizer(example["prompt"] + example["completion"], return_offsets_mapping=True)
        ids, prompt_ends = encoded.input_ids, len(example["prompt"])
        labels = [
            token if end > max(begin, prompt_ends) else -100
            for token, (begin, end) in zip(ids, encoded.offset_mapping)
        ]
        if ids[-1] != tokenizer.eos_token_id:
            ids.append(tokenizer.eos_token_id)
            labels.append(-100)
        labels[-1] = tokenizer.eos_token_id
        return {"input_ids": ids, "labels": labels}
    ''')

CONVERSATION = dedent('''\
    def tokenize(example, tokenizer):
        """A conversation in the words of the chat template. Only what the assistant says is trained on, from where a prompt
        for it ends to the token that ends its turn."""
        messages, tools = example["messages"], example.get("tools")

        def render(messages, **more):
            return tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, **more)

        text, spans = render(messages), []
        for number, message in enumerate(messages):
            if message["role"] == "assistant" and message.get("trained", True):
                begin = len(render(messages[:number], add_generation_prompt=True))
                spans.append((begin, text.index(END_OF_TURN, begin) + len(END_OF_TURN)))
        encoded = tokenizer(text[: spans[-1][1]], add_special_tokens=False, return_offsets_mapping=True)
        labels = [
            token if any(begin < last and end > first for first, last in spans) else -100
            for token, (begin, end) in zip(encoded.input_ids, encoded.offset_mapping)
        ]
        return {"input_ids": encoded.input_ids, "labels": labels}
    ''')

SPLIT = dedent('''\
    def chunks(document):
        """A document in pieces of at most MAX_LENGTH tokens; without those in which there is nothing to train on."""
        for start in range(0, len(document["input_ids"]), MAX_LENGTH):
            piece = {name: values[start : start + MAX_LENGTH] for name, values in document.items()}
            if any(label != -100 for label in piece["labels"][1:]):
                yield piece
    ''')

TRUNCATE = dedent('''\
    def chunks(document):
        """A document's first MAX_LENGTH tokens; nothing where there is nothing to train on in them."""
        piece = {name: values[:MAX_LENGTH] for name, values in document.items()}
        if any(label != -100 for label in piece["labels"][1:]):
            yield piece
    ''')

DROP = dedent('''\
    def chunks(document):
        """A document, unless it has more than MAX_LENGTH tokens or nothing to train on."""
        if len(document["input_ids"]) <= MAX_LENGTH and any(label != -100 for label in document["labels"][1:]):
            yield document
    ''')

PACK = dedent('''\
    def pack(documents):
        """Rows of at most MAX_LENGTH tokens, filled with whole documents: the longest first, each into the row that it leaves
        the least room in. Positions begin at 0 for each document: that keeps them apart."""
        rows, waiting = [], {}  # waiting: by the room that is left in them, the numbers of rows
        for document in sorted(documents, key=lambda document: -len(document["input_ids"])):
            length = len(document["input_ids"])
            room = min((room for room in waiting if room >= length), default=None)
            if room is None:
                number, room = len(rows), MAX_LENGTH
                rows.append({"input_ids": [], "position_ids": [], "labels": []})
            else:
                number = waiting[room].pop()
                if not waiting[room]:
                    del waiting[room]
            rows[number]["input_ids"] += document["input_ids"]
            rows[number]["position_ids"] += range(length)
            rows[number]["labels"] += [-100, *document["labels"][1:]]  # the first token follows from nothing
            if room > length:
                waiting.setdefault(room - length, []).append(number)
        return rows


    def pack_all(documents, window=1 << 22):
        """Some four million tokens at a time."""
        rows, some, tokens = [], [], 0
        for document in documents:
            some.append(document)
            tokens += len(document["input_ids"])
            if tokens >= window:
                rows += pack(some)
                some, tokens = [], 0
        return rows + pack(some)
    ''')

_READ = '''\
def make_rows(tokenizer):
    """The rows that are trained on, and those that are kept for evaluation."""
    with (HERE / "data.jsonl").open(encoding="utf-8") as file:
        documents = [tokenize(json.loads(line), tokenizer) for line in file]
'''

_SPLIT_PARTS = """\
    numbers = Dataset.from_dict({"number": range(len(documents))}).train_test_split(test_size=VALIDATION, seed=SEED)
"""

PACKED_ROWS = (
    _READ
    + _SPLIT_PARTS
    + """\
    parts = [sorted(numbers[name]["number"]) for name in ("train", "test")]
    return [Dataset.from_list(pack_all([c for n in part for c in chunks(documents[n])])) for part in parts]
"""
)
PADDED_ROWS = (
    _READ
    + _SPLIT_PARTS
    + """\
    parts = [numbers[name]["number"] for name in ("train", "test")]
    return [Dataset.from_list([c for n in part for c in chunks(documents[n])]) for part in parts]
"""
)
PACKED_ROWS_ONLY = _READ + "    return Dataset.from_list(pack_all([c for d in documents for c in chunks(d)])), None\n"
PADDED_ROWS_ONLY = _READ + "    return Dataset.from_list([c for d in documents for c in chunks(d)]), None\n"

PLAIN_ROWS = dedent('''\
    def make_rows(tokenizer):
        """The rows that are trained on, and those that are kept for evaluation."""
        with (HERE / "data.jsonl").open(encoding="utf-8") as file:
            data = Dataset.from_list([json.loads(line) for line in file])
        rows = data.map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
            batched=True,
            remove_columns=["text"],
        )
    ''')
PLAIN_SPLIT = """\
    parts = rows.train_test_split(test_size=VALIDATION, seed=SEED)
    return parts["train"], parts["test"]
"""
PLAIN_ALL = "    return rows, None\n"

READY_ROWS = dedent('''\
    def make_rows(tokenizer):
        """The rows that are trained on, and those that are kept for evaluation: as tokens, with the labels of what is not
        trained on at -100. {why}"""
        rows = load_from_disk(str(HERE / "rows"))
        return rows["train"], rows.get("evaluation")
    ''')

COLLATE_PACKED = dedent('''\
    def collate(rows, pad):
        """A batch. What a shorter row is filled up with is a document of its own that is not trained on."""
        batch = {"input_ids": [], "position_ids": [], "labels": []}
        width = max(len(row["input_ids"]) for row in rows)
        for row in rows:
            missing = width - len(row["input_ids"])
            batch["input_ids"].append([*row["input_ids"], *[pad] * missing])
            batch["position_ids"].append([*row["position_ids"], *range(missing)])
            batch["labels"].append([*row["labels"], *[-100] * missing])
        return {name: torch.tensor(values) for name, values in batch.items()}
    ''')

COLLATE_PADDED = dedent('''\
    def collate(rows, pad):
        """A batch, padded on the right. Padding is not trained on, but an end-of-text token is, even where it also pads."""
        batch = {"input_ids": [], "attention_mask": [], "labels": []}
        width = WIDTH or max(len(row["input_ids"]) for row in rows)
        for row in rows:
            length = len(row["input_ids"])
            missing = width - length
            batch["input_ids"].append([*row["input_ids"], *[pad] * missing])
            batch["attention_mask"].append([*[1] * length, *[0] * missing])
            batch["labels"].append([*row["labels"], *[-100] * missing])
        return {name: torch.tensor(values) for name, values in batch.items()}
    ''')

ATTENTION = dedent('''\
    def documents_in(mask):
        """Where the documents are in packed rows: (row, begin, end, whether neighbors that are short were put together).
        None where the mask is none of documents."""
        tokens = mask.shape[-1]
        places = torch.arange(tokens, device=mask.device)
        first = mask.to(torch.uint8).argmax(-1)  # the first token that each token sees
        start = torch.where(first == places, places, 0).cummax(-1).values
        if not (torch.equal(first, start) and torch.equal(mask.sum(-1), places - first + 1)):
            return None
        found = []
        for row, begins in enumerate(first == places):
            starts = begins.nonzero().flatten().tolist()
            for begin, end in zip(starts, [*starts[1:], tokens]):
                if begin and min(found[-1][2] - found[-1][1], end - begin) * 8 < tokens:
                    found[-1] = (row, found[-1][1], end, True)
                else:
                    found.append((row, begin, end, False))
        return found


    def attend(module, query, key, value, attention_mask, **more):
        """Attention that computes each document of a packed row by itself: the same numbers, and on a CPU in half the time."""
        rows, _, tokens, _ = query.shape
        found = None
        beyond_masks = any(more.get(name) is not None for name in ("position_bias", "s_aux", "softcap"))
        if not beyond_masks and attention_mask is not None and attention_mask.dtype == torch.bool:
            if attention_mask.shape == (rows, 1, tokens, tokens) and key.shape[2] == tokens:
                if not hasattr(attention_mask, "documents"):  # all layers are given the same
                    attention_mask.documents = documents_in(attention_mask[:, 0])
                found = attention_mask.documents
        if found is None:
            return sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        lengths = [end - begin for _, begin, end, _ in found]
        pieces = [part.transpose(1, 2).flatten(0, 1).split(lengths) for part in (query, key, value)]
        attended = []
        for (row, begin, end, masked), *parts in zip(found, *pieces):
            mask = attention_mask[row : row + 1, :, begin:end, begin:end] if masked else None
            parts = [part.transpose(0, 1).unsqueeze(0) for part in parts]
            attended.append(sdpa_attention_forward(module, *parts, mask, **{**more, "is_causal": True})[0][0])
        return torch.cat(attended).unflatten(0, (rows, tokens)), None
    ''')

TOKEN_MEAN = '''\
    def evaluation_loop(self, dataloader, description, prediction_loss_only=None, ignore_keys=None, metric_key_prefix="eval"):
        """The mean of the loss over all tokens, where Trainer takes the mean over the means of batches."""
        self.model.eval()
        self.callback_handler.eval_dataloader = dataloader
        total, tokens, rows = 0.0, 0, 0
        for batch in dataloader:
            count = (batch["labels"][:, 1:] != -100).sum().item()
            rows += len(batch["labels"])
            loss, _, _ = self.prediction_step(self.model, batch, prediction_loss_only=True)
            if count:
                total += loss.double().item() * count
                tokens += count
            self.control = self.callback_handler.on_prediction_step(self.args, self.state, self.control)
        return EvalLoopOutput(None, None, {f"{metric_key_prefix}_loss": total / tokens}, rows)
'''

GROUPED = """\
    def _get_train_sampler(self, train_dataset=None):
        lengths = [len(ids) for ids in self.train_dataset["input_ids"]]
        return GroupedByLength(np.array(lengths), self.args.train_batch_size, self.args.seed)
"""

SAMPLER = dedent('''\
    class GroupedByLength(Sampler):
        """Batches of rows of like length, in random order; the longest row comes first."""

        def __init__(self, lengths, batch_size, seed):
            self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __len__(self):
            return len(self.lengths)

        def __iter__(self):
            rng = np.random.default_rng([self.seed, self.epoch])
            drawn, batches, size = rng.permutation(len(self.lengths)), [], self.batch_size
            for start in range(0, len(drawn), 50 * size):
                pool = drawn[start : start + 50 * size]
                pool = pool[np.argsort(-self.lengths[pool], kind="stable")]
                batches += np.split(pool, range(size, len(pool), size))
            rest = [batches.pop()] if batches and len(batches[-1]) < size else []
            if batches:
                order = rng.permutation(len(batches)).tolist()
                first = max(range(len(batches)), key=lambda number: self.lengths[batches[number][0]])
                order.remove(first)
                batches = [batches[number] for number in [first, *order]]
            for batch in batches + rest:
                yield from batch.tolist()
    ''')
