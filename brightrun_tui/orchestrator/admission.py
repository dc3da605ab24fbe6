"""Which of the runs that wait in the queue may begin now, on which GPU, and what the others wait for.

Nothing is remembered here: which run has which GPU stands in the store (this machine) and on the machine itself (those reached
over SSH), so that the next engine knows it too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.slots import Card, GpuRequest, Holder, Seat, Seats, assign
from brightrun_tui.integrations.packages import torch_uses_gpu
from brightrun_tui.providers.base import OwnMachines, Provider
from brightrun_tui.providers.nvml import cards_here

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks at machines for which somebody waits."""
FRESH_SECONDS = 1.0
"""So long holds what was seen of this machine's GPUs: for all that wait at one look."""


@dataclass
class _Look:
    """What was last seen of a provider's own machines: their seats by name, or why nothing can be seen; and the look after it."""

    at: float = float("-inf")
    seats: Mapping[str, Seats] | None = None
    problem: str = ""
    next: asyncio.Task[None] | None = None


class Admission:
    """Asked by the engine for every run of the queue, in its order.

    ``slots`` reads `EngineTimings.local_slots`, in a thread: who raises it need not end the engine. Where that is wrong, the last
    that was right holds. ``open_provider`` gives the provider of that name.
    """

    def __init__(self, slots: Callable[[], int], open_provider: Callable[[str], Awaitable[Provider]]) -> None:
        self._read_slots, self._slots, self._open = slots, 0, open_provider
        self._looks: dict[str, _Look] = {}
        self._cards: tuple[Card, ...] = ()
        self._cards_at = float("-inf")

    async def here(self, gpu_request: GpuRequest, at_work: Sequence[Run]) -> Seat:
        """Say whether a run may begin on this machine, where ``at_work`` have not ended."""
        if time.monotonic() - self._cards_at > FRESH_SECONDS:
            self._cards, self._cards_at = await asyncio.to_thread(usable_cards), time.monotonic()
            with suppress(BrightrunError):
                self._slots = await asyncio.to_thread(self._read_slots)
        holders = tuple(Holder(one.name, one.gpu_id) for one in at_work)
        return assign(Seats(self._cards, holders, self._slots), gpu_request)

    async def elsewhere(self, run: Run, starting: Sequence[Run], names: Mapping[str, str]) -> Seat:
        """Say whether a run may begin elsewhere. Machines for rent have room for everybody.

        Args:
            starting: runs of that provider that have begun and have no machine yet.
            names: of runs, by id.

        Raises:
            BrightrunError: the provider is not connected.
        """
        provider = await self._open(run.spec.provider)
        if not isinstance(provider, OwnMachines):
            return Seat(True)
        look = self._looks.setdefault(run.spec.provider, _Look())
        if look.next is None and time.monotonic() - look.at > LOOK_SECONDS:
            look.next = asyncio.create_task(self._see(look, provider))
        if look.seats is None:
            return Seat(False, waits_for=look.problem or "a look at your own machines")
        machines = {name: _named(seats, names) for name, seats in look.seats.items()}
        for one in starting:
            _take(machines, one)
        return _take(machines, run)

    async def close(self) -> None:
        """End what is under way."""
        for look in self._looks.values():
            if look.next is not None:
                look.next.cancel()
                await asyncio.gather(look.next, return_exceptions=True)

    async def _see(self, look: _Look, machines: OwnMachines) -> None:
        try:
            look.seats, look.problem = await machines.seats(), ""
        except BrightrunError as error:
            look.seats, look.problem = None, f"one of your own machines: {error.what}"
        finally:
            look.at, look.next = time.monotonic(), None


def usable_cards() -> tuple[Card, ...]:
    """Return the GPUs of this machine that training can use; none where PyTorch was built without them. Blocking."""
    return cards_here() if torch_uses_gpu() else ()


def _take(machines: dict[str, Seats], run: Run) -> Seat:
    """Return the first machine that has room for the run, which then has less; else what it waits for on each of them."""
    told = []
    for name, seats in machines.items():
        seat = assign(seats, run.spec.settings.machine.gpu_request)
        if seat.granted:
            machines[name] = seats.with_run(run.name, seat.card)
            return seat
        told.append(f"“{name}”: {seat.waits_for}")
    return Seat(False, waits_for="; ".join(told))


def _named(seats: Seats, names: Mapping[str, str]) -> Seats:
    """Return the seats with our runs' own names, and other installations' as the machine calls them."""
    return replace(seats, holders=tuple(Holder(names.get(one.name, one.name), one.card) for one in seats.holders))
