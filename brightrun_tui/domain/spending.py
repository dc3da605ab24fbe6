"""What machines cost: one sum that budget, month, header, Monitor, ``costs`` and report cards read. All amounts in US dollars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""An amount, or a rate an hour, as a provider tells it: with anything else every comparison with a budget would be false."""

FULL_BILL = 0.9
"""A bill below this share of rate × seconds has not come in whole yet: providers bill hour by hour, and late."""
BILL_SECONDS = 3 * 86400.0
"""After so long a bill is whole, however small it is."""


class Bill(BaseModel):
    """What a provider has charged for a machine by now, in US dollars.

    ``storage`` is the disk's part of it, where the provider says that. A disk costs from creation to the end whatever the machine
    does, so a whole disk in a bill shows that the bill is whole.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    usd: Usd
    storage: Usd | None = None


class Spending(BaseModel):
    """What one machine, or several, cost.

    ``machine`` is seconds × rate without the disk, ``storage`` seconds × the disk's rate, ``traffic`` what loading image,
    model and data and bringing home the result is expected to cost. ``billed`` is what the provider has charged so far, None
    where it says nothing yet. ``replaced`` is the difference that the bill makes to what we counted, once it takes its place.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    machine: float = 0.0
    storage: float = 0.0
    traffic: float = 0.0
    billed: float | None = None
    replaced: float = 0.0

    @property
    def counted(self) -> float:
        """By our own count."""
        return self.machine + self.storage + self.traffic

    @property
    def total(self) -> float:
        """By our own count, or by the provider's bill where that has come."""
        return self.counted + self.replaced

    def __add__(self, other: Spending) -> Spending:
        bills = [bill for bill in (self.billed, other.billed) if bill is not None]
        return Spending(
            machine=self.machine + other.machine,
            storage=self.storage + other.storage,
            traffic=self.traffic + other.traffic,
            billed=sum(bills) if bills else None,
            replaced=self.replaced + other.replaced,
        )

    def __sub__(self, other: Spending) -> Spending:
        bill = None if self.billed is None else self.billed - (other.billed or 0.0)
        return Spending(
            machine=self.machine - other.machine,
            storage=self.storage - other.storage,
            traffic=self.traffic - other.traffic,
            billed=bill,
            replaced=self.replaced - other.replaced,
        )

    def with_bill(self, billed: float | None, *, disk: float | None = None, ended_for: float | None) -> Spending:
        """Return the same with what the provider has charged.

        A machine that stopped while nobody looked costs less than we counted. Its bill is not taken for one that is still to
        grow where it has the disk in it until the end.

        Args:
            disk: the disk's part of the bill; None where the provider does not say.
            ended_for: seconds since the machine was gone; None while it is there. Until then a bill is a part of the whole: it
                can raise the sum, never lower it.
        """
        if billed is None:
            return self
        by_the_second = self.machine + self.storage
        has_disk = disk is not None and self.storage > 0 and disk >= FULL_BILL * self.storage
        whole = ended_for is not None and (has_disk or billed >= FULL_BILL * by_the_second or ended_for > BILL_SECONDS)
        replaced = billed - self.counted if whole else max(0.0, billed - self.counted)
        return self.model_copy(update={"billed": billed, "replaced": replaced})

    def share(self, part: float) -> Spending:
        """Return so much of it; ``part`` from 0 to 1."""
        return Spending(
            machine=self.machine * part,
            storage=self.storage * part,
            traffic=self.traffic * part,
            billed=None if self.billed is None else self.billed * part,
            replaced=self.replaced * part,
        )


def total(spendings: Iterable[Spending]) -> Spending:
    """Return all of them together."""
    return sum(spendings, Spending())
