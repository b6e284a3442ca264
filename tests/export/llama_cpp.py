"""llama.cpp in a process of its own: `python -m tests.export.llama_cpp FILE TOKENS` reads prompts as JSON on standard input
and prints what follows them, greedily, as JSON on its last line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def continuations(file: Path, prompts: Sequence[str], tokens: int) -> list[str]:
    """What llama.cpp writes after each prompt."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.export.llama_cpp", str(file), str(tokens)],
        input=json.dumps(prompts),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=300,
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _main(file: str, tokens: str) -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = file
    parameters.n_ctx = 512
    parameters.cpuparams.n_threads = 1
    parameters.n_parallel = 1
    server = xllamacpp.Server(parameters)
    greedy = {"n_predict": int(tokens), "temperature": 0, "top_k": 1, "cache_prompt": False}
    prompts = json.loads(sys.stdin.read())
    answers = [server.handle_completions({"prompt": prompt, **greedy})["choices"][0]["text"] for prompt in prompts]
    del server
    print("\n" + json.dumps(answers))


if __name__ == "__main__":
    _main(*sys.argv[1:])
