"""How RunPod words its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import JSONResponse, Response


def ok(document: Any, status: int = 200) -> JSONResponse:
    """An answer with the headers that each has."""
    return JSONResponse(
        document,
        status,
        headers={
            "RateLimit": '"minute";r=176;t=1, "hour";r=7193;t=2701',
            "RateLimit-Policy": '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400',
        },
    )


def problem(
    status: int, detail: str, *, errors: list[str] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """RunPod's problem+json."""
    titles = {
        400: "Bad Request",
        401: "Unauthorized",
        402: "Payment Required",
        403: "Forbidden",
        404: "Not Found",
        409: "Conflict",
        413: "Content Too Large",
        422: "Unprocessable Entity",
        429: "Too Many Requests",
    }
    document = {
        "title": titles.get(status, "Internal Server Error"),
        "status": status,
        "detail": detail,
        **({"errors": errors} if errors else {}),
    }
    return JSONResponse(document, status, media_type="application/problem+json", headers=headers)


def iso(seconds: float) -> str:
    """A time as RunPod writes it."""
    whole = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")
