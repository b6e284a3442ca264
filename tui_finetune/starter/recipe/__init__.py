"""How the starter was made: the grammar of its texts, the judge of its replies, its tokenizer and its training."""
