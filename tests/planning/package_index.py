"""A package index on loopback that serves one wheel, and says what was asked of it."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from brightrun_tui.planning.wheels import Wheel


class PackageIndex:
    """Serves ``content`` as the only wheel of ``wheel.name``. ``asked``: every path, in order."""

    def __init__(self, wheel: Wheel, content: bytes) -> None:
        self.wheel, self.content = wheel, content
        self.asked: list[str] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                if self.path.endswith(".whl"):
                    self.answer(index.content, "application/octet-stream")
                elif self.path.rstrip("/").endswith(f"/{wheel.name}"):
                    self.answer(f'<a href="/files/{wheel.file}">{wheel.file}</a>'.encode(), "text/html")
                else:
                    self.send_error(404)

            def answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/simple"

    @property
    def downloads(self) -> int:
        return sum(path.endswith(".whl") for path in self.asked)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def make_wheel(name: str, files: dict[str, bytes]) -> tuple[Wheel, bytes]:
    """A wheel of version 1.0 that holds ``files`` and what pip wants of one, and its description."""
    module = name.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/LICENSE": b"Apache License, Version 2.0",
        f"{info}/RECORD": b"",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    content = packed.getvalue()
    return Wheel(
        name=name,
        version="1.0",
        file=f"{module}-1.0-py3-none-any.whl",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    ), content
