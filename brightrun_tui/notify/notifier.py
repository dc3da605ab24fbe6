"""Who tells the channels: one in the engine, one in the app, each with the channels that are at home there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from brightrun_tui import plugins
from brightrun_tui.config import Section, load_section
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.run import Run
from brightrun_tui.notify.channel import Channel, ChannelOpening, ChannelSpec, Home, Notification
from brightrun_tui.notify.news import news
from brightrun_tui.paths import Paths
from brightrun_tui.plugins import Blame, Door

log = logging.getLogger(__name__)

SEND_SECONDS = 20.0
"""A channel that takes longer for one notification is not waited for."""
CLOSE_SECONDS = 3.0


class NotifySettings(Section):
    """``[notify]`` of config.toml."""

    channels: tuple[str, ...] = ("bell",)


class Notifier:
    """Remembers what was seen of each run, and tells what is new. It never raises, and nobody waits for it.

    Attributes:
        problems: channels that are wished for and cannot be used, and why.
    """

    def __init__(self, paths: Paths, home: Home, ring: Callable[[], None] = lambda: None) -> None:
        self.problems: list[BrightrunError] = []
        self._channels: dict[str, Channel] = {}
        self._seen: dict[str, Run] = {}
        self._sending: set[asyncio.Task[None]] = set()
        for name in self._wished(paths):
            try:
                self._open(name, paths, home, ring)
            except BrightrunError as error:
                log.warning("notifications: %s", error)
                self.problems.append(error)

    def know(self, runs: Iterable[Run]) -> None:
        """This is how the runs are: nothing of it is news."""
        self._seen.update((run.id, run) for run in runs)

    def look(self, run: Run) -> None:
        """Tell what is new about a run. From within an event loop."""
        before = self._seen.get(run.id)
        if before is run:
            return
        self._seen[run.id] = run
        for one in news(before, run):
            for name, channel in self._channels.items():
                task = asyncio.create_task(self._send(name, channel, one))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Give what is on its way a moment to arrive."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=CLOSE_SECONDS)

    def _wished(self, paths: Paths) -> tuple[str, ...]:
        try:
            return load_section(paths, "notify", NotifySettings, nested=plugins.claimed(Door.NOTIFICATIONS)).channels
        except BrightrunError as error:
            self.problems.append(error)
            return ()

    def _open(self, name: str, paths: Paths, home: Home, ring: Callable[[], None]) -> None:
        spec = plugins.load(Door.NOTIFICATIONS, ChannelSpec, name)
        if spec is None:
            raise UsageError(
                f"there is no notification channel “{name}”",
                where=f"{paths.config_file}: [notify] channels",
                fix=f"known: {', '.join(plugins.names(Door.NOTIFICATIONS))}",
                kind=ErrorKind.UNKNOWN_CHANNEL,
            )
        if spec.home is home:
            settings = load_section(paths, f"notify.{name}", spec.settings)
            with Blame(Door.NOTIFICATIONS, name):
                self._channels[name] = spec.open(ChannelOpening(settings, ring))

    async def _send(self, name: str, channel: Channel, notification: Notification) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await channel.send(notification)
        except Exception as error:  # of whatever class: it is a stranger's, and no run depends on it
            log.warning("notification channel %s: %s was not sent", name, notification.code, exc_info=error)
