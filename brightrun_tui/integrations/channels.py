"""Channels that people have added: mail, Slack, ntfy … Where each leads is a credential, the rest stands in ``channels.toml``."""

from __future__ import annotations

import re
import time
from pathlib import Path

import tomlkit
from pydantic import BaseModel, ConfigDict, RootModel, field_validator

from brightrun_tui import plugins
from brightrun_tui.domain.disk import WRITABLE_HOME
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.domain.quiet_hours import is_quiet_hours
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, NoSuchFileError, fit, read_toml
from brightrun_tui.integrations import credentials
from brightrun_tui.notify.apprise_channel import AppriseChannel as AppriseChannel
from brightrun_tui.notify.apprise_channel import kind_of
from brightrun_tui.notify.opening import send
from brightrun_tui.paths import Paths
from brightrun_tui.plugins import Door

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
EXAMPLE = "as in ntfys://ntfy.sh/TOPIC"
EVERYTHING = tuple(NewsKind)


class SavedChannel(BaseModel):
    """One channel. ``service``: what it leads to, such as Slack; ``quiet``: hours in which it is silent, ``22:00-07:00``, by the
    clock of this machine; ``added_at``: seconds since the epoch, nothing from before is told.
    """

    model_config = ConfigDict(frozen=True)

    service: str = ""
    kinds: tuple[NewsKind, ...] = EVERYTHING
    quiet: str = ""
    added_at: float = 0.0

    @field_validator("quiet")
    @classmethod
    def _hours(cls, text: str) -> str:
        if not is_quiet_hours(text):
            raise ValueError("quiet hours are written as 22:00-07:00")
        return text.strip()


class SavedChannels(RootModel[dict[str, SavedChannel]]):
    """The file."""


def saved_channels(paths: Paths) -> dict[str, SavedChannel]:
    """Return the channels by name. Raises `UsageError` where the file does not fit."""
    path = _file(paths)
    try:
        return fit(read_toml(path), SavedChannels, str(path)).root
    except NoSuchFileError:
        return {}
    except ForeignFileError as error:
        raise UsageError(
            f"the list of channels {error.what}",
            where=str(path),
            fix="correct the file, or move it away and add them again",
            kind=ErrorKind.BAD_CONFIG,
        ) from None


def add_channel(
    paths: Paths, name: str, url: str, *, kinds: tuple[NewsKind, ...] = EVERYTHING, quiet: str = ""
) -> SavedChannel:
    """Keep a channel, or change the one of that name; an empty ``url`` leaves its address as it is. Blocking.

    Raises:
        UsageError: the name, the address or the hours do not fit.
        BrightrunError: it cannot be written.
    """
    if not _NAME.fullmatch(name) or name in plugins.names(Door.NOTIFICATIONS):
        raise UsageError(
            f"“{name}” is not a name for a channel",
            where="name",
            kind=ErrorKind.BAD_NAME,
            fix="use lower-case letters, digits and dashes, such as mail or team-chat",
        )
    if not is_quiet_hours(quiet):
        raise UsageError(
            f"“{quiet}” are not hours", where="quiet hours", kind=ErrorKind.BAD_CHANNEL, fix="write them as 22:00-07:00"
        )
    known = saved_channels(paths)
    before = known.get(name)
    if not url.strip() and before is None:
        raise UsageError("the address is missing", where=name, kind=ErrorKind.BAD_CHANNEL, fix=EXAMPLE)
    service = kind_of(url.strip(), name) if url.strip() else before.service if before else ""
    channel = SavedChannel(
        service=service, kinds=kinds or EVERYTHING, quiet=quiet, added_at=before.added_at if before else time.time()
    )
    if url.strip():
        credentials.keep(_credential(name), url.strip(), paths)
    _write(paths, {**known, name: channel})
    return channel


def remove_channel(paths: Paths, name: str) -> bool:
    """Forget a channel and its address; False when there is none of that name. Blocking. Raises as `add_channel`."""
    known = saved_channels(paths)
    forgotten = credentials.forget(_credential(name), paths)
    if known.pop(name, None) is None:
        return forgotten
    _write(paths, known)
    return True


def open_channel(paths: Paths, name: str) -> AppriseChannel:
    """Return the channel, ready to send. Blocking (keyring).

    Raises:
        UsageError: there is no channel of that name, or its address is not known any more.
    """
    url = credentials.kept(_credential(name), paths) if name in saved_channels(paths) else ""
    if not url:
        raise UsageError(
            f"there is no channel “{name}”",
            kind=ErrorKind.UNKNOWN_CHANNEL,
            fix=f"one of: {', '.join(saved_channels(paths))}" if saved_channels(paths) else "brightrun notify add NAME",
        )
    return AppriseChannel(name, url)


async def try_channel(name: str, channel: AppriseChannel) -> str:
    """Send a word to see whether it arrives; why it does not, or "". Raises nothing."""
    words = "this is how news of your runs will look"
    return await send(name, channel, Notification("", "", "test", Level.INFO, words, time.time(), NewsKind.DONE))


def kinds_of(text: str) -> tuple[NewsKind, ...]:
    """Parse kinds as people type them, separated by commas; every kind where nothing is typed. Raises `UsageError`."""
    words = [word for word in text.replace(",", " ").split() if word != "everything"]
    if unknown := [word for word in words if word not in set(NewsKind)]:
        raise UsageError(
            f"there is no kind of news “{unknown[0]}”",
            where="what it tells",
            kind=ErrorKind.BAD_CHANNEL,
            fix=f"some of: {', '.join(NewsKind)}",
        )
    return tuple(NewsKind(word) for word in words) or EVERYTHING


def _credential(name: str) -> str:
    return f"notify/{name}"


def _write(paths: Paths, channels: dict[str, SavedChannel]) -> None:
    document = {name: channel.model_dump(mode="json") for name, channel in channels.items()}
    try:
        private_directory(paths.config)
        write_atomic(_file(paths), tomlkit.dumps(document), mode=0o600)
    except OSError as error:
        raise BrightrunError(
            f"the channel cannot be saved ({error.strerror})",
            where=str(_file(paths)),
            fix=WRITABLE_HOME,
            kind=ErrorKind.HOME_NOT_WRITABLE,
        ) from None


def _file(paths: Paths) -> Path:
    return paths.config / "channels.toml"
