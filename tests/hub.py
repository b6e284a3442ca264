"""A small Hugging Face hub on the loopback, for tests of the real huggingface_hub, transformers and datasets.

It serves folders under given names: what a repository is, its files, and their content with ranges. Its address is
read when huggingface_hub is imported, so what uses it runs in a process of its own, with `Hub.environment`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.environment import without_foreign
from tests.hub_uploads import Uploads

ROOT = Path(__file__).parents[1]

_API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+?)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?\Z")
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)\Z")
_BRANCH = "main"


class Hub:
    """Serves while it is entered.

    Args:
        models: folders by the names that they are to have.
        datasets: likewise.

    Attributes:
        fault: 'none'; 'missing' (404 for every repository), 'login' (401), 'gated' (403), 'broken' (500), 'busy' (429) or 'slow'
            (answers after ``delay`` seconds). May be changed while it serves.
        slow_files: seconds that it waits in the middle of every file's content.
        requests: method and path of all requests so far.
        cut: how many more contents of files it cuts off in the middle.
        uploads: what is uploaded to it.
    """

    def __init__(self, models: Mapping[str, Path] | None = None, datasets: Mapping[str, Path] | None = None) -> None:
        self.repositories = {"models": dict(models or {}), "datasets": dict(datasets or {})}
        self.fault = "none"
        self.delay = 30.0
        self.slow_files = 0.0
        self.requests: list[str] = []
        self.cut = 0
        self.uploads = Uploads()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Hub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving: from then on connections are refused."""
        if not self.closing.is_set():
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """The environment of a process that uses this hub, with a cache and a state of its own in ``home``."""
        return {
            **without_foreign(os.environ),
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "FINETUNE_TUI_STATE": str(home / "state"),
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
            **more,
        }

    def run(self, code: str, home: Path, *, timeout: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
        """Run Python code in a process that uses this hub."""
        home.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [sys.executable, "-c", code],
            env=self.environment(home, **more),
            cwd=home,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def commit_of(folder: Path) -> str:
    """A commit hash that changes with the names and contents of the files."""
    digest = hashlib.sha1()
    for path in _files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _entry(folder: Path, path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {
        "type": "file",
        "path": path.relative_to(folder).as_posix(),
        "size": len(data),
        "oid": hashlib.sha1(data).hexdigest(),
    }


def _tree(folder: Path, below: str, *, recursive: bool) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    directories = set()
    for path in _files(folder / below):
        name = path.relative_to(folder / below)
        for parent in list(name.parents)[:-1]:
            directories.add((Path(below) / parent).as_posix())
        if recursive or len(name.parts) == 1:
            entries.append(_entry(folder, path))
    if not recursive:
        directories = {name for name in directories if Path(name).parent == Path(below)}
    return [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in sorted(directories)] + entries


def _info(kind: str, name: str, folder: Path) -> dict[str, Any]:
    commit = commit_of(folder)
    return {
        "_id": commit[:24],
        "id": name,
        "modelId": name,
        "author": name.split("/")[0],
        "sha": commit,
        "private": False,
        "gated": False,
        "disabled": False,
        "downloads": 5,
        "likes": 1,
        "tags": ["text-generation"],
        "pipeline_tag": "text-generation",
        "lastModified": "2025-01-01T00:00:00.000Z",
        "createdAt": "2025-01-01T00:00:00.000Z",
        "siblings": [
            {"rfilename": path.relative_to(folder).as_posix(), "size": path.stat().st_size} for path in _files(folder)
        ],
    }


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            hub.requests.append(f"{self.command} {self.path}")
            try:
                if self._faulty():
                    return
                if self.command == "PUT" and hub.cut:
                    hub.cut -= 1
                    self.close_connection = True  # without an answer
                    return
                uploaded = hub.uploads.answer(self.command, self.path, body, hub.url)
                if uploaded is not None:
                    self._send(uploaded[0], json.dumps(uploaded[1]).encode(), "application/json", {})
                    return
                address = urlsplit(self.path)
                path, query = unquote(address.path), parse_qs(address.query)
                if match := _FILE.match(path):
                    self._file("datasets" if match[1] else "models", match[2], match[3], match[4])
                elif match := _API.match(path):
                    self._api(match, query, body)
                elif path == "/api/models":
                    word = query.get("search", [""])[0].lower()
                    found = hub.repositories["models"].items()
                    self._json([_info("models", name, folder) for name, folder in found if word in name.lower()])
                else:
                    self._error(404, "", "no such page")
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _faulty(self) -> bool:
            if hub.fault == "slow":
                hub.closing.wait(hub.delay)
                return False
            faults = {
                "missing": (404, "RepoNotFound"),
                "login": (401, ""),
                "gated": (403, "GatedRepo"),
                "broken": (500, ""),
                "busy": (429, ""),
            }
            if hub.fault in faults:
                status, code = faults[hub.fault]
                self._error(status, code, hub.fault)
                return True
            return False

        def _repository(self, kind: str, name: str, revision: str) -> Path | None:
            """The folder of a repository; answers itself where there is none. An unknown name gets 401, as there."""
            folder = hub.repositories[kind].get(name)
            if folder is None:
                self._error(401, "RepoNotFound", "Repository not found")
                return None
            if revision not in {_BRANCH, commit_of(folder)}:
                self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
                return None
            return folder

        def _api(self, match: re.Match[str], query: dict[str, list[str]], body: bytes) -> None:
            kind, name, what, revision, below = match.groups()
            folder = self._repository(kind, name, revision or _BRANCH)
            if folder is None:
                return
            if what == "tree":
                if not (folder / (below or "")).is_dir():
                    self._error(404, "EntryNotFound", "no such folder")
                    return
                recursive = query.get("recursive", ["false"])[0].lower() in {"true", "1"}
                self._json(_tree(folder, below or "", recursive=recursive))
            elif what == "paths-info":
                asked = json.loads(body) if body[:1] == b"{" else parse_qs(body.decode())
                paths = asked.get("paths", [])
                paths = [paths] if isinstance(paths, str) else paths
                found = [folder / path for path in paths]
                self._json([_entry(folder, path) for path in found if path.is_file()])
            else:
                self._json(_info(kind, name, folder))

        def _file(self, kind: str, name: str, revision: str, path: str) -> None:
            folder = self._repository(kind, name, revision)
            if folder is None:
                return
            commit = {"X-Repo-Commit": commit_of(folder)}
            file = folder / path
            if not file.is_file() or not file.resolve().is_relative_to(folder.resolve()):
                self._error(404, "EntryNotFound", "Entry not found", commit)
                return
            data = file.read_bytes()
            headers = {**commit, "ETag": f'"{hashlib.sha1(data).hexdigest()}"', "Accept-Ranges": "bytes"}
            asked = re.match(r"bytes=(\d+)-(\d*)\Z", self.headers.get("Range") or "")
            if asked is None:
                self._send(200, data, "application/octet-stream", headers)
                return
            first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
            if first > last:
                self._send(416, b"", "text/plain", {**headers, "Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._send(206, data[first : last + 1], "application/octet-stream", headers)

        def _json(self, content: Any) -> None:
            self._send(200, json.dumps(content).encode(), "application/json", {})

        def _error(self, status: int, code: str, message: str, more: Mapping[str, str] | None = None) -> None:
            headers = {**(more or {}), "X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
            self._send(status, json.dumps({"error": message}).encode(), "application/json", headers)

        def _send(self, status: int, data: bytes, kind: str, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.cut and kind == "application/octet-stream":
                hub.cut -= 1
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
                return
            if hub.slow_files and kind == "application/octet-stream":
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                end = time.monotonic() + hub.slow_files
                while time.monotonic() < end and not hub.closing.wait(0.1):
                    pass
                data = data[len(data) // 2 :]
            self.wfile.write(data)

    return Handler
