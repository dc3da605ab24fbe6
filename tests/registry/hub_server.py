"""A Hugging Face Hub on loopback that can be written to: repositories with commits, tags, LFS uploads, and its faults."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz0123"
LFS_ABOVE = 4096
"""Bytes from which on a file goes to the large storage."""

Files = dict[str, bytes]


@dataclass
class Repository:
    private: bool
    gated: str | bool = False
    commits: dict[str, Files] = field(default_factory=lambda: {"0" * 40: {}})
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]


@dataclass
class Hub:
    """``faults`` maps a part of ``METHOD path`` to status and message, once each; ``always_public``: it ignores the wish for
    privacy. ``instead``: its answer to everything. ``requests``: every ``METHOD path``. ``received``: bytes of files that came.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    owners: tuple[str, ...] = ("me",)
    account: str = "me"
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    always_public: bool = False
    instead: bytes = b""
    stored: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    received: int = 0
    url: str = ""

    def count(self, part: str) -> int:
        return sum(part in request for request in self.requests)


@contextmanager
def serving_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(_Handler):
        the_hub = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    the_hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        return None

    def do_HEAD(self) -> None:
        self._answer()

    do_GET = do_POST = do_PUT = do_HEAD

    def _answer(self) -> None:
        hub, path = self.the_hub, urlsplit(self.path).path
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        line = f"{self.command} {path}"
        hub.requests.append(line)
        if hub.instead:
            self._send(200, hub.instead, {"Content-Type": "application/json"})
            return
        for part in list(hub.faults):
            if part in line:
                status, message = hub.faults.pop(part)
                self._json({"error": message}, status)
                return
        if path.startswith("/storage/"):
            hub.stored[path.removeprefix("/storage/")] = body
            hub.received += len(body)
            self._json({})
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token and self.command in ("GET", "HEAD") and self._is_public(path):
            self._in_repository(path, body)
        elif not token:
            self._json({"error": "Invalid username or password."}, 401, {"X-Error-Code": "RepoNotFound"})
        elif token != TOKEN:
            self._json({"error": "no"}, 401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/whoami-v2":
            self._json({"type": "user", "name": hub.account, "orgs": [], "auth": {"type": "access_token"}})
        elif path == "/api/models":
            asked = parse_qs(urlsplit(self.path).query)
            self._json(
                [
                    {"id": name, "tags": ["brightrun"]}
                    for name in hub.repositories
                    if name.startswith(f"{asked['author'][0]}/") and asked["filter"] == ["brightrun"]
                ]
            )
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        else:
            self._in_repository(path, body)

    def _is_public(self, path: str) -> bool:
        """Whether it is about a repository that everybody may read; what is gated is known, and not to be had."""
        found = re.match(r"/(?:api/models/)?([\w.-]+/[\w.-]+?)(?:/.*)?$", path)
        repository = self.the_hub.repositories.get(found[1]) if found else None
        return repository is not None and not repository.private and not (repository.gated and "/resolve/" in path)

    def _create(self, wanted: dict[str, Any]) -> None:
        hub = self.the_hub
        name = f"{wanted['organization']}/{wanted['name']}"
        if wanted["organization"] not in hub.owners:
            self._json({"error": f"You don't have the rights to create a model under {wanted['organization']}"}, 403)
        elif name in hub.repositories:
            self._json({"error": "You already created this model repo", "url": f"{hub.url}/{name}"}, 409)
        else:
            private = wanted.get("visibility") == "private" and not hub.always_public
            hub.repositories[name] = Repository(private)
            self._json({"url": f"{hub.url}/{name}"})

    def _in_repository(self, path: str, body: bytes) -> None:
        hub = self.the_hub
        found = re.match(r"/(?:api/models/)?([\w.-]+/[\w.-]+?)(?:\.git)?(/.*)?$", path)
        repository = hub.repositories.get(found[1]) if found else None
        if found is None or repository is None:
            self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return
        name, rest = found[1], found[2] or ""
        if rest == "/settings":
            repository.private = json.loads(body).get("visibility") == "private" and not hub.always_public
            self._json({})
        elif rest == "/refs":
            tags = [
                {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": commit}
                for tag, commit in repository.tags.items()
            ]
            main = [{"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head}]
            self._json({"branches": main, "tags": tags, "converts": []})
        elif rest.startswith("/tag/"):
            repository.tags[json.loads(body)["tag"]] = rest.removeprefix("/tag/")
            self._json({})
        elif rest.startswith("/preupload/"):
            files = [
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if each["size"] > LFS_ABOVE else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for each in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif rest == "/info/lfs/objects/batch":
            self._json({"transfer": "basic", "objects": [self._object(each) for each in json.loads(body)["objects"]]})
        elif rest == "/verify":
            self._json({})
        elif rest.startswith("/commit/"):
            self._commit(name, repository, body)
        elif match := re.fullmatch(r"/resolve/([\w.-]+)/(.+)", rest):
            self._file(repository, match[1], match[2])
        elif match := re.fullmatch(r"(?:/revision/([\w.-]+))?", rest):
            self._info(name, repository, match[1] or "main")
        elif match := re.fullmatch(r"/tree/([\w.-]+)", rest):
            stored = repository.commits.get(self._resolved(repository, match[1]), {})
            self._json(
                [
                    {"type": "file", "path": file, "oid": blob_id(data), "size": len(data)}
                    for file, data in stored.items()
                ]
            )
        else:
            self._json({"error": f"the stand-in does not know {path}"}, 404)

    def _object(self, wanted: dict[str, Any]) -> dict[str, Any]:
        hub = self.the_hub
        known = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] in hub.stored:
            return known
        return {**known, "actions": {"upload": {"href": f"{hub.url}/storage/{wanted['oid']}"}}}

    def _commit(self, name: str, repository: Repository, body: bytes) -> None:
        files = dict(repository.commits[repository.head])
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header" and value.get("parentCommit", repository.head) != repository.head:
                self._json({"error": "the parent commit is not the newest one"}, 412)
                return
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.the_hub.stored[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"])
        commit = hashlib.sha1(body + repository.head.encode()).hexdigest()
        repository.commits[commit] = files
        self._json({"commitUrl": f"{self.the_hub.url}/{name}/commit/{commit}", "commitOid": commit, "success": True})

    def _info(self, name: str, repository: Repository, revision: str) -> None:
        commit = self._resolved(repository, revision)
        if commit not in repository.commits:
            self._json({"error": "no such revision"}, 404, {"X-Error-Code": "RevisionNotFound"})
            return
        siblings = [
            {"rfilename": file, "size": len(data), "blobId": blob_id(data)}
            for file, data in repository.commits[commit].items()
        ]
        about = {
            "id": name,
            "sha": commit,
            "private": repository.private,
            "gated": repository.gated,
            "tags": [],
            "siblings": siblings,
        }
        self._json({**about, "lastModified": "2026-11-29T10:00:00.000Z", "cardData": self._card(repository, commit)})

    def _card(self, repository: Repository, commit: str) -> Any:
        """The metadata of README.md, as the Hub gives it beside a model."""
        from huggingface_hub import ModelCard

        text = repository.commits[commit].get("README.md", b"").decode()
        return ModelCard(text).data.to_dict() if text else {}  # type: ignore[no-untyped-call]

    def _file(self, repository: Repository, revision: str, file: str) -> None:
        commit = self._resolved(repository, revision)
        data = repository.commits.get(commit, {}).get(file)
        if data is None:
            self._json({"error": "no such file"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        self._send(200, data, {"ETag": f'"{blob_id(data)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"})

    def _resolved(self, repository: Repository, revision: str) -> str:
        return repository.head if revision == "main" else repository.tags.get(revision, revision)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().strip() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _json(self, document: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
