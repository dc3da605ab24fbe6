"""What happens to every request before a cloud looks at it: the log, and the faults that hit all routes alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.clouds.core import Cloud, Seen

_EDGE_PAGE = "error code: 1010"
_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class BrokenOff(Response):
    """An answer that never becomes complete: the connection breaks after its first byte."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionAbortedError


class Gate:
    """ASGI middleware. ``limits`` may answer in the provider's own words; every answer carries an ``x-request-id``."""

    def __init__(self, app: ASGIApp, cloud: Cloud, limits: Callable[[Request], Response | None]) -> None:
        self._app = app
        self._cloud = cloud
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_standin"):
            await self._app(scope, receive, send)
            return
        key = Request(scope).headers.get("authorization", "").removeprefix("Bearer ")

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._cloud.requests.append(
                    Seen(self._cloud.clock.now(), scope["method"], scope["path"], message["status"], key)
                )
                message["headers"].append((b"x-request-id", f"req-{len(self._cloud.requests)}".encode()))
            await send(message)

        early = await self._early(Request(scope))
        await (early or self._app)(scope, receive, noting)

    async def _early(self, request: Request) -> Response | None:
        faults = self._cloud.faults
        if slow := faults.hit("api_slow"):
            await asyncio.sleep(self._cloud.clock.real(float(slow.value or 1)))
        if not request.headers.get("user-agent", "").startswith("bright-run/"):
            return PlainTextResponse(_EDGE_PAGE, 403)
        if faults.hit("edge_block"):
            return PlainTextResponse(_EDGE_PAGE, 403)
        if faults.hit("api_down"):
            return PlainTextResponse("upstream connect error", 503)
        if faults.hit("plain_error"):
            return HTMLResponse(_BAD_GATEWAY, 502)
        return self._limits(request)
