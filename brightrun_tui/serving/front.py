"""The connections of an endpoint: not too many, none that keeps the server waiting, none whose requests can be read in two ways.

uvicorn bounds neither the time in which a request must have come nor that in which an answer must have been taken.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import resource
import time
from typing import Any, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""From connecting, or from the first byte of a later request, to the end of its headers."""
BODY_SECONDS = 60.0
TAKE_SECONDS = 60.0
"""How long a caller may leave unread what was sent."""
IDLE_SECONDS = 15
HEAD_BYTES = 32 << 10
BACKLOG = 128
MAX_CONNECTIONS = 512
FREE_PIECES, CRUMB = 4096, 64
"""From so many pieces of a body on they must have so many bytes on average."""
_OTHER_FILES = 256
_QUIET_SECONDS = 60.0

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_FOLDED = re.compile(rb"\n[ \t]")
_LENGTH = re.compile(rb"\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)

log = logging.getLogger(__name__)


class _PlainConnection(h11.Connection):
    """Refuses what a proxy before us might read in another way: two lengths of one body, folded headers. And a body in crumbs,
    each of which takes as long to read as a thousand bytes at once.
    """

    _pieces = _bytes = 0

    def next_event(self) -> Any:
        if self.their_state is h11.IDLE:
            received = self.trailing_data[0]
            end = _END_OF_HEAD.search(received)
            head = received[: end.start()] if end else received
            if _FOLDED.search(head) or len(_LENGTH.findall(head)) > 1:
                raise h11.RemoteProtocolError("the end of the request is in doubt")
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._pieces += 1
            self._bytes += len(event.data)
            if self._pieces > FREE_PIECES and self._bytes < CRUMB * self._pieces:
                raise h11.RemoteProtocolError("the body comes in crumbs")
        return event


class GuardedProtocol(H11Protocol):
    """One connection, with deadlines. Beyond `MAX_CONNECTIONS` whoever has kept us waiting longest is dropped."""

    max_connections = MAX_CONNECTIONS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn = _PlainConnection(h11.SERVER, HEAD_BYTES)
        self._part: Literal["head", "body"] | None = None
        self._since = time.monotonic()
        self._deadline: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for("head")
        if len(self.connections) > self.max_connections:
            last = min((c for c in self.connections if isinstance(c, GuardedProtocol)), key=GuardedProtocol._worth)
            self.connections.discard(last)
            last.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        self._wait_for(None)
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None)
        self._forget_untaken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken = self._untaken or self.loop.call_later(TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_untaken()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse the request in OpenAI's form; in the middle of an answer there is nothing to do but to hang up."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(
                {
                    "error": {
                        "message": "this is not a valid HTTP request",
                        "type": "invalid_request_error",
                        "param": None,
                        "code": None,
                    }
                }
            ).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _look(self) -> None:
        """Start the clock for what the caller owes us now; nothing while a request is answered or the connection idles."""
        theirs = self.conn.their_state
        self._wait_for(
            "body" if theirs is h11.SEND_BODY else "head" if theirs is h11.IDLE and self.conn.trailing_data[0] else None
        )

    def _wait_for(self, part: Literal["head", "body"] | None) -> None:
        """Begin to wait for a part of a request; its deadline does not move while it trickles in."""
        if part == self._part and self._deadline is not None:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._part, self._since = part, time.monotonic()
        seconds = HEAD_SECONDS if part == "head" else BODY_SECONDS
        self._deadline = self.loop.call_later(seconds, self.transport.abort) if part else None

    def _worth(self) -> tuple[int, float]:
        """Return its worth. The smallest is dropped first: hung up, half a head, half a body, idle; one being answered
        last.
        """
        if self.transport.is_closing():
            return 0, self._since
        if self._part is not None:
            return (1 if self._part == "head" else 2), self._since
        return (3 if self.conn.their_state is h11.IDLE else 4), self._since

    def _forget_untaken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None


def prepare_process(loop: asyncio.AbstractEventLoop) -> None:
    """Make room for `MAX_CONNECTIONS` open files, or fewer connections; and one line a minute where connections cannot be
    accepted.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + BACKLOG + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        GuardedProtocol.max_connections = max(16, min(MAX_CONNECTIONS, soft - BACKLOG - _OTHER_FILES))
    said_at = -_QUIET_SECONDS

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said_at
        if not (isinstance(context.get("exception"), OSError) and "accept" in context.get("message", "")):
            loop.default_exception_handler(context)
        elif time.monotonic() - said_at >= _QUIET_SECONDS:
            said_at = time.monotonic()
            log.error("connections cannot be accepted: %s", context["exception"])

    loop.set_exception_handler(handle)
