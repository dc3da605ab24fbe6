"""A conversation with an endpoint, piece by piece."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import SEE_ENDPOINTS
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError, NotConnectedError, UsageError
from brightrun_tui.serving.sse import lines

SILENCE_SECONDS = 600.0
"""A model may have to come back into memory first, or a worker of a service to start; a long prompt takes a minute on a CPU."""


async def chat(
    url: str,
    key: str,
    model: str,
    messages: Sequence[dict[str, Any]],
    *,
    temperature: float | None = None,
    top_p: float | None = None,
    max_tokens: int | None = None,
    timeout: float = SILENCE_SECONDS,
    used: Callable[[int], None] | None = None,
) -> AsyncIterator[str]:
    """Stream the answer to ``messages`` ({"role", "content"}) as pieces of text.

    ``url`` ends in ``/v1``. ``temperature`` 0 gives the likeliest answer; None leaves it to the model. ``timeout`` is the
    longest silence between two pieces, in seconds. ``used`` is told how many tokens the answer has, where the server says so.

    Raises:
        NotConnectedError: the key is refused.
        UsageError: the request is refused.
        EngineError: nobody answers at ``url``, or the answer broke off.
    """
    import httpx

    body = {
        "model": model,
        "messages": list(messages),
        "stream": True,
        "stream_options": {"include_usage": True} if used else None,
        "temperature": temperature,
        "top_p": top_p,
        "max_completion_tokens": max_tokens,
    }
    limits = httpx.Timeout(timeout, connect=5.0)
    try:
        async with (
            httpx.AsyncClient(timeout=limits, trust_env=False) as client,
            client.stream(
                "POST",
                f"{url}/chat/completions",
                headers={"authorization": f"Bearer {key}"},
                json={name: value for name, value in body.items() if value is not None},
            ) as reply,
        ):
            if reply.status_code != 200:
                raise _refusal(reply.status_code, await reply.aread(), url)
            async for line in lines(reply.aiter_bytes()):
                document = _document(line, url)
                if used and document.get("usage"):
                    used(int(document["usage"].get("completion_tokens") or 0))
                if piece := _text(document):
                    yield piece
    except httpx.TimeoutException:
        raise EngineError(
            f"no answer within {humanize.span(timeout)}", where=url, fix=SEE_ENDPOINTS, kind=ErrorKind.ENDPOINT_SILENT
        ) from None
    except httpx.TransportError as error:
        raise EngineError(
            f"the endpoint cannot be reached ({type(error).__name__})",
            where=url,
            fix=SEE_ENDPOINTS,
            kind=ErrorKind.ENDPOINT_UNREACHABLE,
        ) from None


async def complete(
    url: str,
    key: str,
    model: str,
    messages: Sequence[dict[str, Any]],
    *,
    temperature: float | None = None,
    max_tokens: int | None = None,
    timeout: float = SILENCE_SECONDS,
) -> str:
    """Return the whole answer in one reply, not streamed. Arguments and errors as in `chat`."""
    import httpx

    body = {"model": model, "messages": list(messages), "temperature": temperature, "max_completion_tokens": max_tokens}
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(timeout, connect=5.0), trust_env=False) as client:
            reply = await client.post(
                f"{url}/chat/completions",
                headers={"authorization": f"Bearer {key}"},
                json={name: value for name, value in body.items() if value is not None},
            )
    except httpx.TransportError as error:
        raise EngineError(
            f"the endpoint cannot be reached ({type(error).__name__})",
            where=url,
            fix=SEE_ENDPOINTS,
            kind=ErrorKind.ENDPOINT_UNREACHABLE,
        ) from None
    if reply.status_code != 200:
        raise _refusal(reply.status_code, reply.content, url)
    return str(reply.json()["choices"][0]["message"]["content"] or "")


def _document(line: str, url: str) -> dict[str, Any]:
    """Return what one line of the stream says. Raises ``EngineError`` where that is an error."""
    if not line.startswith("data:") or line[5:].strip() == "[DONE]":
        return {}
    document: dict[str, Any] = json.loads(line[5:])
    if "error" in document:
        raise EngineError(
            str(document["error"].get("message", "the answer broke off")), where=url, kind=ErrorKind.ANSWER_BROKEN
        )
    return document


def _text(document: dict[str, Any]) -> str:
    """Return the text that a document of the stream adds."""
    choices = document.get("choices") or [{}]
    return str(choices[0].get("delta", {}).get("content") or "")


def _refusal(status: int, content: bytes, url: str) -> BrightrunError:
    try:
        message = str(json.loads(content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {status}"
    if status in (401, 403):
        return NotConnectedError(message, where=url, fix="use the endpoint's own key", kind=ErrorKind.BAD_KEY)
    if status < 500 and status != 429:
        return UsageError(message, where=url, kind=ErrorKind.REQUEST_REFUSED)
    return EngineError(message, where=url, fix="try again in some seconds", kind=ErrorKind.ENDPOINT_BUSY)
