"""What a caller is told where a service does not answer a request: in OpenAI's form, and with what to do."""

from __future__ import annotations

import json

from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving.ask import RequestRefused


def hosted_refusal(service: str, status: int, content: bytes) -> RequestRefused:
    """Return what a service said against a request, in OpenAI's words and with what to do."""
    said = _detail(content)
    if status in (401, 403):
        return unavailable(
            f"{service} refuses the account's key ({status}): renew it with: brightrun connect",
            code="service_key_refused",
        )
    if status == 402:
        return unavailable(f"the account at {service} has no money left", code="service_no_funds")
    if status == 404:
        return unavailable(f"{service} does not know the endpoint any more", code="no_endpoint")
    if status == 429:
        return RequestRefused(
            f"{service} takes no more requests at present{said}",
            status=429,
            kind="rate_limit_error",
            code="rate_limit_exceeded",
        )
    if 400 <= status < 500:
        return RequestRefused(f"{service} refused the request{said}")
    return unavailable(f"the worker at {service} failed on this request ({status}{said})", code="engine_error")


def unavailable(message: str, *, code: str) -> RequestRefused:
    """Return a refusal: it cannot be answered now, through no fault of the caller's."""
    return RequestRefused(message, status=503, kind="server_error", code=code)


def _detail(content: bytes) -> str:
    """Return what was said, cut short; empty where it is nothing that can be read."""
    try:
        document = json.loads(content)
        error = document.get("error", document)
        said = error if isinstance(error, str) else error.get("message") or error.get("detail") or ""
    except NONSENSE:
        return ""
    return f": {' '.join(str(said).split())[:300]}" if said else ""
