"""Export to the Hugging Face hub: a repository with the model, its tokenizer and its card."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.names import STARTER
from tui_finetune.errors import Cancelled, UserError
from tui_finetune.export.folder import CARD
from tui_finetune.export.merged import bytes_of, check_mergeable, whole_model, write_whole
from tui_finetune.export.model_card import Made as CardFacts
from tui_finetune.export.model_card import model_card
from tui_finetune.export.subject import Subject
from tui_finetune.export.target import Forecast, Made, Target
from tui_finetune.formatting import size
from tui_finetune.models.download import STALL_SECONDS, Transfer, watched
from tui_finetune.models.hub import NAME, is_offline, status_of
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ALLOWED = (
    "config.json", "generation_config.json", "adapter_config.json", "*.safetensors", "model.safetensors.index.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "*.model", "chat_template.jinja", CARD, "training_plot.png", "LICENSE*",
)  # fmt: skip
"""What is uploaded of a model's folder; nothing else is, whatever lies there."""

_WHERE = 'folder = "."  # where this file is'
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN, with a token that may write"


class HubExport(Target):
    """A repository on the hub. `repo` is its name, `public` whether everybody may see it, `dry_run` lists files only."""

    name = "hub"
    title = "a repository on the Hugging Face hub, private unless --public"
    local = False
    OPTIONS = ("repo", "public", "dry_run")

    def __init__(self, repo: str = "", public: bool = False, dry_run: bool = False) -> None:
        super().__init__()
        self.repo, self.public, self.dry_run = repo, public, dry_run

    def check(self, subject: Subject) -> None:
        check_mergeable(subject)
        if self.repo and not NAME.match(self.repo):
            raise UserError(f"'{self.repo}' can't be the name of a repository", "name it as me/my-model")
        subject.check_sound()
        if not self.dry_run and is_offline():
            raise UserError("HF_HUB_OFFLINE keeps the program from asking the hub", "unset HF_HUB_OFFLINE")

    def forecast(self, subject: Subject) -> Forecast:
        files = uploaded(subject.folder) if _alone(subject) else []
        total = sum(path.stat().st_size for path in files) or bytes_of(subject)
        return Forecast(total, 5 + total / 5e6)  # at 40 Mbit/s

    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        repo = self.repo or subject.name
        notes = _gather(subject, draft, report)
        card = draft / CARD
        card.write_text(_card(subject, card, repo), encoding="utf-8")
        files = uploaded(draft)
        total = sum(path.stat().st_size for path in files)
        who = "everybody may see it" if self.public else "only you may see it"
        if self.dry_run:
            listed = [f"{path.name}  {size(path.stat().st_size)}" for path in files]
            return Made(f"would upload {len(files)} files ({size(total)}) to {repo}; {who}", 0, (*notes, *listed))
        address = upload(repo, files, private=not self.public, report=report)
        name = re.sub(r"^https?://[^/]+/", "", address)
        commands = (f"vllm serve {name}", f"finetune-tui chat {name}")
        return Made(address, total, (*notes, f"{who[0].upper()}{who[1:]}."), commands)


def _alone(subject: Subject) -> bool:
    """Whether the run's folder can be uploaded as it is; an adapter only where others find its base."""
    adapter = subject.located.adapter
    return adapter is None or (adapter.base.revision is not None and adapter.base.name != STARTER)


def uploaded(folder: Path) -> list[Path]:
    """The files of a folder that are uploaded, by name."""
    found = [path for path in folder.iterdir() if path.is_file() and any(fnmatch(path.name, p) for p in ALLOWED)]
    return sorted(found)


def _gather(subject: Subject, draft: Path, report: Report) -> list[str]:
    """Put what is uploaded into a draft; what is to be said about it."""
    for path in uploaded(subject.folder):
        if _alone(subject) or path.name in {CARD, "training_plot.png"}:
            shutil.copyfile(path, draft / path.name)
    if _alone(subject):
        return []
    whole = whole_model(subject, report)
    write_whole(whole, draft, report)
    base = "The base of the adapter is only on this machine, so the whole model is uploaded, with the adapter merged."
    return [base, *whole.notes]


