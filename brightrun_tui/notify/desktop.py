"""Notifications of the desktop, by escape sequences that the terminal turns into them: through SSH, and through tmux.

OSC 9 is iTerm2's (Ghostty and WezTerm know it, too), OSC 777 that of rxvt, foot and VTE, OSC 99 kitty's.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field

from brightrun_tui.config import Section
from brightrun_tui.domain.notification import Notification
from brightrun_tui.domain.text import one_line
from brightrun_tui.notify.channel import Channel, ChannelOpening, ChannelSpec, Home
from brightrun_tui.process import environment_without_secrets

Escape = Literal["auto", "osc9", "osc777", "osc99", "none"]
TMUX_SECONDS = 2.0
_LONGEST = 200
_BY_NAME: tuple[tuple[str, Escape], ...] = (
    ("kitty", "osc99"),
    ("foot", "osc777"),
    ("rxvt", "osc777"),
    ("vte", "osc777"),
    ("linux", "none"),
    ("dumb", "none"),
)
"""By a part of what a terminal calls itself; every other one gets OSC 9, which those that do not know it leave alone."""


class DesktopSettings(Section):
    """``[notify.desktop]`` in ``config.toml``."""

    escape: Escape = Field("auto", description="Which sequence the terminal knows; auto goes by what it calls itself.")


class Desktop:
    """Implements `channel.Channel`."""

    def __init__(self, escape: Escape, write: Callable[[str], None]) -> None:
        self._wanted, self._write = escape, write

    async def send(self, notification: Notification) -> None:
        title = f"Bright Run: {notification.subject}" if notification.subject else "Bright Run"
        escape = self._wanted if self._wanted != "auto" else choose(await _called(), os.environ)
        if escape != "none":
            self._write(through(sequence(escape, title, notification.message, notification.id), os.environ))


def choose(called: str, environment: Mapping[str, str]) -> Escape:
    """Return the sequence for a terminal, by what it calls itself and by what it leaves in the environment."""
    if environment.get("KITTY_WINDOW_ID"):
        return "osc99"
    names = f"{called} {environment.get('TERM_PROGRAM', '')} {environment.get('LC_TERMINAL', '')}".lower()
    if environment.get("VTE_VERSION"):
        names += " vte"
    return next((escape for part, escape in _BY_NAME if part in names), "osc9")


def sequence(escape: Escape, title: str, message: str, number: int = 0) -> str:
    """Return the escape sequence. Nothing in the texts can end it or begin another one."""
    title, message = _inner(title), _inner(message)
    if escape == "osc777":
        return f"\x1b]777;notify;{title.replace(';', ',')};{message}\x1b\\"
    if escape == "osc99":
        return f"\x1b]99;i=brightrun{number}:d=0;{title}\x1b\\\x1b]99;i=brightrun{number}:p=body;{message}\x1b\\"
    return f"\x1b]9;{title}: {message}\x1b\\"


def through(sequence: str, environment: Mapping[str, str]) -> str:
    """Return the sequence as it gets through tmux (with ``allow-passthrough on``) or GNU screen to the terminal around it."""
    if environment.get("TMUX"):
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environment.get("STY"):
        return "".join(f"\x1bP{part}\x1b\\\\\x1b\\" for part in sequence.split("\x1b\\") if part)
    return sequence


def _inner(text: str) -> str:
    return one_line(text)[:_LONGEST]


async def _called() -> str:
    """Return what the terminal calls itself; within tmux that around it."""
    if not os.environ.get("TMUX") or shutil.which("tmux") is None:
        return os.environ.get("TERM", "")
    process = await asyncio.create_subprocess_exec(
        "tmux",
        "display-message",
        "-p",
        "#{client_termtype} #{client_termname}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment_without_secrets(),
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), TMUX_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""
    return said.decode("utf-8", "replace")


def _open(opening: ChannelOpening[DesktopSettings]) -> Channel:
    return Desktop(opening.settings.escape, opening.write)


CHANNEL = ChannelSpec(
    name="desktop",
    gives="Notifications of the desktop that the terminal with the app is on.",
    home=Home.APP,
    settings=DesktopSettings,
    open=_open,
)
