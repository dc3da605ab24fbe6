"""Long work in a thread that says how far it is, and ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import TypeVar

from brightrun_tui.datasets.opening import Progress

T = TypeVar("T")

SAY_EVERY_SECONDS = 0.2


class StoppedError(Exception):
    """Nobody waits for this work any more."""


def overheard(say: Callable[[str], None], wanted: Callable[[], bool]) -> Progress:
    """Return a function by which work in a thread tells ``say`` in this loop how far it is.

    The work goes on whoever listens, until it is not ``wanted`` any more: then it ends with a `StoppedError`.
    """
    loop, said = asyncio.get_running_loop(), time.monotonic()

    def tell(what: str, share: float) -> None:
        nonlocal said
        if not wanted():
            raise StoppedError
        if time.monotonic() - said > SAY_EVERY_SECONDS:
            said = time.monotonic()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(say, f"{what} ({share:.0%})")

    return tell


async def told(work: Callable[[Progress], T], say: Callable[[str], None]) -> T:
    """Return what ``work`` makes in a thread. ``say`` hears here, some times a second, what it does; cancelling ends the
    work, too.
    """
    stopped, loop, said = Event(), asyncio.get_running_loop(), time.monotonic()

    def tell(what: str, share: float) -> None:
        nonlocal said
        if stopped.is_set():
            raise StoppedError
        if time.monotonic() - said > SAY_EVERY_SECONDS:
            said = time.monotonic()
            loop.call_soon_threadsafe(lambda: None if stopped.is_set() else say(f"{what} ({share:.0%})"))

    try:
        return await asyncio.to_thread(work, tell)
    finally:
        stopped.set()
