"""Whether a process that should answer still does: one that hangs is as bad as one that has died, and does not end by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LOOK_EVERY_SECONDS = 5.0
ANSWER_SECONDS = 15.0
"""Its health is asked beside all other questions, and answered at once even where these wait for one another."""
MOST_MISSES = 2


async def until_ended_or_hung(
    process: asyncio.subprocess.Process,
    answers: Callable[[float], Awaitable[bool]],
    *,
    every: float = LOOK_EVERY_SECONDS,
    within: float = ANSWER_SECONDS,
    misses: int = MOST_MISSES,
) -> int | None:
    """Return its exit code once it has ended; None once it has left ``misses`` questions in a row unanswered.

    ``answers`` asks it, waits for so many seconds at most, and says whether it answered.
    """
    ending = asyncio.create_task(process.wait())
    missed = 0
    try:
        while True:
            await asyncio.wait([ending], timeout=every)
            if ending.done():
                return ending.result()
            alive = await answers(within)
            if ending.done():
                return ending.result()
            missed = 0 if alive else missed + 1
            if missed == misses:
                return None
    finally:
        ending.cancel()
