"""Data sets from the Hugging Face hub, with what can go wrong in plain words."""

from __future__ import annotations

import contextlib
import difflib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.samples import list_samples
from tui_finetune.errors import UserError
from tui_finetune.models.hub import REQUEST_SECONDS, hub_error, is_offline
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from datasets import Dataset

POLL_SECONDS = 0.2


def load_hub(config: RunConfig, report: Report | None = None) -> Dataset:
    """The split of a hub data set, by `datasets.load_dataset`.

    Downloading happens in a thread of its own, so that the work can be cancelled while the hub is slow: then the thread
    is left to its end, and what it has downloaded stays in the hub's cache. Without a network, a data set that has been
    loaded before is taken from that cache.

    Raises:
        UserError: no network, not found, gated, no such configuration or split, data that can't be read.
    """
    done = threading.Event()
    results: list[Dataset] = []
    errors: list[BaseException] = []

    def load() -> None:
        try:
            results.append(_load(config))
        except BaseException as error:  # passed on to the caller
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=load, name="hub data", daemon=True).start()
    while not done.wait(POLL_SECONDS):
        if report is not None:
            report(0, None, f"downloading {config.dataset_name}")
    if errors:
        if not isinstance(errors[0], Exception) or isinstance(errors[0], UserError):
            raise errors[0]
        raise explain(errors[0], config) from errors[0]
    rows = results[0]
    if len(rows) == 0:
        raise UserError(f"{config.dataset_name} has no rows", "choose another split", setting="dataset_train_split")
    return rows


def _load(config: RunConfig) -> Dataset:
    from datasets import load_dataset

    # load_dataset tries for half a minute before it finds that there is no network; this knows at once.
    with contextlib.nullcontext() if _answers(config.dataset_name) else _offline():
        return load_dataset(config.dataset_name, config.dataset_config, split=config.dataset_train_split)


def _answers(name: str) -> bool:
    """Whether the hub says anything, be it no."""
    import datasets.config
    from huggingface_hub import get_session

    try:
        get_session().head(f"{datasets.config.HF_ENDPOINT}/api/datasets/{name}", timeout=REQUEST_SECONDS)
    except Exception:  # whatever it is: loading offline will say it in its own way
        return False
    return True


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Keeps `datasets` from asking the hub, as HF_HUB_OFFLINE does."""
    import datasets.config

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    step: BaseException | None = error
    while step is not None and step not in found:
        found.append(step)
        step = step.__cause__ or step.__context__
    return found


def explain(error: Exception, config: RunConfig) -> UserError:
    """What went wrong with a hub data set, in plain words."""
    name = config.dataset_name
    chain = _chain(error)
    kinds = {kind.__name__ for step in chain for kind in type(step).__mro__}
    words = str(error)
    if isinstance(error, ValueError) and ("BuilderConfig" in words or "Config name is missing" in words):
        missing = config.dataset_config is None
        return UserError(
            f"{name} has several configurations: one must be chosen"
            if missing
            else f"{name} has no configuration '{config.dataset_config}'",
            "set dataset_config" + _available(words),
            setting="dataset_config",
        )
    if isinstance(error, ValueError) and ("Unknown split" in words or "Bad split" in words):
        return UserError(
            f"{name} has no split '{config.dataset_train_split}'",
            "set dataset_train_split" + _available(words),
            setting="dataset_train_split",
        )
    if "is a gated dataset" in words or "GatedRepoError" in kinds:
        return UserError(
            f"{name} is gated: its owner gives access on request",
            "ask for access on its page on the hub, then log in with `hf auth login`, or set HF_TOKEN",
            setting="dataset_name",
        )
    if "HFValidationError" in kinds:
        return UserError(f"'{name}' can't be the name of a data set", _nearest(name), setting="dataset_name")
    if isinstance(error, ConnectionError) or "OfflineModeIsEnabled" in words:
        why = "HF_HUB_OFFLINE is set" if is_offline() else "the hub can't be reached"
        return UserError(
            f"there is no file, folder or sample '{name}' here, and {why}",
            _nearest(name, "check the name, and " + ("unset HF_HUB_OFFLINE" if is_offline() else "the network")),
            setting="dataset_name",
        )
    if kinds & {"EmptyDatasetError", "DataFilesNotFoundError"}:
        return UserError(f"{name} has no data files that can be read", "choose another data set", "dataset_name")
    if isinstance(error, RuntimeError) and "scripts are no longer supported" in words:
        return UserError(
            f"{name} is made by a script, and scripts from the hub are not run",
            "look for a version of it with parquet or JSON files",
            setting="dataset_name",
        )
    if "DatasetGenerationError" in kinds or not kinds & {"OSError", "HTTPError", "HfHubHTTPError", "DatasetsError"}:
        cause = next((line.strip() for line in str(chain[-1]).splitlines() if line.strip()), type(error).__name__)
        return UserError(
            f"{name} can't be loaded: {cause}",
            "choose another data set, or download its files and name them",
            setting="dataset_name",
        )
    found = hub_error(error, name, kind="data set", setting="dataset_name")
    return UserError(found.message, _nearest(name, found.remedy), found.setting)


def _nearest(name: str, otherwise: str = "a hub name is owner/name; a file is named by its path") -> str:
    """The sample that was meant, if the name is nearly one."""
    near = difflib.get_close_matches(name, [sample.name for sample in list_samples()], n=1)
    return f"did you mean the sample '{near[0]}'?" if near else otherwise


def _available(words: str) -> str:
    """The names that an error of `datasets` lists in brackets, as the end of a remedy."""
    begin, end = words.find("["), words.find("]")
    if begin < 0 or end < begin:
        return ""
    names = [name.strip(" '\"") for name in words[begin + 1 : end].split(",")]
    return " to one of: " + ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
