"""Answers of servers that others run: read to a limit of bytes and of time, however they come.

What httpx reads by itself has neither: its time limit is for each piece, and a packed answer may hold a thousand times its size.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 64 << 20
"""Once unpacked."""
PLAIN_HEADERS = {"Accept-Encoding": "gzip"}
"""For the client: what `request` can unpack to a limit."""
_PACKED = (b"content-encoding", b"content-length", b"transfer-encoding")


async def request(client: httpx.AsyncClient, method: str, url: str, *, seconds: float, **named: Any) -> httpx.Response:
    """The whole answer, within ``seconds`` from now. ``named``: as httpx takes it.

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
                    raise httpx.DecodingError("the answer is too long")
    except TimeoutError:
        raise httpx.ReadTimeout("the answer did not come to its end") from None
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _PACKED]
    content = _unpacked(bytes(received), response.headers.get("content-encoding", ""))
    return httpx.Response(response.status_code, headers=headers, content=content, request=response.request)


def decoded(content: bytes) -> Any:
    """JSON. Raises ``ValueError``: it is none, or is nested too deeply."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unpacked(received: bytes, encoding: str) -> bytes:
    import httpx

    if not received or encoding.strip().lower() in ("", "identity"):
        return received
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        raise httpx.DecodingError("the answer is packed in a way that was not asked for")
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = unpacking.decompress(received, MAX_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from None
    if len(content) > MAX_ANSWER_BYTES or not unpacking.eof:
        raise httpx.DecodingError("the answer is too long, or was cut off")
    return content
