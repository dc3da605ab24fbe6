"""Money, offers, leases and estimates. All amounts are US dollars; all rates are per hour."""

from __future__ import annotations

import math
import time
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.spending import Spending, Usd
from brightrun_tui.domain.text import one_line
from brightrun_tui.domain.time_parts import TimeParts

MIB, GIB = 1024**2, 1024**3


class Hardware(BaseModel):
    """One machine as far as fitting and timing a run needs it. Memory in bytes, speed in FLOP/s.

    ``free_memory`` is what nobody uses at this moment of the memory a run would take (one GPU's, or the machine's); 0: unknown.
    ``disk_free``: None where unknown; a full disk has 0.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    device: str
    gpu: str = ""
    gpu_count: int = 0
    gpu_memory: int = 0
    memory: int = 0
    cores: int = 1
    flops: float = 0.0
    disk_free: int | None = None
    free_memory: int = 0

    @property
    def usable_memory(self) -> int:
        """Bytes that weights and activations may take: the GPU's, or the machine's where there is none."""
        return self.gpu_memory * max(1, self.gpu_count) if self.gpu_count else self.memory


class Offer(BaseModel):
    """A machine for rent (or this one, for nothing).

    ``price_per_hour`` is all in, ``storage_per_hour`` the disk's part of it; ``once_usd`` is what loading image, model and data
    and bringing home the result costs in traffic. ``tier`` is the provider's word for the kind of host, ``network_mbps`` its
    download speed, ``host_id`` the physical machine where known, ``cuda`` the
    oldest CUDA that its driver may have, where that is known beforehand. Of a machine of one's own, ``gpu_id`` is the GPU that
    the run would have, and ``busy`` what it would have to wait for now.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    provider: str
    hardware: Hardware
    price_per_hour: Usd = 0.0
    region: str = ""
    reliability: float | None = None
    interruptible: bool = False
    once_usd: Usd = 0.0
    tier: str = ""
    network_mbps: float | None = None
    host_id: str = ""
    storage_per_hour: Usd = 0.0
    cuda: str = ""
    gpu_id: str = ""
    busy: str = ""


LeaseState = Literal["intended", "live", "releasing", "released", "unclear"]


class EarlierRate(BaseModel):
    """What a running machine cost an hour, in US dollars, until a time (seconds since the epoch)."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    until: float
    per_hour: float


class Stretch(BaseModel):
    """A time in which one worker ran: seconds since the epoch, and US dollars an hour. ``worker``: its id while it runs, empty
    once it was seen to be gone."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    worker: str
    begin: float
    until: float
    per_hour: float

    @property
    def usd(self) -> float:
        return max(0.0, self.until - self.begin) / 3600 * self.per_hour


