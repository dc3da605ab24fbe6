"""Blocking work in a thread that ends soon once nobody waits for it any longer: a thread cannot be cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from brightrun_tui.orchestrator.targets import Say

T = TypeVar("T")


class NobodyWaitsError(Exception):
    """Raised in the work, by the function that it tells its progress to."""


async def unless_cancelled(work: Callable[[Say], T], say: Say) -> T:
    """Return what ``work`` returns. Where the caller is cancelled, the next progress that the work tells ends it."""
    left = threading.Event()

    def tell(what: str) -> None:
        if left.is_set():
            raise NobodyWaitsError
        say(what)

    try:
        return await asyncio.to_thread(work, tell)
    finally:
        left.set()
