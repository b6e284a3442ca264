"""finetune-tui: fine-tune language models in the terminal."""
