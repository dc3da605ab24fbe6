"""What a notification channel is, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from brightrun_tui.config import Section, flaw_of_settings
from brightrun_tui.domain.notices import Level as Level
from brightrun_tui.domain.notification import Notification as Notification
from brightrun_tui.domain.spec_names import flaw_of_name

T = TypeVar("T", bound=Section)


class Home(StrEnum):
    """Which process sends."""

    APP = "app"
    """The app, for as long as it is open: it has the terminal."""
    ENGINE = "engine"
    """The background process: whether or not a terminal is open."""


class Channel(Protocol):
    """An open channel."""

    async def send(self, notification: Notification) -> None:
        """Deliver it, once. Raising, or taking longer than `opening.SEND_SECONDS`, means that it has not arrived: the engine
        tries it again after growing pauses, the app does not. A `BrightrunError` is said as it is; nothing is delayed.
        """
        ...


@dataclass(frozen=True)
class ChannelOpening(Generic[T]):
    """What a channel is opened with: its own table ``[notify.NAME]`` of the configuration, and in the app its terminal's bell and
    what writes an escape sequence to it."""

    settings: T
    ring: Callable[[], None]
    write: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class ChannelSpec:
    """An entry point of ``brightrun.notifications``.

    Attributes:
        name: what people write into ``channels`` below ``[notify]``.
        gives: one sentence on where it sends.
        home: the process that opens it.
        open: the channel with its settings. Must not block.
        settings: the model of its table ``[notify.NAME]``.
    """

    name: str
    gives: str
    home: Home
    open: Callable[[ChannelOpening[Any]], Channel]
    settings: type[Section] = Section

    def flaw(self) -> str:
        """Do as `plugins.Spec.flaw`."""
        if flaw := flaw_of_name(self.name, joint="_"):
            return flaw
        if self.name == "channels":
            return "“channels” is the name of something else"
        if not self.gives.strip():
            return "gives should say where it sends"
        if not isinstance(self.home, Home):
            return "its home should be a member of Home"
        return flaw_of_settings(self.settings)
