"""Mail, Slack, Teams, Discord, ntfy, webhooks …: whatever an address of the package apprise names.

Such an address holds the keys of the service, so it is a secret as a whole. Apprise is only imported to send or to look at one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import Notification
from brightrun_tui.domain.text import one_line
from brightrun_tui.redaction import keep_secret, redact

EXAMPLES = "https://github.com/caronc/apprise/wiki"
_TYPES = {Level.INFO: "info", Level.WARNING: "warning", Level.ERROR: "failure"}


class AppriseChannel:
    """Implements `channel.Channel`. ``name`` is what the person calls it. Raises `UsageError` as `kind_of`."""

    def __init__(self, name: str, url: str) -> None:
        kind_of(url, name)
        self._name, self._url = name, url

    async def send(self, notification: Notification) -> None:
        await asyncio.to_thread(self._send, notification)

    def _send(self, notification: Notification) -> None:
        title = f"Bright Run: {notification.subject}" if notification.subject else "Bright Run"
        with _Listening() as said:
            arrived = _opened(self._url).notify(
                body=notification.message, title=title, notify_type=_TYPES[notification.level]
            )
        if not arrived:
            raise BrightrunError(
                f"it was not taken{said.words()}",
                where=self._name,
                kind=ErrorKind.CHANNEL_FAILED,
                fix="look whether address and key still hold: brightrun notify test " + self._name,
            )


def kind_of(url: str, where: str = "") -> str:
    """Return what an address leads to, such as “Slack”; says nothing of its keys.

    Raises:
        UsageError: apprise does not know such an address.
    """
    hide(url)
    with _Listening():
        found = _opened(url)
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


def _opened(url: str) -> Any:
    """Return Apprise's own object for an address; None where it knows none such."""
    import apprise

    asset = apprise.AppriseAsset(app_id="Bright Run", app_desc="Bright Run", app_url="", secure_logging=True)
    return apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


class _Listening(logging.Handler):
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

    def __enter__(self) -> _Listening:
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
