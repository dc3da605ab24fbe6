"""The client that huggingface_hub asks with.

What the library reads by itself has no limit, so all but downloads are read here. It makes names of files of what a server says
in headers, and shows the token to any address that a server names (next pages, keys for downloads, checks of uploads): both is
held here, for all that it asks.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.utils import _http

from brightrun_tui import foreign_answers

WHOLE_ANSWER_SECONDS = 60.0
"""For all of an answer that is not a download: a page of a repository's list of files may be some megabytes."""
SLOW_SECONDS, LEAST_BYTES_A_SECOND = 60.0, 1024
MOST_PAGES = 500
"""Of one list: half a million files."""
_BECOMES_A_NAME = ("x-repo-commit", "x-linked-etag", "etag")
_NAME = re.compile(r"[0-9A-Za-z][\w.+=~-]{0,127}", re.ASCII)
_LEADS_ON = ("next", "xet-auth")
_REFRESH = "x-xet-refresh-route"
_PORTS = {"http": 80, "https": 443}


def make_client(seconds: float, homes: Callable[[], Collection[str]]) -> httpx2.Client:
    """Return a client like the library's own, except for the limits; it waits ``seconds`` for each piece.

    ``homes``: the addresses that may see the token, and that lists go on at.
    """
    usual = _http.default_client_factory()
    at_home = _AtHome(homes)
    hooks = {
        "request": [*usual.event_hooks["request"], at_home.keep_token],
        "response": [*usual.event_hooks["response"], at_home.refuse_to_be_led, _refuse_odd_names, _limit_length],
    }
    usual.close()
    return _LimitedClient(
        headers=foreign_answers.PLAIN_HEADERS, event_hooks=hooks, follow_redirects=True, timeout=seconds
    )


def _origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port. Raises ``ValueError``: its port is not a valid one."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


class _AtHome:
    def __init__(self, homes: Callable[[], Collection[str]]) -> None:
        self._homes = homes

    def _has(self, url: str) -> bool:
        try:
            return _origin(url) in map(_origin, self._homes())
        except ValueError:
            return False

    def keep_token(self, request: httpx2.Request) -> None:
        """Take the token out of a request for another address, whoever made it."""
        if not self._has(str(request.url)):
            request.headers.pop("authorization", None)

    def refuse_to_be_led(self, response: httpx2.Response) -> None:
        """Refuse a next page, or a place that hands out keys for a download, that is not the Hub's own."""
        named = [response.links[way].get("url", "") for way in _LEADS_ON if way in response.links]
        if not all(self._has(url) for url in (*named, *response.headers.get_list(_REFRESH))):
            raise httpx2.DecodingError("it names another server", request=response.request)


def _refuse_odd_names(response: httpx2.Response) -> None:
    """Refuse an odd commit or ETag: the library takes them out of their quotes and makes them parts of paths in the cache."""
    for header in _BECOMES_A_NAME if response.request.method == "HEAD" else _BECOMES_A_NAME[:2]:
        said = response.headers.get(header)
        if said is not None and not _NAME.fullmatch(said.lstrip("W/").strip('"')):
            raise httpx2.DecodingError(f"its {header} is not one", request=response.request)


class _LimitedClient(httpx2.Client):
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._pages = Counter[str]()

    def send(self, request: httpx2.Request, *, stream: bool = False, **named: Any) -> httpx2.Response:
        """Send a request. An answer that is not wanted as a stream is read here, within limits of bytes and time, and
        unpacked.
        """
        response = super().send(request, stream=True, **named)
        if stream:
            return response
        self._count_pages(response)
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

    def _count_pages(self, response: httpx2.Response) -> None:
        """Refuse a list after so many pages. One that leads to no further page has been read."""
        path = response.request.url.path
        if "next" not in response.links:
            self._pages.pop(path, None)
            return
        self._pages[path] += 1
        if self._pages[path] >= MOST_PAGES:
            del self._pages[path]
            response.close()
            raise httpx2.DecodingError("it has no end", request=response.request)


class _Limited(httpx2.SyncByteStream):
    """What comes without saying how long it is ends after so many bytes; and whatever comes, comes at some pace: a byte now and
    then would hold up whoever waits for it for good.
    """

    def __init__(self, stream: httpx2.SyncByteStream, endless: bool) -> None:
        self._stream = stream
        self._most = foreign_answers.MAX_ANSWER_BYTES if endless else sys.maxsize

    def __iter__(self) -> Iterator[bytes]:
        come = before = 0
        until = time.monotonic() + SLOW_SECONDS
        for chunk in self._stream:
            come += len(chunk)
            if come > self._most:
                raise httpx2.DecodingError("it has no end")
            if (now := time.monotonic()) > until:
                if come - before < LEAST_BYTES_A_SECOND * SLOW_SECONDS:
                    raise httpx2.ReadTimeout("it hardly comes")
                before, until = come, now + SLOW_SECONDS
            yield chunk

    def close(self) -> None:
        self._stream.close()


def _limit_length(response: httpx2.Response) -> None:
    if not isinstance(response.stream, httpx2.SyncByteStream):
        return
    if response.has_redirect_location:  # the library reads what stands in it, which is of no use to anybody
        response.stream.close()
        response.stream = httpx2.ByteStream(b"")
    else:
        response.stream = _Limited(response.stream, endless="content-length" not in response.headers)
