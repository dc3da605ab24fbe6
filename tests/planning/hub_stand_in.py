"""A small Hugging Face Hub on loopback: one repository, tokens, and the faults a real one shows."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class StandIn:
    """``faults`` maps a part of a path to a status; ``cut`` maps a file to the number of bytes after which the line breaks, once.

    ``says`` maps a part of a path to headers that its answers have; ``told``, a file to the size that it is said to have.
    ``stall`` names a part of a path that is never answered before `stop`. ``kind``: models or datasets. ``listed``: what a
    search looks through.
    """

    files: dict[str, bytes]
    repository: str = "acme/tiny"
    gated: bool = False
    allowed: set[str] = field(default_factory=set)
    tokens: dict[str, str] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    says: dict[str, dict[str, str]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    stall: str = ""
    kind: str = "models"
    listed: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def start(self) -> StandIn:
        stand_in = self

        class Handler(_Handler):
            hub = stand_in

        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fetched(self, name: str) -> list[str]:
        """The Range headers of every request for a file's content."""
        return [range_ for method, path, range_ in self.requests if method == "GET" and path.endswith(f"/{name}")]


class _Handler(BaseHTTPRequestHandler):
    hub: StandIn
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        return None

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, path, self.headers.get("Range", "")))
        if self.hub.stall and self.hub.stall in path:
            self.hub._released.wait(30)
            self.close_connection = True
            return
        for part, status in self.hub.faults.items():
            if part in path:
                self._json({"error": "fault"}, status)
                return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            self._json({"error": "no"}, 401, {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif path == "/api/whoami-v2":
            self._json(
                {
                    "type": "user",
                    "name": self.hub.tokens.get(token, ""),
                    "orgs": [],
                    "auth": {"type": "access_token", "accessToken": {"displayName": "t", "role": "read"}},
                }
            )
        elif path == "/api/models":
            words = parse_qs(urlsplit(self.path).query).get("search", [""])[0].casefold()
            self._json([model for model in self.hub.listed if words in model["id"].casefold()])
        else:
            self._repository(path, token)

    def _repository(self, path: str, token: str) -> None:
        hub = self.hub
        name = re.escape(hub.repository)
        if re.fullmatch(rf"/api/{hub.kind}/{name}(/revision/[\w.%-]+)?", path):
            siblings = [
                {"rfilename": file, "size": hub.told.get(file, len(data)), "blobId": _digest(data)}
                for file, data in hub.files.items()
            ]
            self._json(
                {
                    "id": hub.repository,
                    "sha": COMMIT,
                    "gated": "auto" if hub.gated else False,
                    "private": False,
                    "tags": [],
                    "downloads": 0,
                    "siblings": siblings,
                }
            )
        elif re.fullmatch(rf"/api/{hub.kind}/{name}/tree/[\w.-]+", path):
            self._json(
                [
                    {"type": "file", "path": file, "oid": _digest(data), "size": len(data)}
                    for file, data in hub.files.items()
                ]
            )
        elif match := re.fullmatch(rf"{'' if hub.kind == 'models' else '/datasets'}/{name}/resolve/[\w.-]+/(.+)", path):
            if hub.gated and token not in hub.allowed:
                self._json({"error": "gated"}, 403 if token else 401, {"X-Error-Code": "GatedRepo"})
            elif match[1] in hub.files:
                self._file(match[1], hub.files[match[1]])
            else:
                self._json({"error": "no such file"}, 404, {"X-Error-Code": "EntryNotFound"})
        else:
            self._json({"error": "no such repository"}, 404, {"X-Error-Code": "RepoNotFound"})

    def _file(self, name: str, data: bytes) -> None:
        start = int(match[1]) if (match := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        body = data[start:]
        headers = {"ETag": f'"{_digest(data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._head(206 if start else 200, len(body), headers)
        if self.command == "HEAD":
            return
        cut = self.hub.cut.pop(name, None)
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def _json(self, document: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self._head(status, len(body), {"Content-Type": "application/json", **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        path = urlsplit(self.path).path
        for said in [said for part, said in self.hub.says.items() if part in path]:
            headers = {**headers, **said}
        for name, value in {**headers, "Content-Length": str(length), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:40]
