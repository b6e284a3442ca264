"""``python -m tui_finetune`` is ``finetune-tui``."""

from tui_finetune.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
