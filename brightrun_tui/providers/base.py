"""A provider finds, rents, describes and returns machines, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.slots import GpuRequest, Seats
from brightrun_tui.domain.spending import Bill, Usd
from brightrun_tui.hosts.boot import GuardOptions

MachineStatus = Literal["starting", "running", "stopped", "gone", "unknown"]


class Account(BaseModel):
    """Who the credential belongs to, and what is left. US dollars. ``may``: what it was seen to be allowed, in words."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    who: str = ""
    balance_usd: float | None = None
    spend_per_hour_usd: float | None = None
    notes: tuple[str, ...] = ()
    may: str = ""


class Machine(BaseModel):
    """A rented machine as its provider describes it. ``raw_status`` is the provider's own word.

    ``billed_per_hour`` is what it costs at this moment where that differs from ``price_per_hour`` (a stopped machine's disk,
    an image still loading); ``running_since`` when its GPU began to cost. ``interrupted``: the provider took the machine
    away from us. ``problem``: a sentence why it will never be usable. ``other_ssh``: further (host, port) to try.
    ``host_id`` is the physical machine. ``ssh_key_file`` is the key to log in with where it is not the run's own
    (``default``: the person's own keys and agent), ``ssh_host_key`` the host key where it is known beforehand.
    ``home`` is our directory on it, below the login's home. ``gpu_id``: the one of its GPUs that is the run's.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    provider: str
    provider_id: str
    name: str = ""
    status: MachineStatus = "unknown"
    raw_status: str = ""
    ssh_host: str = ""
    ssh_port: int = 22
    ssh_user: str = "root"
    price_per_hour: Usd = 0.0
    created_at: float | None = None
    gpu: str = ""
    billed_per_hour: Usd | None = None
    running_since: float | None = None
    interrupted: bool = False
    problem: str = ""
    other_ssh: tuple[tuple[str, int], ...] = ()
    host_id: str = ""
    ssh_key_file: str = ""
    ssh_host_key: str = ""
    home: str = ".brightrun"
    gpu_id: str = ""


@dataclass(frozen=True)
class Need:
    """What a run asks of a machine. Memory, disk, ``download`` (model, data and packages) and ``upload`` (results) in bytes.

    ``interruptible``: machines that may be taken away are welcome too. ``without_hosts``: physical machines that failed before.
    ``gpu_request``: which GPU of a machine of one's own.
    """

    gpu: str = ""
    gpu_memory: int = 0
    gpu_count: int = 1
    disk: int = 0
    max_price_per_hour: float | None = None
    interruptible: bool = False
    download: int = 0
    upload: int = 0
    hours: float = 0.0
    without_hosts: frozenset[str] = frozenset()
    gpu_request: GpuRequest = field(default_factory=GpuRequest)


class Provider(Protocol):
    """One rented-GPU service. Every method may raise the typed errors of `domain.errors`."""

    name: str

    async def check(self) -> Account:
        """Say whether the credential works, and whose it is."""
        ...

    async def offers(self, need: Need) -> list[Offer]:
        """Return machines for rent that satisfy ``need``, cheapest first."""
        ...

    async def launch(
        self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float
    ) -> Machine:
        """Make exactly one create call. An unclear answer raises; the caller then looks for ``lease_name`` in
        `list_ours`.
        """
        ...

    async def inspect(self, provider_id: str) -> Machine | None:
        """Return the machine now; None only when the provider itself says that it is gone. Unreadable answers raise."""
        ...

    async def list_ours(self, installation: str) -> list[Machine]:
        """Return every machine whose name carries this installation's id."""
        ...

    async def list_others(self, installation: str) -> list[Machine]:
        """Return every machine that Bright Run has rented but not this installation: another one, or this one before its id
        was lost.
        """
        ...

    async def terminate(self, provider_id: str) -> None:
        """Ask for its end, once; the caller verifies with `inspect`."""
        ...

    async def resume(self, provider_id: str) -> bool:
        """Ask for a stopped machine to be started again, with its disk; False where that cannot be. It may take its time."""
        ...

    async def billed(self, machine_id: str, since: float) -> Bill | float | None:
        """Return what the provider itself has charged for a machine by now, or just the US dollars; None when it does not
        say (yet).
        """
        ...

    def guard_options(self, deadline: float) -> GuardOptions | None:
        """Return what a guard on its machines must be told; None where nothing is rented and none is needed."""
        ...

    async def close(self) -> None:
        """Drop connections."""
        ...


@runtime_checkable
class OwnMachines(Protocol):
    """A provider whose machines are there anyway: a run waits in the queue until one of them has room for it."""

    async def seats(self) -> dict[str, Seats]:
        """Return the seats of every machine that can be reached, by name. Raises as `Provider.check`."""
        ...
