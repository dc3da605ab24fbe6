"""Answers of servers that others run: read to a limit of bytes and of time, however they come.

What httpx reads by itself has neither: its time limit is for each piece, and a packed answer may hold a thousand times its size.
"""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 64 << 20
"""Once unpacked."""
PLAIN_HEADERS = {"Accept-Encoding": "gzip"}
"""For the client: what `request` can unpack to a limit."""
NONSENSE = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a library raises that reads an answer of a form that it did not expect."""
_TOO_LONG = "the answer is too long"
_TOO_SLOW = "the answer did not come to its end"
_PACKED = (b"content-encoding", b"content-length", b"transfer-encoding")


async def request(client: httpx.AsyncClient, method: str, url: str, *, seconds: float, **named: Any) -> httpx.Response:
    """Return the whole answer, within ``seconds`` from now. ``named``: as httpx takes it.

    Raises:
        httpx.HTTPError: as ever; also where the answer is too long, comes too slowly, or is packed as nobody asked for.
    """
    import httpx

    received = bytearray()
    try:
        async with asyncio.timeout(seconds), client.stream(method, url, **named) as response:
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    raise httpx.DecodingError(_TOO_LONG)
    except TimeoutError:
        raise httpx.ReadTimeout(_TOO_SLOW) from None
    try:
        content = unpacked(bytes(received), response.headers.get("content-encoding", ""))
    except ValueError as error:
        raise httpx.DecodingError(str(error)) from None
    return httpx.Response(
        response.status_code, headers=without_packing(response.headers.raw), content=content, request=response.request
    )


def collected(chunks: Iterable[bytes], *, seconds: float) -> bytes:
    """Return an answer as it came, for clients that block.

    Raises:
        ValueError: it is too long.
        TimeoutError: it did not come to its end within ``seconds`` from now.
    """
    received = bytearray()
    until = time.monotonic() + seconds
    for chunk in chunks:
        received += chunk
        if len(received) > MAX_ANSWER_BYTES:
            raise ValueError(_TOO_LONG)
        if time.monotonic() > until:
            raise TimeoutError(_TOO_SLOW)
    return bytes(received)


def without_packing(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer that has been unpacked."""
    return [(name, value) for name, value in headers if name.lower() not in _PACKED]


def decoded(content: bytes) -> Any:
    """Return the content as JSON. Raises ``ValueError``: it is not JSON, or is nested too deeply."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def unpacked(received: bytes, encoding: str) -> bytes:
    """Return what came, unpacked. Raises ``ValueError``: it cannot be, or is too long then."""
    if not received or encoding.strip().lower() in ("", "identity"):
        return received
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise ValueError("the answer is packed in a way that was not asked for")
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = unpacking.decompress(received, MAX_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(content) > MAX_ANSWER_BYTES or not unpacking.eof:
        raise ValueError("the answer is too long, or was cut off")
    return content
