"""The one way to a provider's HTTP API: paced, bounded, never asked twice for what may only happen once.

Nothing that carries a secret is logged or put into an error: neither headers nor bodies, only method, path and status.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import Field

from brightrun_tui import __version__, foreign_answers
from brightrun_tui.config import Section
from brightrun_tui.domain.error_kinds import ErrorKind, retry_helps
from brightrun_tui.domain.errors import (
    BadCredentialError,
    EdgeBlockedError,
    MissingScopeError,
    ProviderDownError,
    ProviderError,
    RateLimitedError,
    RejectedRequestError,
    UnclearError,
)
from brightrun_tui.domain.service_keys import PART_OF_KEY
from brightrun_tui.providers.amounts import quantity

log = logging.getLogger(__name__)

USER_AGENT = f"bright-run/{__version__}"
EDGE_CODE = "error code: 1010"
MARGIN = 1.1
"""Over the provider's own least distance: requests do not arrive as evenly as they are sent."""
_SECRET = re.compile(rf"{PART_OF_KEY}|\b[0-9a-f]{{40,}}\b")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
_EXHAUSTED = re.compile(r"r=0;t=(\d+)")


class ProviderTimings(Section):
    """``[providers]`` in ``config.toml``. Seconds, except ``pace`` and ``tries``."""

    pace: float = Field(1.0, ge=0, description="Scale of the least time between two requests of one kind; 0: none.")
    timeout_seconds: float = Field(30.0, gt=0, description="For an answer to a question.")
    create_seconds: float = Field(120.0, gt=0, description="For an answer to a create call, which may be slow.")
    tries: int = Field(4, ge=1, description="Requests at most for a question that failed, the first included.")
    backoff_seconds: float = Field(1.0, ge=0, description="Before the second try; doubled before each further one.")
    longest_wait_seconds: float = Field(60.0, ge=0, description="A provider that asks for more patience gets an error.")
    offers_seconds: float = Field(120.0, ge=0, description="How long found offers are kept; searches are rationed.")


_ASKING = frozenset(
    ("check", "offers", "launch", "inspect", "list_ours", "list_others", "terminate", "resume", "billed", "workers")
)


class AsksOverHttp:
    """Base of providers with an HTTP API: whatever an answer looks like, what asks for it raises nothing but its typed errors.

    An answer in which something has another form than it ever had is an answer that cannot be read.
    """

    _client: ProviderClient

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for name in _ASKING & cls.__dict__.keys():
            setattr(cls, name, _reading(cls.__dict__[name]))


