"""A judge on loopback that answers as OpenAI's API does, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-judge-0123456789abcdefghijklmnop"

Answer = tuple[int, Any]
"""Status, and a document (sent as JSON) or bytes (sent as HTML)."""


def completion(content: str | None) -> Answer:
    """What OpenAI sends for one answer."""
    return 200, {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "judge-1",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, "refusal": None}}
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def refusal(status: int, message: str, code: str | None = None, kind: str = "invalid_request_error") -> Answer:
    """OpenAI's error object."""
    return status, {"error": {"message": message, "type": kind, "param": None, "code": code}}


def prefer(better: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], Answer]:
    """A judge that says A, B or tie by looking at the material it is shown."""

    def answer(body: dict[str, Any]) -> Answer:
        material = json.loads(body["messages"][-1]["content"])
        return completion(json.dumps({"winner": better(material), "reason": "it is\x1b[31m nearer\nto what is wanted"}))

    return answer


def by_marker(word: str) -> Callable[[dict[str, Any]], str]:
    """Prefers the answer that holds ``word``, wherever it stands."""
    return lambda material: "A" if word in material["answer_a"] else "B" if word in material["answer_b"] else "tie"


class JudgeServer:
    """``answer`` makes the answers; ``bodies`` and ``keys`` are what came in."""

    def __init__(self, answer: Callable[[dict[str, Any]], Answer]) -> None:
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.models = ["judge-1"]
        self.required_key = KEY
        self.headers: dict[str, str] = {}
        self.silent = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(*outer.listed(self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/chat/completions":
                    self._send(404, b"<html>not here</html>")
                    return
                self._send(*outer.judged(body, self.headers.get("Authorization", "")))

            def _send(self, status: int, document: Any) -> None:
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if isinstance(document, bytes) else "application/json")
                self.send_header("Content-Length", str(len(content)))
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                with suppress(ConnectionError):  # who asked did not wait
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def judged(self, body: dict[str, Any], key: str) -> Answer:
        self.keys.append(key)
        if self.silent.is_set():
            threading.Event().wait(3)
        if refused := self._refused(key):
            return refused
        self.bodies.append(body)
        return self.answer(body)

    def listed(self, key: str) -> Answer:
        return self._refused(key) or (
            200,
            {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]},
        )

    def _refused(self, key: str) -> Answer | None:
        if key == f"Bearer {self.required_key}":
            return None
        return refusal(401, f"Incorrect API key provided: {key.removeprefix('Bearer ')}.", "invalid_api_key")

    def __enter__(self) -> JudgeServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving_judge(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[JudgeServer]:
    with JudgeServer(answer) as server:
        yield server
