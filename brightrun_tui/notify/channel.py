"""What a notification channel is, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from brightrun_tui.config import Section

T = TypeVar("T", bound=Section)


class Level(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Notification:
    """One thing worth knowing about a run. ``code`` is machine-readable (``run_completed``, ``budget_alert`` …), ``message`` a
    sentence fit to be shown; ``time`` in seconds since the epoch.
    """

    run_id: str
    run_name: str
    code: str
    level: Level
    message: str
    time: float


class Home(StrEnum):
    """Which process sends."""

    APP = "app"
    """The app, for as long as it is open: it has the terminal."""
    ENGINE = "engine"
    """The background process: whether or not a terminal is open."""


class Channel(Protocol):
    """An open channel."""

    async def send(self, notification: Notification) -> None:
        """Deliver it, once. Whatever it raises is written to the log and delays nothing; so does taking longer than
        `notifier.SEND_SECONDS`.
        """
        ...


@dataclass(frozen=True)
class ChannelOpening(Generic[T]):
    """What a channel is opened with: its own table ``[notify.NAME]`` of the configuration, and in the app its terminal's bell."""

    settings: T
    ring: Callable[[], None]


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
        """As `plugins.Spec.flaw`."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", self.name) or self.name == "channels":
            return "its name should be lower-case letters, digits and underscores, at most 32"
        if not self.gives.strip():
            return "gives should say where it sends"
        if not isinstance(self.home, Home):
            return "its home should be a member of Home"
        if not (isinstance(self.settings, type) and issubclass(self.settings, Section)):
            return "its settings should be a subclass of brightrun_tui.config.Section"
        return ""
