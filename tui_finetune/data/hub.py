"""Data sets from the Hugging Face hub, with what can go wrong in plain words."""

from __future__ import annotations

import threading
from typing import Any

from tui_finetune.config import RunConfig
from tui_finetune.data.progress import Report
from tui_finetune.errors import UserError

POLL_SECONDS = 0.2


def load_hub(config: RunConfig, report: Report | None = None) -> Any:
    """The split of a hub data set, by `datasets.load_dataset`, as a datasets.Dataset.

    Downloading happens in a thread of its own, so that the work can be cancelled while the hub is slow: then the thread
    is left to its end, and what it has downloaded stays in the hub's cache.

    Raises:
        UserError: no network, not found, gated, no such configuration or split, data that can't be read.
    """
    from datasets import load_dataset

    done = threading.Event()
    results: list[Any] = []
    errors: list[BaseException] = []

    def load() -> None:
        try:
            results.append(load_dataset(config.dataset_name, config.dataset_config, split=config.dataset_train_split))
        except BaseException as error:  # passed on to the caller
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=load, name="hub data", daemon=True).start()
    while not done.wait(POLL_SECONDS):
        if report is not None:
            report(0, None, f"downloading {config.dataset_name}")
    if errors:
        raise explain(errors[0], config) from (None if isinstance(errors[0], Exception) else errors[0])
    rows = results[0]
    if len(rows) == 0:
        raise UserError(f"{config.dataset_name} has no rows", "choose another split", setting="dataset_train_split")
    return rows


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in found:
        found.append(step)
        step = step.__cause__ or step.__context__
    return found


def explain(error: BaseException, config: RunConfig) -> BaseException:
    """What went wrong with a hub data set as a UserError; the error itself where it is not of a known kind."""
    name = config.dataset_name
    chain = _chain(error)
    kinds = {kind.__name__ for step in chain for kind in type(step).__mro__}
    words = " ".join(str(step) for step in chain)
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "GatedRepoError" in kinds or "gated" in words.lower():
        return UserError(
            f"{name} is gated: its owner asks for an agreement first",
            f"agree on its page on the hub, log in with `hf auth login`, and start again ({name})",
            setting="dataset_name",
        )
    if isinstance(error, ValueError) and ("BuilderConfig" in words or "Config name is missing" in words):
        return UserError(
            f"{name} has several configurations: one must be chosen"
            if config.dataset_config is None
            else f"{name} has no configuration '{config.dataset_config}'",
            _available(words, "set dataset_config to one of: "),
            setting="dataset_config",
        )
    if isinstance(error, ValueError) and ("Unknown split" in words or "Bad split" in words):
        return UserError(
            f"{name} has no split '{config.dataset_train_split}'",
            _available(words, "set dataset_train_split to one of: "),
            setting="dataset_train_split",
        )
    if "401" in words or "403" in words:
        return UserError(
            f"{name}: the hub refuses access",
            "check the name; if the data set is private, log in with `hf auth login`",
            setting="dataset_name",
        )
    if kinds & {"OfflineModeIsEnabled", "LocalEntryNotFoundError"} or "offline" in words.lower():
        return UserError(
            f"there is no file or sample '{name}', and the hub can't be asked while offline",
            "check the name, or unset HF_HUB_OFFLINE; `finetune-tui train` alone needs no network",
            setting="dataset_name",
        )
    if kinds & {"ConnectionError", "ConnectTimeout", "ConnectError", "TimeoutException", "Timeout", "TransportError"}:
        return UserError(
            f"there is no file or sample '{name}', and the hub can't be reached",
            "check the name and the network; `finetune-tui train` alone needs none",
            setting="dataset_name",
        )
    if kinds & {"DatasetNotFoundError", "RepositoryNotFoundError", "HFValidationError"}:
        return UserError(
            f"there is no data set '{name}': no file, no sample, and none on the hub",
            "check the name; if it is private, log in with `hf auth login`",
            setting="dataset_name",
        )
    if "EmptyDatasetError" in kinds or "DataFilesNotFoundError" in kinds:
        return UserError(f"{name} has no data files that can be read", "choose another data set", "dataset_name")
    if isinstance(error, RuntimeError) and "scripts are no longer supported" in words:
        return UserError(
            f"{name} is made by a script, and scripts from the hub are not run",
            "look for a version of it with parquet or JSON files",
            setting="dataset_name",
        )
    if isinstance(error, PermissionError) or any(isinstance(step, OSError) and step.errno == 28 for step in chain):
        return UserError(
            f"{name} can't be stored in the hub's cache: {first}",
            "make room, or set HF_HOME to a directory that can be written to",
            setting="dataset_name",
        )
    if kinds & {"DatasetsError", "HfHubHTTPError", "FileNotFoundError"}:
        cause = next((line.strip() for line in str(chain[-1]).splitlines() if line.strip()), first)
        return UserError(
            f"{name} can't be loaded: {cause}",
            "choose another data set, or download its files and name them",
            setting="dataset_name",
        )
    return error


def _available(words: str, intro: str) -> str:
    """The names that an error of datasets lists in brackets, as a remedy."""
    begin = words.rfind("[")
    end = words.find("]", begin)
    if begin < 0 or end < 0:
        return intro.removesuffix(" to one of: ")
    names = [name.strip(" '\"") for name in words[begin + 1 : end].split(",")]
    return intro + ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
