"""Committed checkpoints: a checkpoint exists once its manifest does, and is sound while its files match it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from tui_finetune.system.files import sync_directory, sync_file, write_atomically

MANIFEST = "manifest.json"
PREFIX = "checkpoint-"

REQUIRED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
"""Without one of these, Trainer would go on without a word, and wrongly."""

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


def _check(manifest: dict[str, Any]) -> str:
    """What tells that a manifest itself is as it was written."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def commit(checkpoint: Path, **facts: Any) -> int:
    """Make a checkpoint's files safe on disk, then write its manifest, and return its size in bytes.

    Args:
        checkpoint: the directory, complete but for the manifest.
        facts: what else the manifest tells, as the fingerprint of the data.

    Raises:
        OSError: the disk is full or failing; the checkpoint then doesn't exist.
    """
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(p for p in checkpoint.rglob("*") if p.is_file() and p.name != MANIFEST):
        os.chmod(path, 0o600)
        sync_file(path)
        files[str(path.relative_to(checkpoint))] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    for directory in [d for d in checkpoint.rglob("*") if d.is_dir()] + [checkpoint]:
        sync_directory(directory)
    manifest = {"step": step_of(checkpoint), "files": files, **facts}
    write_atomically(checkpoint / MANIFEST, json.dumps({**manifest, "check": _check(manifest)}, indent=1))
    sync_directory(checkpoint.parent)
    return sum(int(entry["size"]) for entry in files.values())


def read_manifest(checkpoint: Path) -> dict[str, Any]:
    """The manifest; raises UnsoundCheckpoint where it can't be read."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_bytes())
        if isinstance(manifest, dict) and isinstance(manifest.get("files"), dict):
            check = manifest.pop("check", None)
            if check in (None, _check(manifest)):
                return manifest
    except (OSError, ValueError):
        pass
    raise UnsoundCheckpoint(f"{MANIFEST} is damaged")


def verify(checkpoint: Path) -> dict[str, Any]:
    """Check every file of a checkpoint against its manifest, which is returned.

    Raises:
        UnsoundCheckpoint: with the first file that is missing, has another size or another content.
    """
    manifest = read_manifest(checkpoint)
    files = manifest["files"]
    for name in REQUIRED:
        if name not in files and not (name == "model.safetensors" and _SHARDED in files):
            raise UnsoundCheckpoint(f"{name} is not in it")
    for name, entry in files.items():
        path = checkpoint / name
        try:
            if path.stat().st_size != entry["size"]:
                raise UnsoundCheckpoint(f"{name} has {path.stat().st_size} bytes of {entry['size']}")
            if _sha256(path) != entry["sha256"]:
                raise UnsoundCheckpoint(f"the content of {name} has changed")
        except OSError as error:
            raise UnsoundCheckpoint(f"{name}: {error.strerror}") from None
        except (KeyError, TypeError):
            raise UnsoundCheckpoint(f"{MANIFEST} is damaged") from None
    return manifest


def committed(checkpoints_dir: Path) -> list[Path]:
    """The checkpoints that have a manifest, by step."""
    if not checkpoints_dir.is_dir():
        return []
    found = [path for path in checkpoints_dir.iterdir() if step_of(path) >= 0 and (path / MANIFEST).is_file()]
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
    if not checkpoints_dir.is_dir():
        return []
    found = [path for path in checkpoints_dir.iterdir() if step_of(path) >= 0 and not (path / MANIFEST).exists()]
    return sorted(found, key=step_of)


def prune(checkpoints_dir: Path, keep_newest: int, best_step: int | None) -> None:
    """Delete older checkpoints, after a newer one is committed: the best and the newest stay, never fewer than two."""
    existing = committed(checkpoints_dir)
    for checkpoint in existing[: -max(2, keep_newest)]:
        if step_of(checkpoint) != best_step:
            remove(checkpoint)
