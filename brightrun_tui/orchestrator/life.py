"""Whether a worker lives: it says something, or it uses its machine. And how long one that is to end is waited for."""

from __future__ import annotations

import asyncio
import time

from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator.effort import Effort
from brightrun_tui.orchestrator.targets import Target
from brightrun_tui.orchestrator.timings import EngineTimings

ASK_SECONDS = 2.0
"""How long is waited for what a worker has used of its machine; one that needs longer is asked on while all else goes on."""
TOLD_SECONDS = 2.0
"""A person who asked for an end is told what is being waited for from then on."""


class Life:
    """When a worker last showed life. What it says of the hardware does not count: that comes from a thread of its own."""

    def __init__(self, target: Target, timings: EngineTimings) -> None:
        self._target = target
        self._look_seconds = min(5.0, timings.answer_seconds / 4)
        self._said: object = None
        self._effort: Effort | None = None
        self._asking: asyncio.Task[Effort | None] | None = None
        self._looked_at = self._sign_at = time.monotonic()

    async def silent_seconds(self, run: Run) -> float:
        """Return how long there was no sign of life. A machine that cannot be asked says nothing about its worker: 0."""
        now, said = time.monotonic(), (run.phase, run.step, run.eval_loss)
        if said != self._said or not self._target.reachable:
            self._said, self._sign_at = said, now
        elif now - max(self._looked_at, self._sign_at) >= self._look_seconds:
            passed = now - self._looked_at
            self._asking = self._asking or asyncio.create_task(self._ask())
            await asyncio.wait({self._asking}, timeout=ASK_SECONDS)
            effort = self._asking.result() if self._asking.done() else None
            if effort is None or self._effort is None or effort.shows_life(self._effort, passed):
                self._sign_at = now
            if self._asking.done():
                self._effort, self._looked_at, self._asking = effort, now, None
        return now - self._sign_at

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> Effort | None:
        try:
            return await self._target.effort()
        except BrightrunError:
            return None


class Patience:
    """How long the present step towards the end of a worker may take. Begun anew with each step."""

    def __init__(self, timings: EngineTimings, run: Run) -> None:
        self._verb = "pause" if run.state == "pausing" else "stop"
        self._step = run.ending or "asked"
        self._silent_limit, self._limit = {
            "asked": (timings.answer_seconds, timings.orderly_seconds),
            "terminated": (timings.stop_seconds, timings.finish_seconds),
            "killed": (timings.stop_seconds, timings.stop_seconds),
        }[self._step]
        self._began = time.monotonic()

    def left(self, silent: float) -> float:
        """Return seconds until the next step is due, for a worker that shows no life since ``silent`` seconds."""
        waited = time.monotonic() - self._began
        return min(self._silent_limit - min(silent, waited), self._limit - waited)

    def words(self, silent: float) -> str:
        """Return what a person sees of it; empty while nothing is the matter."""
        waited, left = time.monotonic() - self._began, max(0.0, self.left(silent))
        quiet = min(silent, waited) > TOLD_SECONDS
        if self._step == "asked":
            if not quiet:
                return (
                    ""
                    if left > self._silent_limit
                    else f"asked to {self._verb} {humanize.span(waited)} ago; ends it in {humanize.span(left)}"
                )
            return f"asked to {self._verb} {humanize.span(waited)} ago; it does not answer; ends it in {humanize.span(left)}"
        if self._step == "terminated":
            return f"told to end {humanize.span(waited)} ago; kills it in {humanize.span(left)}"
        return f"killed {humanize.span(waited)} ago; lets the machine go in {humanize.span(left)}"