def _card(subject: Subject, card: Path, repo: str) -> str:
    """The model's card, which loads it by its name on the hub; of a checkpoint, which has none, a new one."""
    if card.is_file() and _alone(subject):
        text = card.read_text(encoding="utf-8")
    else:
        made = CardFacts(subject.state.result, subject.facts.license, chat=subject.data_format not in {"", "text"})
        plot = "training_plot.png" if (card.parent / "training_plot.png").is_file() else None
        text = model_card(subject.run.name, subject.config, subject.state, made, plot=plot)
    return text.replace(_WHERE, f'folder = "{repo}"')


class _Counted(io.BufferedReader):
    """A file that tells how much of it was read, and ends the upload when nobody waits for it any more."""

    def __init__(self, path: Path, transfer: Transfer) -> None:
        super().__init__(io.FileIO(path))
        self._transfer = transfer

    def read(self, size: int | None = -1, /) -> bytes:
        self._transfer.check()
        data = super().read(size)
        # It is read once for its hash and once to be sent; the second time counts.
        self._transfer.done = self._transfer.before + self.tell()
        return data


def upload(repo: str, files: Sequence[Path], *, private: bool, report: Report, patience: float = STALL_SECONDS) -> str:
    """Make a repository and upload files to it; its address.

    The token is huggingface_hub's own business: it is neither read nor kept here.

    Args:
        repo: its name; without an owner, the one who is logged in.
        files: what to upload; they lie at the top of the repository.
        private: whether only its owner may see it.
        report: the bytes so far; may raise Cancelled.
        patience: seconds without progress after which it is given up.

    Raises:
        UserError: it can't be made or written, or holds something already.
    """
    transfer = Transfer()
    transfer.total = sum(path.stat().st_size for path in files)
    try:
        return watched(lambda: _upload(repo, files, transfer, private=private), transfer, report, patience)
    except (Cancelled, UserError):
        raise
    except Exception as error:
        raise upload_error(error, repo) from error


def _upload(repo: str, files: Sequence[Path], transfer: Transfer, *, private: bool) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    repo, address = _repository(api, repo, private=private)
    transfer.check()
    operations = []
    for path in files:
        with _Counted(path, transfer) as file:
            operation = CommitOperationAdd(path.name, file)
            api.preupload_lfs_files(repo, [operation])
            # What is small goes along with the commit.
            operations.append(operation if operation._is_uploaded else CommitOperationAdd(path.name, path.read_bytes()))
        transfer.before += path.stat().st_size
        transfer.done = transfer.before
        transfer.check()
    api.create_commit(repo, operations, commit_message="Upload the model with finetune-tui")
    return address


def _repository(api: HfApi, repo: str, *, private: bool) -> tuple[str, str]:
    """A new repository, or one that is there and empty: its full name and its address."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        made = api.create_repo(repo, private=private, exist_ok=False)
        return made.repo_id, str(made)
    except HfHubHTTPError as error:
        if status_of(error) != 409:
            raise
    if "/" not in repo:
        repo = f"{api.whoami()['name']}/{repo}"
    info = api.model_info(repo)
    if any(item.rfilename != ".gitattributes" for item in info.siblings or []):
        raise UserError(f"{repo} is there already, and not empty", "choose another --repo; nothing is overwritten")
    if private and info.private is False:
        raise UserError(f"{repo} is there already, and public", "choose another --repo, or add --public")
    return repo, f"{api.endpoint}/{repo}"


def upload_error(error: BaseException, repo: str) -> UserError:
    """What went wrong with an upload, in plain words."""
    status = status_of(error)
    if status == 401:
        return UserError("the hub asks who you are", _LOGIN)
    if status == 403:
        return UserError(f"this login may not write to {repo}", _LOGIN)
    if status == 404:
        return UserError(f"there is no owner of that name on the hub, for {repo}", "name it as me/my-model")
    if status == 429:
        return UserError("the hub received too many requests from here", "wait a few minutes and try again")
    if status is not None and status >= 500:
        return UserError(f"the hub has a problem of its own (status {status})", "try again later")
    if isinstance(error, ValueError) and "metadata" in str(error):
        return UserError(f"the hub refuses the model card: {str(error).splitlines()[-1][:200]}", "correct the card")
    if type(error).__name__ == "LocalTokenNotFoundError":
        return UserError("nobody is logged in to the hub here", _LOGIN)
    first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return UserError(f"the upload to {repo} was cut off: {first}", "try again; it goes on where it was")
