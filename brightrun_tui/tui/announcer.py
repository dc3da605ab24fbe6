"""News while the app is open: toasts on every screen, the bell, the desktop, and progress in the terminal's title."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.domain.text import one_line
from brightrun_tui.notify.channel import Home
from brightrun_tui.notify.opening import NotifySettings, Opened, notify_settings, open_channels, send
from brightrun_tui.paths import Paths
from brightrun_tui.tui.snapshot import Snapshot

AT_ONCE = 3
"""Toasts that come together; of more only the number is said."""
_SEVERITIES = {Level.INFO: "information", Level.WARNING: "warning", Level.ERROR: "error"}
_WELCOME = (NewsKind.DONE, NewsKind.QUALITY)
"""Good news that covers a part of the screen for a while; all other that asks for nothing is only counted on the tab."""
_KEEP_TITLE, _TITLE_BEFORE = "\x1b[22;2t", "\x1b[23;2t"
"""The terminal's own stack of titles."""


class Teller(Protocol):
    """What the app does for it."""

    paths: Paths

    def bell(self) -> None:
        """Ring."""

    def write_terminal(self, sequence: str) -> None:
        """Send an escape sequence to the terminal itself."""

    def toast(self, message: str, *, title: str = "", severity: str = "information") -> None:
        """Show a short note."""


class Announcer:
    """Tells what is new since the picture before; what was there when the app opened is only counted."""

    def __init__(self, app: Teller) -> None:
        self._app = app
        try:
            self._settings = notify_settings(app.paths)
        except BrightrunError:  # among the problems
            self._settings = NotifySettings()
        self._told: int | None = None
        self._title = ""
        self._sending: set[asyncio.Task[str]] = set()

    @cached_property
    def _opened(self) -> Opened:
        """The channels: later than the app, which need not wait for them."""
        return open_channels(self._app.paths, Home.APP, self._app.bell, self._app.write_terminal)

    @property
    def problems(self) -> tuple[BrightrunError, ...]:
        """Channels that are configured and cannot be used, and why."""
        return self._opened.problems

    def look(self, snapshot: Snapshot) -> None:
        """Look for news, from within the event loop; nothing is waited for."""
        if not snapshot.loaded:
            return
        newest = snapshot.news[0].id if snapshot.news else 0
        fresh = [one for one in reversed(snapshot.news) if self._told is not None and one.id > self._told]
        self._told = max(newest, self._told or 0)
        if fresh:
            self._tell(fresh)
        if self._settings.title:
            self._show_title(title_of(snapshot))

    def close(self) -> None:
        """Give the terminal its title back."""
        if self._title:
            self._app.write_terminal(_TITLE_BEFORE)

    def _tell(self, fresh: Sequence[Notification]) -> None:
        if self._settings.toasts:
            loud = [one for one in fresh if one.level is not Level.INFO or one.kind in _WELCOME]
            for one in loud[-AT_ONCE:]:
                self._app.toast(one.message, title=one.subject, severity=_SEVERITIES[one.level])
            if len(loud) > AT_ONCE:
                self._app.toast(f"and {len(loud) - AT_ONCE} more: ! shows them")
        for name, channel in self._opened.channels.items():
            for one in fresh[-AT_ONCE:]:
                task = asyncio.create_task(send(name, channel, one))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    def _show_title(self, title: str) -> None:
        if title != self._title:
            keep = "" if self._title else _KEEP_TITLE
            self._title = title
            self._app.write_terminal(f"{keep}\x1b]2;{title}\x07")


def title_of(snapshot: Snapshot) -> str:
    """Write as ``61 % shop-faq``: the newest run that trains; how many others do."""
    training = [run for run in snapshot.runs if run.state == "running"]
    if not training:
        return "Bright Run"
    others = f" +{len(training) - 1}" if len(training) > 1 else ""
    return one_line(f"{humanize.percent(training[0].fraction)} {training[0].name}{others}")[:80]