def _reading(ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(ask)
    async def asking(self: AsksOverHttp, *arguments: Any, **named: Any) -> Any:
        try:
            return await ask(self, *arguments, **named)
        except foreign_answers.NONSENSE as error:
            log.debug("%s: an answer of another form", self._client.service, exc_info=error)
            raise self._client.unreadable("an answer of another form", creating=ask.__name__ == "launch") from None

    return asking


class NotFoundError(ProviderError):
    """The provider says, in its own form, that there is no such thing."""


@dataclass(frozen=True)
class FailedReply:
    """An answer with a status of 400 or more, or a refusal in disguise. ``document`` is None when it is not a JSON object."""

    status: int
    text: str
    document: dict[str, Any] | None
    headers: Mapping[str, str]
    creating: bool


Classify = Callable[[FailedReply], ProviderError | None]
"""The provider's own reading of a refusal; None leaves it to the general rules."""


class ProviderClient:
    """One provider's HTTP API.

    Args:
        service: the provider's name for people.
        least_seconds: per kind of request, the least time between two of them.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        token: str,
        classify: Classify,
        *,
        timings: ProviderTimings,
        least_seconds: Mapping[str, float],
    ) -> None:
        self.service = service
        self.timings = timings
        self._token = token
        self._classify = classify
        self._least = least_seconds
        self._next: dict[str, float] = {}
        self._pause_until = 0.0
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            timeout=timings.timeout_seconds,
            follow_redirects=False,
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Authorization": f"Bearer {token}",
                **foreign_answers.PLAIN_HEADERS,
            },
        )

    async def ask(
        self, method: str, path: str, *, kind: str, params: dict[str, str] | None = None, body: Any = None
    ) -> Any:
        """Send a request that may be repeated without harm; the decoded answer, None when it is empty.

        Raises:
            ProviderError: its subclasses; after at most ``tries`` requests.
        """
        for attempt in range(1, self.timings.tries + 1):
            try:
                return await self._request(method, path, kind=kind, params=params, body=body, creating=False)
            except (ProviderDownError, RateLimitedError) as error:
                wait = self._patience(error, attempt)
                if wait is None:
                    raise
                log.info("%s: %s; again in %.1f s", self.service, error.what, wait)
                await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last try raises")

    async def create(self, method: str, path: str, *, kind: str, body: Any) -> Any:
        """Send a request that makes something: once and never again.

        Raises:
            UnclearError: it may have taken effect.
            ProviderError: it has not.
        """
        return await self._request(method, path, kind=kind, params=None, body=body, creating=True)

    async def may_change(self, method: str, path: str, *, kind: str, body: Any = None) -> None:
        """Require that the key may change things, by asking for a change of something that does not exist.

        Raises:
            MissingScopeError: it reads, but cannot rent.
        """
        try:
            await self.ask(method, path, kind=kind, body=body)
        except MissingScopeError as error:
            raise MissingScopeError(
                "the API key reads, but cannot rent or return machines",
                where=self.service,
                fix=error.fix,
                kind=ErrorKind.READ_ONLY_KEY,
            ) from None
        except (NotFoundError, RejectedRequestError):
            return

    async def close(self) -> None:
        await self._http.aclose()

    def unreadable(self, reason: str, *, creating: bool = False) -> ProviderError:
        """Return the error for an answer that arrived and makes no sense."""
        if creating:
            return UnclearError(
                f"{self.service} gave no clear answer ({reason})",
                where=self.service,
                kind=ErrorKind.UNCLEAR,
                fix="the machine is looked for by name before anything else is done",
            )
        return ProviderDownError(
            f"{self.service} does not answer as it should ({reason})",
            where=self.service,
            fix="try again in a few minutes",
            kind=ErrorKind.PROVIDER_DOWN,
        )

    def scrub(self, text: str) -> str:
        """Return text of the provider, cut short and without anything that looks like a key."""
        text = text.replace(self._token, "…") if self._token else text
        return _SECRET.sub("…", " ".join(text.split()))[:200]

    async def _request(
        self, method: str, path: str, *, kind: str, params: dict[str, str] | None, body: Any, creating: bool
    ) -> Any:
        await self._pace(kind)
        seconds = self.timings.create_seconds if creating else self.timings.timeout_seconds
        try:
            response = await foreign_answers.request(
                self._http,
                method,
                path.lstrip("/"),
                seconds=seconds,
                params=params,
                json=body,
                timeout=httpx.Timeout(seconds, connect=min(seconds, 15.0)),
            )
        except _NEVER_SENT as error:
            raise ProviderDownError(
                f"{self.service} cannot be reached ({type(error).__name__})",
                where=self.service,
                fix="check this machine's network, or try again later",
                kind=ErrorKind.PROVIDER_DOWN,
            ) from None
        except httpx.HTTPError as error:
            raise self.unreadable(type(error).__name__, creating=creating) from None
        finally:
            self._next[kind] = max(self._next[kind], time.monotonic() + self._distance(kind))
        log.debug(
            "%s %s %s → %s (%s)",
            self.service,
            method,
            path,
            response.status_code,
            response.headers.get("x-request-id", "-"),
        )
        if exhausted := _EXHAUSTED.search(response.headers.get("RateLimit", "")):
            self._pause_until = time.monotonic() + min(float(exhausted[1]), self.timings.longest_wait_seconds)
        return self._decode(response, creating)

    def _decode(self, response: httpx.Response, creating: bool) -> Any:
        document: Any = None
        readable = not response.content
        if response.content:
            try:
                document, readable = foreign_answers.decoded(response.content), True
            except ValueError:
                document = None
        if response.is_success:
            if not readable or (creating and document is None):
                raise self.unreadable(f"{response.status_code}, not JSON", creating=creating)
            if isinstance(document, dict) and document.get("success") is False:
                raise self._failure(response, document, creating)
            return document
        raise self._failure(response, document if isinstance(document, dict) else None, creating)

    def _failure(self, response: httpx.Response, document: dict[str, Any] | None, creating: bool) -> ProviderError:
        reply = FailedReply(response.status_code, response.text, document, response.headers, creating)
        if reply.status == 403 and "1010" in reply.text and document is None:
            return EdgeBlockedError(
                f"{self.service}'s edge network refuses this machine (403, {EDGE_CODE})",
                where=self.service,
                fix="the key may be good: try from another network, or ask their support",
                kind=ErrorKind.EDGE_BLOCKED,
            )
        own = self._classify(reply)
        if own is not None:
            return own
        if reply.status == 429:
            return RateLimitedError(
                f"{self.service} says: too many requests",
                where=self.service,
                kind=ErrorKind.RATE_LIMITED,
                fix="wait a minute and try again",
                retry_after=quantity(reply.headers.get("Retry-After")),
            )
        if reply.status == 401:
            return BadCredentialError(
                f"{self.service} does not accept this API key",
                where=self.service,
                fix=f"make a new key there, then: brightrun connect {self.service.split('.')[0].lower()}",
                kind=ErrorKind.BAD_CREDENTIAL,
            )
        if reply.status == 404 and document is not None and not creating:
            return NotFoundError(f"{self.service} does not know it", where=self.service, kind=ErrorKind.NOT_FOUND)
        reason = (
            self.scrub(str((document or {}).get("detail") or (document or {}).get("msg") or ""))
            or response.reason_phrase
        )
        return self.unreadable(f"{reply.status} {reason}".strip(), creating=creating)

    def _patience(self, error: ProviderError, attempt: int) -> float | None:
        """Say how long to wait before the next try, or None when there is none."""
        if attempt >= self.timings.tries or not retry_helps(error.kind):
            return None
        wait: float = self.timings.backoff_seconds * 2 ** (attempt - 1)
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        return wait if wait <= self.timings.longest_wait_seconds else None

    async def _pace(self, kind: str) -> None:
        """Keep the least distance to the last request of this kind; several callers queue up."""
        now = time.monotonic()
        turn = max(now, self._next.get(kind, 0.0), self._pause_until)
        self._next[kind] = turn + self._distance(kind)
        if turn > now:
            await asyncio.sleep(turn - now)

    def _distance(self, kind: str) -> float:
        return self._least.get(kind, 0.0) * self.timings.pace * MARGIN
