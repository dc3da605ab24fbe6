"""HTTP with the engine, over its Unix socket here or through a tunnel to another machine.

httpx reads such sockets through anyio, which prints a traceback (InvalidStateError) where a reading is given up in the very
moment in which data comes: https://github.com/agronholm/anyio/issues/1267 mends one half of that. asyncio's own streams do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

import httpcore

from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import HostError
from brightrun_tui.foreign_answers import MAX_ANSWER_BYTES

"""Of one request: thousands of tokens with the likelihoods of twenty alternatives each need half of it."""


class EngineGone(Exception):
    """The engine cannot be reached, or ended in the middle of an answer."""


class Reply:
    """An answer of the engine whose body is still to come. `close` it whatever happens."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response
        self.status = response.status

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body. Raises `EngineGone` where it breaks off, or has no end: an engine elsewhere is not believed."""
        received = 0
        try:
            async for chunk in self._response.aiter_stream():
                received += len(chunk)
                if received > MAX_ANSWER_BYTES:
                    raise EngineGone(f"an answer is longer than {humanize.limit(MAX_ANSWER_BYTES)}")
                yield chunk
        except BROKEN as error:
            raise EngineGone(str(error)) from None

    async def close(self) -> None:
        with suppress(*BROKEN):
            await self._response.aclose()


class Wire(Protocol):
    """A connection to the engine. What breaks is an ``OSError``."""

    async def read(self, most: int) -> bytes:
        """Return up to ``most`` bytes; none once the other side has closed."""
        ...

    async def write(self, data: bytes) -> None: ...

    @property
    def ended(self) -> bool:
        """Whether the other side has closed."""
        ...

    def abort(self) -> None: ...


Dial = Callable[[], Awaitable[Wire]]
"""Opens one. Raises ``OSError`` or `HostError` where nobody answers."""


def at_socket(path: str) -> Dial:
    """Return the engine that listens at a Unix socket; ``path`` is relative to the current directory."""

    async def dial() -> Wire:
        return _Local(*await asyncio.open_unix_connection(path))

    return dial


class EngineClient:
    """Asks the engine that ``dial`` reaches."""

    def __init__(self, dial: Dial) -> None:
        self._pool = httpcore.AsyncConnectionPool(uds="engine", network_backend=_Backend(dial), max_connections=None)

    async def post(self, path: str, document: bytes) -> Reply:
        """Send JSON. An answer takes as long as it takes; only connecting has a deadline.

        Raises:
            EngineGone: nobody answers.
        """
        headers = [
            (b"host", b"engine"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(document)),
        ]
        return await self._send(
            httpcore.Request(
                "POST",
                f"http://engine{path}",
                headers=headers,
                content=document,
                extensions={"timeout": {"connect": 10.0}},
            )
        )

    async def status(self, path: str, timeout: float) -> int:
        """Return the status of a GET within ``timeout`` seconds. Raises `EngineGone`."""
        limits = {"connect": timeout, "read": timeout, "write": timeout, "pool": timeout}
        reply = await self._send(
            httpcore.Request(
                "GET", f"http://engine{path}", headers=[(b"host", b"engine")], extensions={"timeout": limits}
            )
        )
        await reply.close()
        return reply.status

    async def close(self) -> None:
        await self._pool.aclose()

    async def _send(self, request: httpcore.Request) -> Reply:
        try:
            return Reply(await self._pool.handle_async_request(request))
        except BROKEN as error:
            raise EngineGone(str(error)) from None


BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


class _Local:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, most: int) -> bytes:
        return await self._reader.read(most)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    @property
    def ended(self) -> bool:
        return self._reader.at_eof()

    def abort(self) -> None:
        self._writer.transport.abort()


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await asyncio.wait_for(self._wire.read(max_bytes), timeout)
        except TimeoutError:
            raise httpcore.ReadTimeout from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await asyncio.wait_for(self._wire.write(buffer), timeout)
        except TimeoutError:
            raise httpcore.WriteTimeout from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    async def aclose(self) -> None:
        self._wire.abort()

    def get_extra_info(self, info: str) -> Any:
        """Answer ``is_readable`` of an idle connection: the other side has closed it."""
        return self._wire.ended if info == "is_readable" else None


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, dial: Dial) -> None:
        self._dial = dial

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await asyncio.wait_for(self._dial(), timeout))
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except (OSError, HostError) as error:
            raise httpcore.ConnectError(str(error)) from None
