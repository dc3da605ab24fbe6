"""What people ask of a run while it is being driven."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace

from brightrun_tui.domain.run import Run, RunChanges
from brightrun_tui.orchestrator.lifecycle import Decision, Signal

ENDINGS: tuple[Signal, ...] = ("stop_asked", "force_asked")


@dataclass
class RunCommand:
    """What a person asked of a run, and where the answer goes. ``number``: of the request; 0 where there was none."""

    signal: Signal
    number: int = 0
    answer: asyncio.Future[Run] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def grant(self, run: Run) -> None:
        if not self.answer.done():
            self.answer.set_result(run)

    def was_granted(self, run: Run) -> bool:
        """Say whether an engine that died before it could answer has done it: it is answered then, and not done twice."""
        return bool(self.number) and run.granted == self.number

    def noted_in(self, decision: Decision) -> Decision:
        """Return the decision that grants it, with which that is put on record."""
        changes: RunChanges = {**decision.changes, "granted": self.number} if self.number else decision.changes
        return replace(decision, changes=changes)

    def refuse(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class RunCommands:
    """A queue that can be listened to without taking anything out of it."""

    def __init__(self) -> None:
        self._waiting: deque[RunCommand] = deque()
        self._heard = asyncio.Event()

    def add(self, command: RunCommand) -> None:
        self._waiting.append(command)
        self._heard.set()

    def first(self) -> RunCommand | None:
        return self._waiting[0] if self._waiting else None

    def take(self) -> RunCommand | None:
        command = self._waiting.popleft() if self._waiting else None
        if not self._waiting:
            self._heard.clear()
        return command

    def put_back(self, command: RunCommand) -> None:
        """Put it back as the next one: it could not be answered yet."""
        self._waiting.appendleft(command)
        self._heard.set()

    async def heard(self, seconds: float) -> bool:
        """Wait until there is one, for so long at most. Returns whether there is."""
        try:
            await asyncio.wait_for(self._heard.wait(), seconds)
        except TimeoutError:
            return False
        return True
