"""What stands in the environment before torch starts: how long its threads spin, and one GPU of several."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tui_finetune.system.environment import (
    Gpu,
    choose_gpu,
    choose_gpus,
    gpu_choice,
    installed_gpus,
    parse_nvidia_smi,
    prepare_environment,
    visible_gpus,
)

TWO = (Gpu("GPU-a", "NVIDIA H100", 10 * 10**9), Gpu("GPU-b", "NVIDIA A100", 70 * 10**9))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "5"}, {"GOMP_SPINCOUNT": "5"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
def test_threads_spin_briefly_unless_the_user_has_decided(before: dict[str, str], after: dict[str, str]) -> None:
    prepare_environment(before)
    assert before == after


def test_every_process_of_the_program_has_it_before_torch() -> None:
    code = """
import os, sys
os.environ.pop("GOMP_SPINCOUNT", None)
from tui_finetune.cli.main import main
try:
    main(["--version"])
except SystemExit:
    pass
assert "torch" not in sys.modules
print(os.environ["GOMP_SPINCOUNT"])
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.stdout.splitlines()[-1:] == ["1000"], process.stderr


def chosen(gpus: Sequence[Gpu], **environ: str) -> tuple[str | None, str]:
    choose_gpu(environ, lambda: gpus)
    return environ.get("CUDA_VISIBLE_DEVICES"), gpu_choice(environ)


def test_of_several_the_one_with_the_most_free_memory_is_used_and_named() -> None:
    visible, words = chosen(TWO)
    assert visible == "GPU-b"
    assert words == "Of the 2 GPUs here, one is used: NVIDIA A100, the one with the most free memory (70.0 GB)."


def test_where_nothing_is_known_of_them_the_first_is_used() -> None:
    visible, words = chosen([Gpu("0", "GPU 0"), Gpu("1", "GPU 1")])
    assert visible == "0"
    assert "the first" in words


@pytest.mark.parametrize("gpus", [(), TWO[:1]])
def test_without_a_choice_nothing_is_said(gpus: Sequence[Gpu]) -> None:
    assert chosen(gpus) == (None, "")


@pytest.mark.parametrize("asked", ["1", "GPU-a", "", "-1"])
def test_one_device_that_the_user_has_set_stays(asked: str) -> None:
    assert chosen(TWO, CUDA_VISIBLE_DEVICES=asked) == (asked, "")


def test_of_several_that_the_user_has_listed_the_first_is_used() -> None:
    visible, words = chosen(TWO, CUDA_VISIBLE_DEVICES="3, 1")
    assert visible == "3"
    assert "the first, 3" in words


def test_a_choice_stays_with_its_reason_in_child_processes() -> None:
    environ: dict[str, str] = {}
    choose_gpu(environ, lambda: TWO)
    once = dict(environ)
    choose_gpu(environ, lambda: TWO[:1])
    assert environ == once


def test_one_process_of_several_is_left_alone() -> None:
    assert chosen(TWO, WORLD_SIZE="2") == (None, "")
    assert chosen(TWO, WORLD_SIZE="1")[0] == "GPU-b"


def test_nobody_is_asked_where_there_is_one_gpu_or_none(tmp_path: Path) -> None:
    assert installed_gpus(tmp_path) == []
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert installed_gpus(tmp_path) == [Gpu("0", "GPU")]


def test_gpus_that_can_not_be_asked_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for number in range(3):
        (tmp_path / f"nvidia{number}").touch()
    assert [gpu.id for gpu in installed_gpus(tmp_path)] == ["0", "1", "2"]


def test_the_answer_of_nvidia_smi_is_read() -> None:
    told = "GPU-1, NVIDIA H100 80GB HBM3, 81000\nGPU-2, Odd, name, [N/A]\n\n"
    assert parse_nvidia_smi(told) == [Gpu("GPU-1", "NVIDIA H100 80GB HBM3", 81000 << 20), Gpu("GPU-2", "Odd, name")]


def test_several_processes_get_the_gpus_with_the_most_free_memory(tmp_path: Path) -> None:
    there = [Gpu("GPU-a", "H", 10), Gpu("GPU-b", "H", 30), Gpu("GPU-c", "H", 20)]
    assert choose_gpus(2, None, {}, lambda: there) == "GPU-b,GPU-c"
    assert choose_gpus(2, "2, 0", {}, lambda: there) == "2,0"
    assert choose_gpus(2, None, {"CUDA_VISIBLE_DEVICES": "4,5,6"}, lambda: there) == "4,5"
    assert choose_gpus(1, None, {}, lambda: there[:1]) is None


def test_gpus_are_counted_as_they_were_before_one_was_chosen(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl"):
        (tmp_path / name).touch()
    assert visible_gpus(None, {}, tmp_path) == 3
    assert visible_gpus("0,2", {}, tmp_path) == 2
    assert visible_gpus(None, {"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == 0
    environ: dict[str, str] = {}
    choose_gpu(environ, lambda: [Gpu("GPU-a", "H", 10), Gpu("GPU-b", "H", 30)])
    assert environ["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    assert visible_gpus(None, environ, tmp_path) == 3
    environ = {"CUDA_VISIBLE_DEVICES": "1,2"}
    choose_gpu(environ)
    assert visible_gpus(None, environ, tmp_path) == 2
