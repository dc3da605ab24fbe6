"""Where a run is: this machine, or one that is rented for it. The runner knows only this."""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, HostError
from brightrun_tui.domain.live_change import LiveChange, asked_of_worker
from brightrun_tui.domain.machine_parts import THIS_MACHINE
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_directory import LATER_STOPS, WORKER, ControlRequest, RunDirectory
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.host import JobStatus
from brightrun_tui.hosts.local import LocalHost
from brightrun_tui.orchestrator.effort import Effort, effort_here
from brightrun_tui.orchestrator.machine_notes import note_machine
from brightrun_tui.orchestrator.warm_worker import WarmWorker, only_gpu, worker_command
from brightrun_tui.process import environment_without_secrets
from brightrun_tui.providers.nvml import cards_here

WITHDRAWN: tuple[ControlRequest, ...] = ("pause", "stop", *LATER_STOPS)
"""Requests that a new worker must not find; a checkpoint that was asked for may as well come later."""

Say = Callable[[str], None]


class MachineLostError(HostError):
    """The machine that the run was on is gone; what was brought home of it stays."""


class Target(Protocol):
    """Every method may be repeated after a crash of the engine. Facts are read from the local run directory only.

    ``poll_seconds`` is the time between two looks at the worker. ``reachable``: whether the machine answers at present.
    """

    poll_seconds: float

    @property
    def reachable(self) -> bool: ...

    async def take(self, run: Run, say: Say) -> None:
        """Have a machine in hand with everything on it that the worker needs; ``say`` tells what is going on."""
        ...

    async def start(self) -> None:
        """Start the worker there; it continues from its newest checkpoint by itself."""
        ...

    async def worker(self) -> JobStatus:
        """Say whether the worker is at work."""
        ...

    async def effort(self) -> Effort | None:
        """Return what the worker has used of its machine so far; None where that cannot be told. Raises `HostError`."""
        ...

    async def signal(self, number: int) -> None:
        """Send a signal to the worker and all that it started; nothing happens when it is gone."""
        ...

    async def ask(self, name: ControlRequest) -> None:
        """Leave a request for the worker. Raises `OSError` on this machine."""
        ...

    async def tell_changes(self, changes: Sequence[LiveChange]) -> None:
        """Let the worker know everything that is to be trained otherwise. Raises `OSError` on this machine."""
        ...

    async def withdraw(self) -> None:
        """Take back requests that no worker has answered."""
        ...

    async def sync(self, run: Run) -> None:
        """Bring home what the worker has written since the last time: events and log first, then checkpoints."""
        ...

    async def collect(self, run: Run) -> None:
        """Bring home everything that is worth keeping, and check that it arrived whole."""
        ...

    async def release(self, run: Run) -> None:
        """Let go of the machine; whatever it costs ends with this, or is seen to until it does."""
        ...

    async def price_per_hour(self) -> float:
        """Return US dollars an hour that the machine in hand costs; 0 when there is none."""
        ...

    async def close(self) -> None:
        """Drop connections; nothing else changes."""
        ...


class LocalTarget:
    """The run's directory is used where it lies; there is nothing to bring home and nothing to pay."""

    def __init__(self, directory: Path, poll_seconds: float, warm_worker: WarmWorker, gpu_id: str = "") -> None:
        """Run on this machine; ``gpu_id`` is the UUID of the one GPU that the worker is to see, empty where there is
        none.
        """
        self.directory = directory
        self.gpu_id = gpu_id
        self.warm_worker = warm_worker
        self.poll_seconds = poll_seconds
        self.host = LocalHost(directory, environment_without_secrets())

    async def take(self, run: Run, say: Say) -> None:
        if self.gpu_id and all(card.id != self.gpu_id for card in await asyncio.to_thread(cards_here)):
            raise BrightrunError(
                f"the GPU of this run is not there any more ({self.gpu_id})",
                where="this machine",
                kind=ErrorKind.NO_GPUS,
                fix="retry the run: it goes on from its newest checkpoint, on another one",
            )
        await asyncio.to_thread(note_machine, RunDirectory(self.directory), THIS_MACHINE)

    async def start(self) -> None:
        waiting = self.warm_worker.take(self.gpu_id)
        if waiting is None or not await self.host.hand_over(WORKER, waiting):
            await self.host.start(WORKER, worker_command(str(self.directory)), environment=only_gpu(self.gpu_id))

    async def worker(self) -> JobStatus:
        return await self.host.status(WORKER)

    @property
    def reachable(self) -> bool:
        return True

    async def effort(self) -> Effort | None:
        status = await self.worker()
        return await asyncio.to_thread(effort_here, status.pid) if status.running and status.pid else None

    async def signal(self, number: int) -> None:
        await self.host.signal(WORKER, number)

    async def ask(self, name: ControlRequest) -> None:
        def touch() -> None:
            RunDirectory(self.directory).control.mkdir(exist_ok=True)
            RunDirectory(self.directory).request(name).touch()

        await asyncio.to_thread(touch)

    async def tell_changes(self, changes: Sequence[LiveChange]) -> None:
        def write() -> None:
            RunDirectory(self.directory).control.mkdir(exist_ok=True)
            write_atomic(RunDirectory(self.directory).changes, asked_of_worker(changes))

        await asyncio.to_thread(write)

    async def withdraw(self) -> None:
        def remove() -> None:
            for name in WITHDRAWN:
                RunDirectory(self.directory).request(name).unlink(missing_ok=True)

        await asyncio.to_thread(remove)

    async def sync(self, run: Run) -> None:
        return None

    async def collect(self, run: Run) -> None:
        return None

    async def release(self, run: Run) -> None:
        await self.end()

    async def end(self) -> None:
        """Leave no worker behind: that of a run that was given up may still be at work."""
        await self.signal(signals.SIGKILL)

    async def price_per_hour(self) -> float:
        return 0.0

    async def close(self) -> None:
        await self.host.close()
