"""The terminal's bell, which most terminals turn into a mark on their window."""

from __future__ import annotations

from collections.abc import Callable

from brightrun_tui.config import Section
from brightrun_tui.notify.channel import Channel, ChannelOpening, ChannelSpec, Home, Notification


class Bell:
    """Implements `channel.Channel`."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    async def send(self, notification: Notification) -> None:
        self._ring()


def _open(opening: ChannelOpening[Section]) -> Channel:
    return Bell(opening.ring)


CHANNEL = ChannelSpec(name="bell", gives="The bell of the terminal that the app is open in.", home=Home.APP, open=_open)
