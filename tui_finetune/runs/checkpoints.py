"""Committed checkpoints: a checkpoint exists once its manifest does, and is sound while its files match it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tui_finetune.runs.values import Fields
from tui_finetune.system.files import sync_directory, sync_file, write_atomically

MANIFEST = "manifest.json"
PREFIX = "checkpoint-"

REQUIRED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
"""Without one of these, Trainer would go on without a word, and wrongly."""

REQUIRED_OF_MODELS = ("model.safetensors", "trainer_state.json")
"""The same for a checkpoint that holds only the model."""

ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
"""What stands in place of the model's weights in a checkpoint of an adapter."""

BASE = "base"
"""The fact in a manifest that names the model an adapter belongs to; others have no such fact."""

ONLY_MODEL = "only_model"
"""The fact in a manifest that says that nothing is there to resume from."""

_SHARDED = "model.safetensors.index.json"


class UnsoundCheckpoint(Exception):
    """A checkpoint's files are not what its manifest says; the message names the file and what is wrong with it."""


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint's directory is named after, or -1."""
    number = checkpoint.name.removeprefix(PREFIX)
    return int(number) if number.isdigit() and checkpoint.name.startswith(PREFIX) else -1


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()


@dataclass(frozen=True)
class FileRecord:
    """What a manifest says of a file: its size in bytes, and the hash of its content."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint is.

    Attributes:
        step: the step that it was saved after.
        files: what is in it, by path relative to it.
        facts: what else it tells: data, model and settings that it was trained with.
    """

    step: int
    files: Mapping[str, FileRecord]
    facts: Fields

    @property
    def holds_only_model(self) -> bool:
        """Whether it can't be resumed from, by choice."""
        return self.facts.get(ONLY_MODEL) is True

    @property
    def holds_adapter(self) -> bool:
        """Whether its weights are those of an adapter."""
        return isinstance(self.facts.get(BASE), dict)

    @property
    def required(self) -> tuple[str, ...]:
        """The files without which it is not whole."""
        names = REQUIRED_OF_MODELS if self.holds_only_model else REQUIRED
        return (*ADAPTER, *names[1:]) if self.holds_adapter else names


def _check(manifest: Fields) -> str:
    """What tells that a manifest itself is as it was written."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def commit(checkpoint: Path, facts: Fields) -> int:
    """Make a checkpoint's files safe on disk, then write its manifest, and return its size in bytes.

    Args:
        checkpoint: the directory, complete but for the manifest.
        facts: what else the manifest tells, as the fingerprint of the data.

    Raises:
        OSError: the disk is full or failing; the checkpoint then doesn't exist.
    """
    files: dict[str, FileRecord] = {}
    for path in sorted(p for p in checkpoint.rglob("*") if p.is_file() and p.name != MANIFEST):
        os.chmod(path, 0o600)
        sync_file(path)
        files[str(path.relative_to(checkpoint))] = FileRecord(path.stat().st_size, _sha256(path))
    for directory in [d for d in checkpoint.rglob("*") if d.is_dir()] + [checkpoint]:
        sync_directory(directory)
    written = {"step": step_of(checkpoint), "files": {name: asdict(file) for name, file in files.items()}, **facts}
    write_atomically(checkpoint / MANIFEST, json.dumps({**written, "check": _check(written)}, indent=1))
    sync_directory(checkpoint.parent)
    return sum(file.size for file in files.values())


def read_manifest(checkpoint: Path) -> Manifest:
    """The manifest; raises UnsoundCheckpoint where it can't be read."""
    damaged = UnsoundCheckpoint(f"{MANIFEST} is damaged")
    try:
        content = json.loads((checkpoint / MANIFEST).read_bytes())
        check = content.pop("check", None)
        if check not in (None, _check(content)):
            raise damaged
        facts = {key: value for key, value in content.items() if key not in {"step", "files"}}
        files = {
            str(name): FileRecord(int(record["size"]), str(record["sha256"]))
            for name, record in content["files"].items()
        }
        return Manifest(int(content.get("step", step_of(checkpoint))), files, facts)
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise damaged from None


def verify(checkpoint: Path) -> Manifest:
    """Check every file of a checkpoint against its manifest, which is returned.

    Raises:
        UnsoundCheckpoint: with the first file that is missing, has another size or another content.
    """
    manifest = read_manifest(checkpoint)
    for name in manifest.required:
        if name not in manifest.files and not (name == "model.safetensors" and _SHARDED in manifest.files):
            raise UnsoundCheckpoint(f"{name} is not in it")
    for name, record in manifest.files.items():
        path = checkpoint / name
        try:
            if path.stat().st_size != record.size:
                raise UnsoundCheckpoint(f"{name} has {path.stat().st_size} bytes of {record.size}")
            if _sha256(path) != record.sha256:
                raise UnsoundCheckpoint(f"the content of {name} has changed")
        except OSError as error:
            raise UnsoundCheckpoint(f"{name}: {error.strerror}") from None
    return manifest


def committed(checkpoints_dir: Path) -> list[Path]:
    """The checkpoints that have a manifest, by step."""
    return [path for path in _folders(checkpoints_dir) if (path / MANIFEST).is_file()]


def _folders(checkpoints_dir: Path) -> list[Path]:
    """What is named as a checkpoint, by step; links are left alone, for what they lead to is not the run's."""
    if not checkpoints_dir.is_dir():
        return []
    found = [path for path in checkpoints_dir.iterdir() if step_of(path) >= 0 and not path.is_symlink()]
    return sorted(found, key=step_of)


def newest_sound(checkpoints_dir: Path) -> tuple[Path | None, list[tuple[Path, str]]]:
    """The newest checkpoint that verifies, and the newer ones that don't, each with the reason."""
    unsound: list[tuple[Path, str]] = []
    for checkpoint in reversed(committed(checkpoints_dir)):
        try:
            verify(checkpoint)
        except UnsoundCheckpoint as error:
            unsound.append((checkpoint, str(error)))
        else:
            return checkpoint, unsound
    return None, unsound


def remove(checkpoint: Path) -> None:
    """Delete a checkpoint; from the first moment on it doesn't exist, however far the deletion gets."""
    try:
        (checkpoint / MANIFEST).unlink(missing_ok=True)
    except OSError:
        return  # Then it stays, whole.
    shutil.rmtree(checkpoint, ignore_errors=True)


def uncommitted(checkpoints_dir: Path) -> list[Path]:
    """What a crash left of checkpoints that were being saved or deleted, by step."""
    return [path for path in _folders(checkpoints_dir) if not (path / MANIFEST).exists()]


def prune(checkpoints_dir: Path, keep_newest: int, best_step: int | None) -> None:
    """Delete older checkpoints, after a newer one is committed: the best and the newest stay, never fewer than two."""
    existing = committed(checkpoints_dir)
    for checkpoint in existing[: -max(2, keep_newest)]:
        if step_of(checkpoint) != best_step:
            remove(checkpoint)
