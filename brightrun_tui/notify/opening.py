"""Which channels there are, as `config.toml` says, and one way to use any of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from brightrun_tui import plugins
from brightrun_tui.config import Section, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.notification import Notification
from brightrun_tui.notify.channel import Channel, ChannelOpening, ChannelSpec, Home
from brightrun_tui.paths import Paths
from brightrun_tui.plugins import Blame, Door

log = logging.getLogger(__name__)

SEND_SECONDS = 20.0
"""A channel that takes longer for one notification is not waited for."""


class NotifySettings(Section):
    """``[notify]`` of config.toml."""

    channels: tuple[str, ...] = ("bell", "desktop")
    toasts: bool = Field(True, description="Short notes in the app, whatever screen is shown.")
    title: bool = Field(True, description="Progress in the title of the terminal's window.")


@dataclass(frozen=True)
class Opened:
    """Channels by name, and why those are missing that are configured and cannot be used."""

    channels: dict[str, Channel]
    problems: tuple[BrightrunError, ...] = ()


def notify_settings(paths: Paths) -> NotifySettings:
    """Return ``[notify]``. Raises `UsageError`."""
    return load_section(paths, "notify", NotifySettings, nested=lambda: plugins.claimed(Door.NOTIFICATIONS))


def open_channels(
    paths: Paths, home: Home, ring: Callable[[], None] = lambda: None, write: Callable[[str], None] = lambda _: None
) -> Opened:
    """Return those of ``[notify] channels`` that are at home in this process. Raises nothing."""
    channels: dict[str, Channel] = {}
    problems: list[BrightrunError] = []
    try:
        configured = notify_settings(paths).channels
    except BrightrunError as error:
        return Opened({}, (error,))
    for name in configured:
        try:
            spec = plugins.require(
                Door.NOTIFICATIONS,
                ChannelSpec,
                name,
                where=f"{paths.config_file}: [notify] channels",
                reason=ErrorKind.UNKNOWN_CHANNEL,
            )
            if spec.home is home:
                settings = load_section(paths, f"notify.{name}", spec.settings)
                with Blame(Door.NOTIFICATIONS, name):
                    channels[name] = spec.open(ChannelOpening(settings, ring, write))
        except BrightrunError as error:
            log.warning("notifications: %s", error)
            problems.append(error)
    return Opened(channels, tuple(problems))


async def send(name: str, channel: Channel, notification: Notification) -> str:
    """Deliver one. Returns why it has not arrived, in words fit to be shown; "" when it has. Raises nothing."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await channel.send(notification)
    except BrightrunError as error:
        return f"{error.what}; {error.fix}" if error.fix else error.what
    except TimeoutError:
        return f"no answer within {humanize.span(SEND_SECONDS)}"
    except Exception as error:  # of whatever class: it is a stranger's, and no run depends on it
        log.warning("notification channel %s: %s was not sent", name, notification.code, exc_info=error)
        return f"it failed ({type(error).__name__}; the log has more)"
    return ""
