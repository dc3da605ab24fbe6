"""A provider finds, rents, describes and returns machines, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.money import Offer

MachineStatus = Literal["starting", "running", "stopped", "gone", "unknown"]


class Account(BaseModel):
    """Who the credential belongs to, and what is left. US dollars."""

    model_config = ConfigDict(frozen=True)

    who: str = ""
    balance_usd: float | None = None
    spend_per_hour_usd: float | None = None
    notes: tuple[str, ...] = ()


class Machine(BaseModel):
    """A rented machine as its provider describes it. ``raw_status`` is the provider's own word."""

    model_config = ConfigDict(frozen=True)

    provider: str
    provider_id: str
    name: str = ""
    status: MachineStatus = "unknown"
    raw_status: str = ""
    ssh_host: str = ""
    ssh_port: int = 22
    ssh_user: str = "root"
    price_per_hour: float = 0.0
    created_at: float | None = None
    gpu: str = ""


@dataclass(frozen=True)
class Need:
    """What a run asks of a machine. Memory and disk in bytes."""

    gpu: str = ""
    gpu_memory: int = 0
    gpu_count: int = 1
    disk: int = 0
    max_price_per_hour: float | None = None
    interruptible: bool = False


class Provider(Protocol):
    """One rented-GPU service. Every method may raise the typed errors of `domain.errors`."""

    name: str

    async def check(self) -> Account:
        """Whether the credential works, and whose it is."""
        ...

    async def offers(self, need: Need) -> list[Offer]:
        """Machines for rent that satisfy ``need``, cheapest first."""
        ...

    async def launch(self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float) -> Machine:
        """Exactly one create call. An unclear answer raises; the caller then looks for ``lease_name`` in `list_ours`."""
        ...

    async def inspect(self, provider_id: str) -> Machine | None:
        """The machine now; None only when the provider itself says that it is gone. Unreadable answers raise."""
        ...

    async def list_ours(self, installation: str) -> list[Machine]:
        """Every machine whose name carries this installation's id."""
        ...

    async def terminate(self, provider_id: str) -> None:
        """Ask for its end, once; the caller verifies with `inspect`."""
        ...
