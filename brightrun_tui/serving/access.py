"""Who may come in at an endpoint's door."""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from brightrun_tui.serving.ask import RequestRefused
from brightrun_tui.serving.keys import KeyRing

KEY_NAME = "brightrun.key"
"""In the scope of a request that was let in: the name of its key."""


class BearerKey:
    """Lets in who sends one of the keys; ``/health`` is open and tells nothing."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, secret = given.partition(b" ")
        if (name := self._keys.name_of(secret.strip())) and scheme.lower() == b"bearer":
            await self._app({**scope, KEY_NAME: name}, receive, send)
            return
        refusal = RequestRefused(
            "wrong API key" if given else "no API key: send “Authorization: Bearer …”",
            code="invalid_api_key",
            status=401,
        )
        await JSONResponse(refusal.body, 401, {"www-authenticate": "Bearer"})(scope, receive, send)
