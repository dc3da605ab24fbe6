"""The client that huggingface_hub asks with. What it reads by itself has no limit, so all but downloads are read here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
from huggingface_hub.utils import _http

from brightrun_tui import foreign_answers

WHOLE_ANSWER_SECONDS = 60.0
"""For all of an answer that is not a download: a page of a repository's list of files may be some megabytes."""


def make_client(seconds: float) -> httpx2.Client:
    """Return a client like the library's own, except for the limits; it waits ``seconds`` for each piece."""
    usual = _http.default_client_factory()
    hooks = {**usual.event_hooks, "response": [*usual.event_hooks["response"], _limit_length]}
    usual.close()
    return _LimitedClient(
        headers=foreign_answers.PLAIN_HEADERS, event_hooks=hooks, follow_redirects=True, timeout=seconds
    )


class _LimitedClient(httpx2.Client):
    def send(self, request: httpx2.Request, *, stream: bool = False, **named: Any) -> httpx2.Response:
        """Send a request. An answer that is not wanted as a stream is read here, within limits of bytes and time, and
        unpacked.
        """
        response = super().send(request, stream=True, **named)
        if stream:
            return response
        try:
            content = foreign_answers.unpacked(
                foreign_answers.collected(response.iter_raw(), seconds=WHOLE_ANSWER_SECONDS),
                response.headers.get("content-encoding", ""),
            )
        except TimeoutError as error:
            raise httpx2.ReadTimeout(str(error), request=response.request) from None
        except ValueError as error:
            raise httpx2.DecodingError(str(error), request=response.request) from None
        finally:
            response.close()
        return httpx2.Response(
            response.status_code,
            headers=foreign_answers.without_packing(response.headers.raw),
            content=content,
            request=response.request,
            extensions=response.extensions,
            history=response.history,
        )


class _Limited(httpx2.SyncByteStream):
    """What comes without saying how long it is ends after so many bytes."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        come = 0
        for chunk in self._stream:
            come += len(chunk)
            if come > foreign_answers.MAX_ANSWER_BYTES:
                raise httpx2.DecodingError("it has no end")
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _limit_length(response: httpx2.Response) -> None:
    if not isinstance(response.stream, httpx2.SyncByteStream):
        return
    if response.has_redirect_location:  # the library reads what stands in it, which is of no use to anybody
        response.stream.close()
        response.stream = httpx2.ByteStream(b"")
    elif "content-length" not in response.headers:
        response.stream = _Limited(response.stream)
