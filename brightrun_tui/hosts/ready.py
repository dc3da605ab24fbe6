"""From “the provider says running” to a machine that can be worked with: SSH, our key, its GPUs, its guard."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BadHostKeyError, HostError, HostKeyChangedError, MachineLiesError
from brightrun_tui.domain.money import MIB
from brightrun_tui.hosts.boot import COLLECTED, GUARD_STATE, HEARTBEAT, GuardOptions, start_guard
from brightrun_tui.hosts.ssh import SshHost

GUARD_STATE_LIMIT = 64 << 10
MOST_GPUS = 64
_GPU_ROW = re.compile(r"([ -~]{1,80}?)\s*,\s*([0-9]{1,8})(?:\.[0-9]+)?")


@dataclass(frozen=True)
class GpuSeen:
    """A GPU as the machine itself shows it; memory in bytes."""

    name: str
    memory: int


class GuardReport(BaseModel):
    """How the guard on a machine is. ``ends_at`` is a time by that machine's clock."""

    model_config = ConfigDict(frozen=True)

    state: str = Field("", max_length=200)
    self_test: str = Field("", max_length=200)
    ends_at: float = 0.0
    pid: int = 0

    @property
    def able(self) -> bool:
        """Whether it could reach the provider with its own key."""
        return self.self_test == "ok"


async def first_contact(host: SshHost, seconds: float, *, pause: float = 2.0) -> None:
    """Log in to a new machine, whose SSH may open or accept the key only after a while.

    Raises:
        HostKeyChangedError, BadHostKeyError, MachineLiesError: at once.
        HostUnreachableError, HostRefusedError: what it still was after ``seconds``.
    """
    import tenacity  # only the engine gets here

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, HostError) and not isinstance(
            error, HostKeyChangedError | BadHostKeyError | MachineLiesError
        )

    again = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_before_delay(seconds),
        wait=tenacity.wait_fixed(pause),
        reraise=True,
    )
    await again(host.connection.connect)


async def gpus(host: SshHost) -> list[GpuSeen]:
    """Return what nvidia-smi shows there; none when it fails or is missing. What is not a GPU in its words is left out."""
    done = await host.run("nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits", repeat=True)
    if done.exit_code:
        return []
    rows = (_GPU_ROW.fullmatch(line.strip()) for line in done.output.splitlines()[:MOST_GPUS])
    return [GpuSeen(row[1], int(row[2]) * MIB) for row in rows if row]


async def require_gpus(host: SshHost, count: int, memory: int = 0) -> list[GpuSeen]:
    """Return the machine's GPUs, as many and as large as rented. Drivers keep some memory: 10 % less is accepted.

    Raises:
        HostError: fewer or smaller ones; such a machine is to be replaced.
    """
    seen = await gpus(host)
    if len(seen) < count or any(gpu.memory < memory * 0.9 for gpu in seen[:count]):
        shown = ", ".join(f"{gpu.name} ({humanize.memory(gpu.memory)})" for gpu in seen) or "none"
        raise HostError(
            f"the machine shows other GPUs than were rented: {shown}",
            where=host.connection.where,
            fix="it is replaced by another one",
            kind=ErrorKind.NO_GPUS,
        )
    return seen


async def guard_report(host: SshHost) -> GuardReport | None:
    """Return what the guard last wrote; None when there is nothing, or nothing that a guard of ours writes."""
    try:
        return GuardReport.model_validate_json(await host.read(f"~/{GUARD_STATE}", 0, GUARD_STATE_LIMIT))
    except ValidationError:
        return None


async def ensure_guard(host: SshHost, options: GuardOptions, seconds: float = 30.0) -> GuardReport:
    """Return the guard at its post: the one that came with the machine, else one started now.

    Raises:
        HostError: none can be started; such a machine must not be left alone.
    """
    report = await guard_report(host)
    if report is None:
        await host.run(start_guard(options), repeat=True)
    deadline = time.monotonic() + seconds
    while report is None or not report.self_test:
        if time.monotonic() > deadline:
            raise HostError(
                "the guard does not start on the machine",
                where=host.connection.where,
                kind=ErrorKind.NO_GUARD,
                fix="the image needs python3; see ~/.brightrun/guard.log there",
            )
        await asyncio.sleep(0.2)
        report = await guard_report(host)
    return report


async def beat(host: SshHost, seconds_left: float) -> None:
    """Tell the guard that we are here, and when the lease is to end, counted from now."""
    await host.write(f"~/{HEARTBEAT}", f"{seconds_left:.1f}\n".encode())


async def note_collected(host: SshHost) -> None:
    """Tell the guard that nothing is left to be brought home: without us the machine need not be kept."""
    await host.write(f"~/{COLLECTED}", b"\n")
