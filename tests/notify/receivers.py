"""Places on loopback that news can be sent to: a web server (webhooks, ntfy) and a mail server, which keep what they get."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Web:
    """``got``: path and document of every request that was taken; while ``refusing`` everything is answered with 503."""

    port: int = 0
    got: list[tuple[str, Any]] = field(default_factory=list)
    refused: int = 0
    refusing: bool = False


@contextmanager
def web_server() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if web.refusing:
                web.refused += 1
                self.send_response(503)
            else:
                web.got.append((self.path, json.loads(body)))
                self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Mail:
    """``got``: subject and text of every mail."""

    port: int = 0
    got: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[Mail]:
    mail = Mail()

    class Keeper:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            message = message_from_bytes(envelope.content, policy=default)
            body = message.get_body(("plain", "html"))
            mail.got.append((str(message["Subject"]), body.get_content() if body else ""))
            return "250 OK"

    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        mail.port = free.getsockname()[1]
    controller = Controller(Keeper(), hostname="127.0.0.1", port=mail.port)
    controller.start()
    try:
        yield mail
    finally:
        controller.stop()
