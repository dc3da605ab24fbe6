"""A language model elsewhere that compares answers: any address that talks as OpenAI's does.

``[judge]`` in config.toml says where and which; its key is the credential of the service “judge”. Both are used by this
machine only, never by a run.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from brightrun_tui import foreign_answers
from brightrun_tui.config import Section, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.service_names import JUDGE
from brightrun_tui.domain.text import one_line
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import Paths
from brightrun_tui.providers.amounts import quantity

if TYPE_CHECKING:
    import httpx

TRIES = 4
FAR_SECONDS, NEAR_SECONDS = 60.0, 600.0
"""The longest that an answer is waited for, unless it is set."""
LONGEST_WAIT_SECONDS = 30.0
_OPTIONS: dict[str, Any] = {"temperature": 0, "max_tokens": 512, "response_format": {"type": "json_object"}}
"""Asked for, and left out from then on where the server refuses one: not every model takes them."""


class JudgeSettings(Section):
    """``[judge]``: who compares answers."""

    url: str = Field("", description="Base address, as https://api.openai.com/v1.")
    model: str = Field("", description="The model's name there.")
    automatic: bool = Field(False, description="Ask it about every new model.")
    timeout_seconds: float | None = Field(
        None, gt=0, description="For one answer. Default: 60, and 600 for a judge nearby, which may have no GPU."
    )
    parallel: int = Field(4, ge=1, le=32, description="Questions under way at once.")


@dataclass(frozen=True)
class Said:
    """One answer; tokens are 0 and the cost is None where the server does not tell them."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None


def judge_settings(paths: Paths, *, url: str = "", model: str = "") -> JudgeSettings:
    """Return the configured judge, with ``url`` and ``model`` in its place where they are given.

    Raises:
        UsageError: there is none, or the address is not a base address of an API.
    """
    found = load_section(paths, JUDGE, JudgeSettings)
    found = found.model_copy(update={"url": url or found.url, "model": model or found.model})
    if not found.url or not found.model:
        raise UsageError(
            f"no judge is set up: its {'model' if found.url else 'address'} is missing",
            where="[judge]",
            fix=f"give --url and --model, or write url and model below [judge] in {paths.config_file}",
            kind=ErrorKind.NO_JUDGE,
        )
    return found.model_copy(update={"url": _base_address(found.url)})


def judge_key(paths: Paths, url: str) -> SecretStr | None:
    """Return the key for the judge at ``url``, if there is one. A saved key goes to the configured address only. Blocking.

    Raises:
        BrightrunError: the keyring refuses.
    """
    if credentials.where(JUDGE, paths) == "environment":
        return credentials.get(JUDGE, paths)
    configured = load_section(paths, JUDGE, JudgeSettings).url
    same = not configured or urlsplit(configured).hostname == urlsplit(url).hostname
    return credentials.get(JUDGE, paths) if same else None


def host_of(url: str) -> str:
    """Return host, and port where it is an unusual one."""
    return urlsplit(url).netloc


