"""What a small hub does with uploads: makes repositories, takes large files by themselves and small ones with the commit."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import urlsplit

OWNER = "me"
LARGE = (".safetensors", ".png")

Answer = tuple[int, Any]


class Uploads:
    """Repositories that were made.

    Attributes:
        repositories: by name, what is in them, by path.
        private: by name, whether only the owner sees it.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self._large: dict[str, bytes] = {}

    def answer(self, method: str, address: str, body: bytes, url: str) -> Answer | None:
        """What is answered to a request; None where it is about no upload."""
        path = urlsplit(address).path
        if method == "PUT" and path.startswith("/lfs/"):
            return self._keep(path.rsplit("/", 1)[1], body)
        if path == "/api/whoami-v2":
            return 200, {"name": OWNER, "type": "user", "orgs": []}
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if path == "/api/repos/create":
            return self._create(json.loads(body), url)
        if match := re.match(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main\Z", path):
            return (self._preupload if match[2] == "preupload" else self._commit)(match[1], body, url)
        if match := re.match(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch\Z", path):
            return self._batch(json.loads(body), url)
        match = re.match(r"/api/models/([^/]+/[^/]+)\Z", path)
        return self._info(match[1]) if match and match[1] in self.repositories else None

    def _create(self, asked: dict[str, Any], url: str) -> Answer:
        name = f"{asked.get('organization') or OWNER}/{asked['name']}"
        if name in self.repositories:
            return 409, {"error": "You already created this model repo"}
        self.repositories[name], self.private[name] = {}, asked.get("private") or asked.get("visibility") == "private"
        return 200, {"url": f"{url}/{name}", "name": name}

    def _info(self, name: str) -> Answer:
        files = [{"rfilename": path} for path in [".gitattributes", *self.repositories[name]]]
        return 200, {
            "_id": "0",
            "id": name,
            "modelId": name,
            "private": self.private[name],
            "siblings": files,
            "tags": [],
        }

    def _validate(self, content: str) -> Answer:
        begins = content.startswith("---\n") and "\nbase_model: /" not in content
        return (
            (200, {"errors": [], "warnings": []}) if begins else (400, {"errors": [{"message": "bad"}], "warnings": []})
        )

    def _preupload(self, name: str, body: bytes, url: str) -> Answer:
        def mode(path: str) -> str:
            return "lfs" if path.endswith(LARGE) else "regular"

        files = json.loads(body)["files"]
        found = [{"path": f["path"], "uploadMode": mode(f["path"]), "shouldIgnore": False} for f in files]
        return 200, {"files": found}

    def _batch(self, asked: dict[str, Any], url: str) -> Answer:
        def entry(item: dict[str, Any]) -> dict[str, Any]:
            there = item["oid"] in self._large
            return {**item, **({} if there else {"actions": {"upload": {"href": f"{url}/lfs/{item['oid']}"}}})}

        return 200, {"transfer": "basic", "objects": [entry(item) for item in asked["objects"]]}

    def _keep(self, oid: str, body: bytes) -> Answer:
        if hashlib.sha256(body).hexdigest() != oid:
            return 400, {"error": "another content"}
        self._large[oid] = body
        return 200, {}

    def _commit(self, name: str, body: bytes, url: str) -> Answer:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                self.repositories[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.repositories[name][value["path"]] = self._large[value["oid"]]
        return 200, {"success": True, "commitOid": "0" * 40, "commitUrl": f"{url}/{name}/commit/{'0' * 40}"}
