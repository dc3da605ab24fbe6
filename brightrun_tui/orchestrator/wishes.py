"""What people ask of a run while it is being driven."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator.lifecycle import Signal

ENDINGS: tuple[Signal, ...] = ("stop_asked", "force_asked")


@dataclass
class Wish:
    """What a person asked of a run, and where the answer goes."""

    signal: Signal
    answer: asyncio.Future[Run] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def grant(self, run: Run) -> None:
        if not self.answer.done():
            self.answer.set_result(run)

    def refuse(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Wishes:
    """A queue that can be listened to without taking anything out of it."""

    def __init__(self) -> None:
        self._waiting: deque[Wish] = deque()
        self._heard = asyncio.Event()

    def add(self, wish: Wish) -> None:
        self._waiting.append(wish)
        self._heard.set()

    def first(self) -> Wish | None:
        return self._waiting[0] if self._waiting else None

    def take(self) -> Wish | None:
        wish = self._waiting.popleft() if self._waiting else None
        if not self._waiting:
            self._heard.clear()
        return wish

    def put_back(self, wish: Wish) -> None:
        """It could not be answered yet, and is the next one again."""
        self._waiting.appendleft(wish)
        self._heard.set()

    async def heard(self, seconds: float) -> bool:
        """Wait until there is one, for so long at most. Returns whether there is."""
        try:
            await asyncio.wait_for(self._heard.wait(), seconds)
        except TimeoutError:
            return False
        return True
