"""What a caller is told where a request comes to nothing: OpenAI's form of an error."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from brightrun_tui.serving.answers import failure
from brightrun_tui.serving.ask import RequestRefused
from brightrun_tui.serving.engine_client import EngineGone


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    return JSONResponse(error.body, error.status, {"retry-after": "2"} if error.status in (429, 503) else None)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        RequestRefused(f"{request.method} {request.url.path}: {error.detail.lower()}").body,
        error.status_code,
        error.headers,
    )


async def _engine_gone(request: Request, error: Exception) -> Response:
    return JSONResponse(
        failure("the model server ended; it is being restarted", code="engine_restarting"), 503, {"retry-after": "5"}
    )


async def _caller_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _fault(request: Request, error: Exception) -> Response:
    return JSONResponse(failure("internal error; the server's log says more"), 500)


HANDLERS: dict[Any, Any] = {
    RequestRefused: _refused,
    HTTPException: _http_error,
    EngineGone: _engine_gone,
    ClientDisconnect: _caller_gone,
    Exception: _fault,
}
"""For Starlette: the answer to each kind of error."""
