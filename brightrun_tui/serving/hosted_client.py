"""HTTP with the workers of a service: OpenAI's dialect, the account's key, over TLS."""

from __future__ import annotations

from collections.abc import Callable

import httpcore
import httpx

from brightrun_tui import __version__
from brightrun_tui.serving.engine_client import BROKEN, EngineGone, Reply

CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 600.0
"""Between two pieces of an answer, or before the first one: a request may wait there for others."""


class HostedClient:
    """Asks at whatever address ``url`` gives at that moment. ``key`` is sent there and nowhere else.

    ``url`` raises `EngineGone` where there is none.
    """

    def __init__(self, url: Callable[[], str], key: str) -> None:
        self._url, self._key = url, key
        self._pool = httpcore.AsyncConnectionPool(ssl_context=httpx.create_ssl_context(), max_connections=None)

    async def post(self, path: str, document: bytes) -> Reply:
        """Send JSON to a path as OpenAI has it, ``/v1/…``. Raises `EngineGone`: nobody answers."""
        return await self._send("POST", path, ANSWER_SECONDS, document)

    async def get(self, path: str, timeout: float) -> tuple[int, bytes]:
        """Return status and body of a path. Raises `EngineGone`, also after ``timeout`` seconds without a piece of it."""
        reply = await self._send("GET", path, timeout)
        try:
            return reply.status, await reply.read()
        finally:
            await reply.close()

    async def close(self) -> None:
        await self._pool.aclose()

    async def _send(self, method: str, path: str, seconds: float, document: bytes | None = None) -> Reply:
        url = f"{self._url()}{path.removeprefix('/v1')}"
        headers = {
            "Host": httpx.URL(url).netloc.decode(),
            "User-Agent": f"bright-run/{__version__}",
            "Authorization": f"Bearer {self._key}",
            "Accept": "*/*",
        }
        if document is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(document))}
        limits = {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "read": seconds, "write": CONNECT_SECONDS}
        request = httpcore.Request(
            method, url, headers=list(headers.items()), content=document, extensions={"timeout": limits}
        )
        try:
            return Reply(await self._pool.handle_async_request(request))
        except BROKEN as error:
            raise EngineGone(str(error) or type(error).__name__) from None