def is_near(url: str) -> bool:
    """Say whether the address is this machine or a private network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_private or address.is_loopback


class Judge:
    """Asks one model. Use as ``async with``.

    Raises:
        UsageError: the key would travel unprotected.
    """

    def __init__(self, settings: JudgeSettings, key: SecretStr | None) -> None:
        import httpx

        near = is_near(settings.url)
        self._seconds = settings.timeout_seconds or (NEAR_SECONDS if near else FAR_SECONDS)

        if key is not None and urlsplit(settings.url).scheme == "http" and not near:
            raise UsageError(
                "the key would travel unprotected",
                where=settings.url,
                kind=ErrorKind.UNPROTECTED_KEY,
                fix="use an address that begins with https://",
            )
        self.settings = settings
        self.host = host_of(settings.url)
        self._key = key
        self._options = dict(_OPTIONS)
        authorized = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        timeout = httpx.Timeout(self._seconds, connect=min(10.0, self._seconds))
        self._http = httpx.AsyncClient(
            headers=authorized | foreign_answers.PLAIN_HEADERS,
            follow_redirects=False,
            trust_env=not near,
            timeout=timeout,
        )

    async def __aenter__(self) -> Judge:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def ask(self, messages: Sequence[dict[str, str]]) -> Said:
        """Return the model's answer to ``messages`` ({"role", "content"}).

        Raises:
            NotConnectedError: the key is refused, or nobody can be reached.
            BrightrunError: it refuses the question, keeps being busy, or does not talk as OpenAI's API does.
        """
        tries = 0
        while True:
            options = dict(self._options)
            reply = await self._send(
                "POST", "chat/completions", {"model": self.settings.model, "messages": list(messages), **options}
            )
            if reply.status_code in (400, 422) and self._can_do_without(reply, options):
                continue
            tries += 1
            wait = _patience(reply, tries)
            if wait is None:
                return _read(self._accepted(reply), self.host)
            await asyncio.sleep(wait)

    async def models(self) -> list[str]:
        """Return names of the models there; empty where the server does not list them. Costs nothing. Raises as `ask`."""
        reply = await self._send("GET", "models", None)
        if reply.status_code in (404, 405):
            return []
        document = self._accepted(reply)
        listed = document.get("data")
        return [str(entry.get("id")) for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        import httpx

        try:
            return await foreign_answers.request(
                self._http, method, f"{self.settings.url}/{path}", seconds=self._seconds, json=body
            )
        except httpx.TimeoutException:
            raise NotConnectedError(
                f"the judge gives no answer within {humanize.span(self._seconds)}",
                where=self.host,
                fix="try again later, or raise timeout_seconds below [judge]",
                kind=ErrorKind.JUDGE_SILENT,
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotConnectedError(
                f"the judge cannot be reached ({type(error).__name__})",
                where=self.host,
                fix="check the address and the network",
                kind=ErrorKind.JUDGE_UNREACHABLE,
            ) from None

    def _can_do_without(self, reply: httpx.Response, sent: dict[str, Any]) -> bool:
        """Leave out the options that the server complains about, or all; False when the question had none."""
        message = self._message(reply)
        complained = [name for name in sent if name in message] or list(sent)
        for name in complained:
            self._options.pop(name, None)
        return bool(sent)

    def _accepted(self, reply: httpx.Response) -> dict[str, Any]:
        """Return the JSON object of a good answer; anything else becomes an error in words."""
        status = reply.status_code
        if status in (401, 403):
            fix = (
                "save the right one: brightrun connect judge"
                if self._key
                else "save its key: brightrun connect judge (or BRIGHTRUN_JUDGE_KEY)"
            )
            raise NotConnectedError(
                f"the judge {'refuses this key' if self._key else 'wants a key'} ({status})",
                where=self.host,
                fix=fix,
                kind=ErrorKind.BAD_CREDENTIAL,
            )
        message = self._message(reply)
        if status == 429:
            raise BrightrunError(
                f"the judge takes no more questions ({message or 'too many requests'})",
                where=self.host,
                fix="wait, or look at the account's limits there",
                kind=ErrorKind.JUDGE_BUSY,
            )
        if status == 404:
            raise UsageError(
                f"there is no such model or address ({message or 404})",
                where=f"{self.host}: {self.settings.model}",
                kind=ErrorKind.JUDGE_NOT_FOUND,
                fix="check model and url; the address usually ends with /v1",
            )
        if not reply.is_success:
            raise BrightrunError(
                f"the judge does not answer ({status} {message})".replace(" )", ")"),
                where=self.host,
                fix="check model and url, or try again later",
                kind=ErrorKind.JUDGE_FAILED,
            )
        document = _json(reply)
        if not isinstance(document, dict):
            raise _unlike_openai(self.host)
        return document

    def _message(self, reply: httpx.Response) -> str:
        """Return what the server says about a refusal: one short line, and never the key."""
        document = _json(reply)
        error = document.get("error", document) if isinstance(document, dict) else {}
        text = error.get("message") or error.get("detail") if isinstance(error, dict) else error
        line = " ".join(str(text or "").split())
        secret = self._key.get_secret_value() if self._key else ""
        return one_line(line.replace(secret, "…") if secret else line)[:200]


def _read(document: dict[str, Any], host: str) -> Said:
    try:
        content = document["choices"][0]["message"].get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise _unlike_openai(host) from None
    usage = document.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Said(
        content if isinstance(content, str) else "",
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        quantity(usage.get("cost")),
    )


def _count(value: Any) -> int:
    return int(quantity(value) or 0)


def _unlike_openai(host: str) -> BrightrunError:
    return BrightrunError(
        "this address does not answer as OpenAI's API does",
        where=host,
        kind=ErrorKind.JUDGE_NOT_OPENAI,
        fix="give the base address of an OpenAI-compatible API; it usually ends with /v1",
    )


def _json(reply: httpx.Response) -> Any:
    try:
        return foreign_answers.decoded(reply.content)
    except ValueError:
        return None


def _patience(reply: httpx.Response, tries: int) -> float | None:
    """Return seconds until the question is worth asking again, or None."""
    if (
        tries >= TRIES
        or not (reply.status_code == 429 or reply.status_code >= 500)
        or b"insufficient_quota" in reply.content
    ):
        return None
    asked = reply.headers.get("Retry-After", "")
    wait = float(asked) if asked.isascii() and asked.replace(".", "", 1).isdigit() else 0.5 * 2**tries
    return wait if wait <= LONGEST_WAIT_SECONDS else None


def _base_address(text: str) -> str:
    """Return ``text`` as the address that ``/chat/completions`` is appended to. Raises `UsageError`."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password or parts.query:
        raise UsageError(
            "this is not an address of a judge: no user, password or question in it",
            where="[judge] url",
            fix="write it as https://api.openai.com/v1; its key is saved with: brightrun connect judge",
            kind=ErrorKind.BAD_JUDGE_URL,
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path or '/v1'}"
