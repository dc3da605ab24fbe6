"""For whom a machine is rented: a run or an endpoint. All that renting, keeping and returning know of either."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.money import Estimate, Lease, Offer
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.notification import told_of_endpoint
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.spending import total
from brightrun_tui.orchestrator import run_budget
from brightrun_tui.orchestrator.clock import add_time
from brightrun_tui.orchestrator.notices import with_notice
from brightrun_tui.orchestrator.run_budget import RunBudget
from brightrun_tui.planning.need import cost_of_rest, is_agreed, need_of
from brightrun_tui.planning.serving_machine import accepts, cost_of_hour, need_of_rental
from brightrun_tui.providers.base import Need
from brightrun_tui.store import Database, endpoints, leases, notifications, runs

log = logging.getLogger(__name__)

AGREED = 1.5
"""The most that an hour may cost, as a multiple of the price that was agreed to."""


@dataclass(frozen=True)
class Price:
    """US dollars an hour: what was ``agreed`` to, and the ``most`` that is taken unasked. 0: nothing was said."""

    agreed: float = 0.0
    most: float = 0.0


class Tenant(Protocol):
    """As it is at this moment. Either ``run_id`` or ``endpoint_id`` is set; ``words`` names it to people.

    ``slug`` is its part of the names of its leases, ``home`` where the key to its machines and their host keys lie.
    """

    @property
    def run_id(self) -> str: ...

    @property
    def endpoint_id(self) -> str: ...

    @property
    def slug(self) -> str: ...

    @property
    def words(self) -> str: ...

    @property
    def home(self) -> Path: ...

    @property
    def project(self) -> str: ...

    def need(self) -> Need:
        """Return what it asks of a machine. Raises `UsageError` where nobody knows."""
        ...

    def accepts(self, offer: Offer) -> bool:
        """Say whether it is to be had on that machine at all."""
        ...

    def agreed(self, offer: Offer, tolerance: float) -> bool:
        """Say whether this is the very machine that a person chose; ``tolerance`` as of `is_agreed`."""
        ...

    def cost(self, offer: Offer) -> float:
        """Return US dollars by which offers are compared, traffic included."""
        ...

    def price(self) -> Price: ...

    def hours_left(self) -> float | None:
        """Return the hours until its time limit; None where it has none."""
        ...

    async def leases(self, db: Database, *, open_only: bool = False) -> list[Lease]:
        """Return machines that count towards its budget, newest first."""
        ...

    async def budget(self, db: Database, limits: MoneyLimits) -> RunBudget:
        """Return what it may still spend."""
        ...

    async def tell(self, db: Database, code: str, message: str, level: Level = Level.WARNING) -> None:
        """Let people know; each code once."""
        ...

    async def tell_given_up(self, db: Database, lease: Lease, message: str) -> None:
        """Let people know of a machine that was given up; ``message`` without its number."""
        ...


@dataclass(frozen=True)
class RunTenant:
    """A run."""

    run: Run

    @property
    def run_id(self) -> str:
        return self.run.id

    @property
    def endpoint_id(self) -> str:
        return ""

    @property
    def slug(self) -> str:
        return self.run.id

    @property
    def words(self) -> str:
        return f"run {self.run.id}"

    @property
    def home(self) -> Path:
        return Path(self.run.directory)

    @property
    def project(self) -> str:
        return self.run.spec.project

    def need(self) -> Need:
        run, estimate = self.run, self._estimate
        need = need_of(estimate, run.spec, run.spec.settings.machine.gpu_request)
        # a machine on which the run is tight was agreed to: machines like it are good enough
        agreed = estimate.memory_available if run.spec.offer else 0
        return replace(need, gpu_memory=min(need.gpu_memory, agreed or sys.maxsize))

    def accepts(self, offer: Offer) -> bool:
        return True

    def agreed(self, offer: Offer, tolerance: float) -> bool:
        return is_agreed(offer, self.run.spec.offer, self._estimate, tolerance)

    def cost(self, offer: Offer) -> float:
        return cost_of_rest(offer, self._estimate, self.run.fraction)

    def price(self) -> Price:
        agreed = self._estimate.price_per_hour
        return Price(agreed, agreed * AGREED)

    def hours_left(self) -> float | None:
        limit = self.run.limits.max_hours
        return max(0.01, limit - add_time(self.run).active_seconds / 3600) if limit else None

    async def leases(self, db: Database, *, open_only: bool = False) -> list[Lease]:
        return await leases.list_leases(db, run_id=self.run.id, open_only=open_only)

    async def budget(self, db: Database, limits: MoneyLimits) -> RunBudget:
        return await run_budget.look(db, limits, self.run)

    async def tell(self, db: Database, code: str, message: str, level: Level = Level.WARNING) -> None:
        run = await runs.get(db, self.run.id)
        await runs.update(db, run.id, notices=with_notice(run, code, message, level))

    async def tell_given_up(self, db: Database, lease: Lease, message: str) -> None:
        run = await runs.get(db, self.run.id)
        number = sum(NoticeCode.MACHINE_GIVEN_UP.covers(notice.code) for notice in run.notices) + 1
        code = NoticeCode.MACHINE_GIVEN_UP.told_apart(number)
        await runs.update(db, run.id, notices=with_notice(run, code, f"machine {number} {message}"))

    @property
    def _estimate(self) -> Estimate:
        if self.run.estimate is None:
            raise UsageError(
                "what machine the run needs is not on record",
                where=self.words,
                kind=ErrorKind.NO_ESTIMATE,
                fix="start it again with: brightrun train",
            )
        return self.run.estimate


@dataclass(frozen=True)
class EndpointTenant:
    """One deployment of an endpoint that is served on a rented machine."""

    endpoint: Endpoint

    @property
    def rental(self) -> EndpointRental:
        if self.endpoint.rental is None:
            raise UsageError(
                "what machine the endpoint needs is not on record",
                where=self.words,
                kind=ErrorKind.NO_ESTIMATE,
                fix=f"end it (brightrun undeploy {self.endpoint.id}), and deploy it again",
            )
        return self.endpoint.rental

    @property
    def run_id(self) -> str:
        return ""

    @property
    def endpoint_id(self) -> str:
        return self.endpoint.id

    @property
    def slug(self) -> str:
        return self.endpoint.deployment

    @property
    def words(self) -> str:
        return f"endpoint {self.endpoint.id}"

    @property
    def home(self) -> Path:
        return Path(self.endpoint.directory)

    @property
    def project(self) -> str:
        return self.rental.project

    def need(self) -> Need:
        return need_of_rental(self.rental)

    def accepts(self, offer: Offer) -> bool:
        return accepts(self.rental, offer)

    def agreed(self, offer: Offer, tolerance: float) -> bool:
        wanted = self.rental
        if offer.id == wanted.offer:
            return True
        return (
            bool(wanted.offer and wanted.host_id)
            and (offer.host_id, offer.hardware.gpu) == (wanted.host_id, wanted.offer_gpu)
            and offer.price_per_hour <= wanted.price_per_hour * tolerance
        )

    def cost(self, offer: Offer) -> float:
        return cost_of_hour(offer)

    def price(self) -> Price:
        wanted = self.rental
        return Price(wanted.price_per_hour, wanted.max_price or wanted.price_per_hour * AGREED)

    def hours_left(self) -> float | None:
        return None

    async def leases(self, db: Database, *, open_only: bool = False) -> list[Lease]:
        found = await leases.list_leases(db, endpoint_id=self.endpoint.id, open_only=open_only)
        return [lease for lease in found if lease.deployment == self.endpoint.deployment]

    async def budget(self, db: Database, limits: MoneyLimits) -> RunBudget:
        return await run_budget.look_at(db, limits, lambda: self.leases(db), self.rental.budget_usd)

    async def tell(self, db: Database, code: str, message: str, level: Level = Level.WARNING) -> None:
        log.info("%s: %s", self.words, message)
        await endpoints.advance(db, self.endpoint, doing=message)
        await notifications.add(db, told_of_endpoint(self.endpoint, code, level, message, time.time()))

    async def tell_given_up(self, db: Database, lease: Lease, message: str) -> None:
        await self.tell(db, NoticeCode.MACHINE_GIVEN_UP.told_apart(""), f"its machine {message}")


async def all_leases(db: Database, tenant: Tenant, *, open_only: bool = False) -> list[Lease]:
    """Return every machine that was rented for the run or endpoint, of earlier deployments, too."""
    return await leases.list_leases(db, run_id=tenant.run_id, endpoint_id=tenant.endpoint_id, open_only=open_only)


def given_up_words(lease: Lease, why: str, now: float) -> str:
    """Say which machine it was, how long it was had, what it cost, and why it was given up."""
    return (
        f"({lease.gpu} at {humanize.money(lease.rate)} an hour) was given up after "
        f"{humanize.duration(now - lease.created_at)} and {humanize.money(lease.spending(now).total)}: {why}"
    )


async def note_cost(db: Database, endpoint: Endpoint) -> Endpoint:
    """Put on record what the machines of this deployment have cost by now."""
    found = await EndpointTenant(endpoint).leases(db)
    cost = total(lease.spending(time.time()) for lease in found).total
    return await endpoints.advance(db, endpoint, cost_usd=cost) if cost != endpoint.cost_usd else endpoint