class Lease(BaseModel):
    """A machine rented for one run or one endpoint, from the intent to the proof that it is gone.

    ``price_per_hour`` is the rate as last observed, ``earlier_rates`` what it was before, oldest first; ``storage_per_hour`` is
    the disk's part of it. Where the provider charges less until the machine runs, ``idle_per_hour`` holds until
    ``running_since``. ``once_usd`` is what traffic is expected to cost, ``billed_usd`` what the provider has charged by its own
    account, ``billed_storage_usd`` the disk's part of that. ``heard_at`` is when its guard last heard from us. ``project`` is the
    run's tag, which outlives the run here.
    ``reason`` says why it was let go before the run had ended. ``gpu_id``: the one GPU of the machine that is the run's.
    Either ``run_id`` or ``endpoint_id`` is set; ``deployment`` tells the deployments of one endpoint apart.

    A ``metered`` one costs only while workers run: the ``stretches``. Its ``price_per_hour`` is what the workers that were seen
    last cost together; ``quoted_per_hour`` is that of one.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    run_id: str = ""
    endpoint_id: str = ""
    deployment: str = ""
    provider: str
    state: LeaseState
    provider_id: str = ""
    offer_id: str = ""
    host_id: str = ""
    gpu: str = ""
    quoted_per_hour: float = 0.0
    price_per_hour: float = 0.0
    earlier_rates: tuple[EarlierRate, ...] = ()
    idle_per_hour: float | None = None
    storage_per_hour: float = 0.0
    once_usd: float = 0.0
    gpu_memory: int = 0
    created_at: float = 0.0
    running_since: float | None = None
    heard_at: float = 0.0
    released_at: float | None = None
    billed_usd: float | None = None
    billed_storage_usd: float | None = None
    note: str = ""
    reason: str = ""
    project: str = ""
    gpu_id: str = ""
    metered: bool = False
    stretches: tuple[Stretch, ...] = ()

    @property
    def machine(self) -> str:
        """What its logs call it: the GPU and the provider's id."""
        return one_line(f"{self.gpu or self.provider} {self.provider_id}").strip()

    @property
    def quoted(self) -> float | None:
        """US dollars an hour by its offer; None of a machine that was found, not rented: nobody knows its offer."""
        return None if not self.quoted_per_hour and self.price_per_hour else self.quoted_per_hour

    @property
    def costs(self) -> bool:
        """Whether it may ever have cost anything."""
        return bool(self.rate or self.metered)

    @property
    def rate(self) -> float:
        """US dollars an hour: as observed, else as quoted; of a metered one as observed."""
        if self.metered:
            return self.price_per_hour
        return self.price_per_hour or self.quoted_per_hour

    def spending(self, now: float, since: float | None = None, until: float | None = None) -> Spending:
        """Return what it has cost by ``now``: the observed rates for the observed seconds, from creation until it was proven
        gone,
        the traffic, and the provider's bill where that has come. With ``since`` and ``until``: the part that fell due after the
        one and before the other."""
        if not self.provider_id:
            return Spending()
        end = now if self.released_at is None else min(self.released_at, now)
        ended_for = None if self.released_at is None or self.released_at > now else now - self.released_at
        counted = self._counted(end)
        whole = counted.with_bill(self.billed_usd, disk=self.billed_storage_usd, ended_for=ended_for)
        if since is None and until is None:
            return whole

        def by(moment: float) -> Spending:
            return Spending() if moment <= self.created_at else self._counted(min(moment, end))

        part = by(math.inf if until is None else until) - by(-math.inf if since is None else since)
        return whole.share(part.counted / counted.counted) if counted.counted else Spending()

    def _counted(self, end: float) -> Spending:
        """Count what was spent up to ``end``, a time at which it was still there."""
        machine = storage = 0.0
        for begin, until, per_hour in self._stretches(end):
            hours, disk = (until - begin) / 3600, min(per_hour, self.storage_per_hour)
            machine += hours * (per_hour - disk)
            storage += hours * disk
        return Spending(machine=machine, storage=storage, traffic=self.once_usd)

    def _stretches(self, end: float) -> list[tuple[float, float, float]]:
        """Return (from, until, US dollars an hour) in order, from creation to ``end``. Those of workers may overlap."""
        if self.metered:
            return [(one.begin, min(one.until, end), one.per_hour) for one in self.stretches if one.begin < end]
        rates = [(rate.until, rate.per_hour) for rate in self.earlier_rates]
        rates.append((end, self.rate))
        if self.idle_per_hour is not None:
            rates.insert(0, (end if self.running_since is None else self.running_since, self.idle_per_hour))
        found, at = [], self.created_at
        for until, per_hour in rates:
            until = min(until, end)
            if until > at:
                found.append((at, until, per_hour))
                at = until
        return found


class LeaseChanges(TypedDict, total=False):
    """The facts of a lease that may change. What they mean is said in `Lease`."""

    state: LeaseState
    provider_id: str
    host_id: str
    price_per_hour: float
    earlier_rates: tuple[EarlierRate, ...]
    idle_per_hour: float | None
    created_at: float
    running_since: float | None
    heard_at: float
    released_at: float | None
    billed_usd: float | None
    billed_storage_usd: float | None
    note: str
    reason: str
    gpu_id: str
    stretches: tuple[Stretch, ...]


def month_start(now: float) -> float:
    """Return when the calendar month of ``now`` began by the local clock, in seconds since the epoch."""
    moment = time.localtime(now)
    return time.mktime((moment.tm_year, moment.tm_mon, 1, 0, 0, 0, 0, 0, -1))


class Limits(BaseModel):
    """What the run may cost."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    budget_usd: float | None = None
    max_hours: float | None = None


class Estimate(BaseModel):
    """Memory, time and cost before anything is paid. Memory in bytes, time in seconds.

    ``setup_seconds`` is the part of ``seconds`` before the first step; ``flops`` (FLOP/s), ``gpu``, ``host_id`` and
    ``price_per_hour`` are those of the machine it was made for. ``traffic_usd`` is part of both costs. ``download`` and
    ``upload`` are the bytes that model, data and results take to and from a machine that is not this one.
    ``quantisation``: how the base model is held, chosen where the setting leaves it open. ``parts``: what the time goes into,
    without renting a machine; ``reckoned``: the same before any measurement corrected it. ``mean_tokens``: of a record.
    ``measured``: measurements on this machine count for more than the formula.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    memory: int
    memory_parts: dict[str, int] = Field(default_factory=dict)
    memory_available: int = 0
    fits: Literal["safe", "tight", "no"] = "safe"
    steps: int = 0
    supervised_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    seconds_low: float = 0.0
    seconds_high: float = 3600.0
    setup_seconds: float = 0.0
    price_per_hour: float = 0.0
    cost_usd: float = 0.0
    cost_usd_high: float = 0.0
    traffic_usd: float = 0.0
    disk: int = 0
    download: int = 0
    upload: int = 0
    flops: float = 0.0
    gpu: str = ""
    host_id: str = ""
    measured: bool = False
    parts: TimeParts = Field(default_factory=TimeParts)
    reckoned: TimeParts = Field(default_factory=TimeParts)
    mean_tokens: float = 0.0
    quantisation: Literal["nf4", "none"] = "nf4"
    quantisation_why: str = ""
    notes: tuple[str, ...] = ()
