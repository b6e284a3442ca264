"""Benchmarks by ratio. Each is a module that prints a table; none is a test."""

from tui_finetune.system.environment import prepare_environment

prepare_environment()  # as every process of the program does, before any of them imports torch
