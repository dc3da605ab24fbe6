"""Acme Cloud of docs/adding-a-provider.md: as much of its API as asking needs, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "ac_" + "notarealkey" * 2
ANSWERS = {
    "/account": {"email": "me@acme.example", "balance": 12.5},
    "/machines": {"machines": []},
    "/types": {
        "types": [
            {"id": "small", "gpu": "RTX 4090", "memory_gib": 24, "price": 0.5, "spot": False},
            {"id": "spot", "gpu": "RTX 4090", "memory_gib": 24, "price": 0.2, "spot": True},
        ]
    },
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path)
        status = 401 if self.headers["Authorization"] != f"Bearer {KEY}" else 200 if answer else 404
        body = json.dumps(answer if status == 200 else {"detail": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextmanager
def acme_cloud() -> Iterator[str]:
    """Its address, while it is up."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
