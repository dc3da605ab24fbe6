"""Money, offers, leases and estimates. All amounts are US dollars; all rates are per hour."""

from __future__ import annotations

import time
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.time_parts import TimeParts

GIB = 1024**3


class Hardware(BaseModel):
    """One machine as far as fitting and timing a run needs it. Memory in bytes, speed in FLOP/s.

    ``free_memory`` is what nobody uses at this moment of the memory a run would take (one GPU's, or the machine's); 0: unknown.
    """

    model_config = ConfigDict(frozen=True)

    device: str
    gpu: str = ""
    gpu_count: int = 0
    gpu_memory: int = 0
    memory: int = 0
    cores: int = 1
    flops: float = 0.0
    disk_free: int = 0
    free_memory: int = 0

    @property
    def usable_memory(self) -> int:
        """Bytes that weights and activations may take: the GPU's, or the machine's where there is none."""
        return self.gpu_memory * max(1, self.gpu_count) if self.gpu_count else self.memory


class Offer(BaseModel):
    """A machine for rent (or this one, for nothing).

    ``price_per_hour`` is all in, disk included; ``once_usd`` is what loading image and model costs in traffic. ``tier`` is the
    provider's word for the kind of host, ``network_mbps`` its download speed, ``host_id`` the physical machine where known.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    provider: str
    hardware: Hardware
    price_per_hour: float = 0.0
    region: str = ""
    reliability: float | None = None
    interruptible: bool = False
    once_usd: float = 0.0
    tier: str = ""
    network_mbps: float | None = None
    host_id: str = ""


LeaseState = Literal["intended", "live", "releasing", "released", "unclear"]


class Lease(BaseModel):
    """A machine rented for one run, from the intent to the proof that it is gone.

    ``once_usd`` is what traffic is expected to cost, ``billed_usd`` what the provider has charged by its own account.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    run_id: str
    provider: str
    state: LeaseState
    provider_id: str = ""
    offer_id: str = ""
    gpu: str = ""
    quoted_per_hour: float = 0.0
    price_per_hour: float = 0.0
    idle_per_hour: float | None = None
    once_usd: float = 0.0
    gpu_memory: int = 0
    created_at: float = 0.0
    running_since: float | None = None
    released_at: float | None = None
    billed_usd: float | None = None
    note: str = ""

    def cost(self, now: float) -> float:
        """US dollars so far: the observed price for the observed seconds, from creation until it was proven gone.

        Where the provider charges less until the machine runs, ``idle_per_hour`` holds until ``running_since``.
        """
        if not self.provider_id:
            return 0.0
        end = self.released_at if self.released_at is not None else now
        price = self.price_per_hour or self.quoted_per_hour
        if self.idle_per_hour is None:
            return max(0.0, end - self.created_at) / 3600 * price
        running = self.running_since if self.running_since is not None else end
        return (max(0.0, min(running, end) - self.created_at) * self.idle_per_hour + max(0.0, end - running) * price) / 3600


    def cost_since(self, since: float, now: float) -> float:
        """The part of `cost` that fell due after ``since``."""
        end = now if self.released_at is None else min(self.released_at, now)
        before = self.model_copy(update={"released_at": min(max(since, self.created_at), end)})
        return self.cost(now) - before.cost(now)


class LeaseChanges(TypedDict, total=False):
    """The facts of a lease that may change. What they mean is said in `Lease`."""

    state: LeaseState
    provider_id: str
    price_per_hour: float
    idle_per_hour: float | None
    created_at: float
    running_since: float | None
    released_at: float | None
    billed_usd: float | None
    note: str


def month_start(now: float) -> float:
    """When the calendar month of ``now`` began, by the local clock. Seconds since the epoch."""
    moment = time.localtime(now)
    return time.mktime((moment.tm_year, moment.tm_mon, 1, 0, 0, 0, 0, 0, -1))


class Limits(BaseModel):
    """What the run may cost."""

    model_config = ConfigDict(frozen=True)

    budget_usd: float | None = None
    max_hours: float | None = None


class Estimate(BaseModel):
    """Memory, time and cost before anything is paid. Memory in bytes, time in seconds.

    ``quantisation``: how the base model is held, chosen where the setting leaves it open. ``parts``: what the time goes into,
    without renting a machine; ``reckoned``: the same before any measurement corrected it. ``mean_tokens``: of a record.
    ``measured``: measurements on this machine count for more than the formula.
    """

    model_config = ConfigDict(frozen=True)

    memory: int
    memory_parts: dict[str, int] = Field(default_factory=dict)
    memory_available: int = 0
    fits: Literal["safe", "tight", "no"] = "safe"
    steps: int = 0
    supervised_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    seconds_low: float = 0.0
    seconds_high: float = 0.0
    price_per_hour: float = 0.0
    cost_usd: float = 0.0
    cost_usd_high: float = 0.0
    disk: int = 0
    measured: bool = False
    parts: TimeParts = TimeParts()
    reckoned: TimeParts = TimeParts()
    mean_tokens: float = 0.0
    quantisation: Literal["nf4", "none"] = "nf4"
    quantisation_why: str = ""
    notes: tuple[str, ...] = ()
