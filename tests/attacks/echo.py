"""A server that stands in for every service at once, and tells back whatever it was sent, as answers and errors of many forms."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count


class Echo:
    """A context manager; ``url`` is its address. Every answer holds the caller's Authorization header and body."""

    def __init__(self) -> None:
        self.asked = 0
        numbers = count()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked += 1
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
                told = f"{self.headers.get('Authorization', '')} {self.headers.get('X-Api-Key', '')} {self.path} {sent}"
                status, body = (
                    (
                        401,
                        json.dumps(
                            {"error": {"message": f"Incorrect API key provided: {told}"}, "detail": told, "msg": told}
                        ),
                    ),
                    (400, json.dumps({"detail": told, "msg": told, "success": False, "errors": [{"message": told}]})),
                    (500, f"<html>Traceback: {told}</html>"),
                    (200, f"no JSON at all: {told}"),
                    (200, json.dumps({told: told, "data": {"myself": {"email": told, "id": told}}})),
                    (403, told),
                    (404, json.dumps({"detail": told})),
                    (200, json.dumps([told])),
                )[next(numbers) % 8]
                with suppress(OSError, ValueError):
                    self.send_response(status, " ".join(told.encode("ascii", "replace").decode().split())[:200])
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body.encode())))
                    self.end_headers()
                    self.wfile.write(body.encode())

            do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Echo:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
