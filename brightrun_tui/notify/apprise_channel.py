"""Mail, Slack, Teams, Discord, ntfy, webhooks …: whatever an address of the package apprise names.

Such an address holds the keys of the service, so it is a secret as a whole. Apprise is only imported to send or to look at one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import Notification
from brightrun_tui.domain.text import one_line
from brightrun_tui.process import environment_without_secrets, python
from brightrun_tui.redaction import keep_secret, redact

EXAMPLES = "https://github.com/caronc/apprise/wiki"
_TYPES = {Level.INFO: "info", Level.WARNING: "warning", Level.ERROR: "failure"}


class AppriseChannel:
    """Implements `channel.Channel`. ``name`` is what the person calls it. Raises `UsageError` as `kind_of`."""

    def __init__(self, name: str, url: str) -> None:
        kind_of(url, name)
        self._name, self._url = name, url

    async def send(self, notification: Notification) -> None:
        """In a process of its own, which ends with this call: a thread that waits for an answer could not be ended."""
        title = f"Bright Run: {notification.subject}" if notification.subject else "Bright Run"
        asked = {"url": self._url, "title": title, "body": notification.message, "type": _TYPES[notification.level]}
        sending = await asyncio.create_subprocess_exec(
            *python("-m", "brightrun_tui.notify.apprise_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment_without_secrets(),
            cwd="/",
        )
        try:
            assert sending.stdin is not None and sending.stdout is not None
            sending.stdin.write(json.dumps(asked).encode())
            sending.stdin.close()
            told = await sending.stdout.readline()
        finally:
            with suppress(ProcessLookupError):
                sending.kill()
            await sending.wait()
        answer = json.loads(told) if told else {"arrived": False, "why": ": the answer to it could not be read"}
        if not answer["arrived"]:
            raise BrightrunError(
                f"it was not taken{answer['why']}",
                where=self._name,
                kind=ErrorKind.CHANNEL_FAILED,
                fix="check that address and key are still valid: brightrun notify test " + self._name,
            )


def kind_of(url: str, where: str = "") -> str:
    """Return what an address leads to, such as “Slack”; says nothing of its keys.

    Raises:
        UsageError: apprise does not know such an address.
    """
    hide(url)
    with Listening():
        found = opened(url)
    if found is None:
        scheme = urlsplit(url).scheme
        raise UsageError(
            f"“{one_line(scheme)[:20]}://…” is not a whole address of a channel"
            if scheme
            else "that is not an address",
            where=where,
            kind=ErrorKind.BAD_CHANNEL,
            fix=f"as in ntfys://ntfy.sh/TOPIC or mailtos://USER:PASSWORD@example.com?to=YOU; all of them: {EXAMPLES}",
        )
    return one_line(str(found.service_name))


def hide(url: str) -> None:
    """Leave the address, and every part of it that may be a key, out of logs and errors from now on."""
    keep_secret(url)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        secrets = [parts.username, parts.password, *parts.path.split("/"), parts.query]
        secrets += [pair.partition("=")[2] for pair in parts.query.split("&")]
        secrets += [host] if "." not in host and ":" not in host and host != "localhost" else []
    except ValueError:
        return
    for secret in secrets:
        for form in {secret or "", unquote(secret or "")}:
            keep_secret(form)


def opened(url: str) -> Any:
    """Return Apprise's own object for an address; None where it knows none such. It follows no redirection, as keys in headers
    would go along, unless the address says ``redirect=yes``.
    """
    import apprise

    asset = apprise.AppriseAsset(
        app_id="Bright Run", app_desc="Bright Run", app_url="", secure_logging=True, http_redirects=False
    )
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


class Listening(logging.Handler):
    """What apprise says in this thread meanwhile: it answers yes or no, and tells its log why. No other log gets it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread, self._said = threading.get_ident(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._said.append(one_line(redact(record.getMessage())).strip())

    def words(self) -> str:
        """Return the first thing that was said, as the rest of a sentence."""
        return f": {self._said[0][:200].rstrip('.')}" if self._said else ""

    def __enter__(self) -> Listening:
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
