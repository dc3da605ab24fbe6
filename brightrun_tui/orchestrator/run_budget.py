"""What a run or an endpoint may still spend: its own budget, and its share of what this month's limit leaves."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from brightrun_tui.config import MoneyLimits, load_section
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.money import Lease, month_start
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.spending import total
from brightrun_tui.orchestrator import clock
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, leases

log = logging.getLogger(__name__)


class LiveLimits:
    """``[money]`` as it is at this moment: a change holds for the next run, and for those that are under way.

    Args:
        limits: what holds until the configuration can be read again, should it be wrong just now.
    """

    def __init__(self, paths: Paths, limits: MoneyLimits) -> None:
        self._paths, self._limits = paths, limits
        self._said = ""

    def now(self) -> MoneyLimits:
        try:
            self._limits, self._said = load_section(self._paths, "money", MoneyLimits), ""
        except UsageError as error:
            if str(error) != self._said:
                self._said = str(error)
                log.warning("the month's limit stays as it was: %s", error)
        return self._limits


@dataclass(frozen=True)
class RunBudget:
    """US dollars. ``spent`` is the total of the `Spending` of its machines; ``ceiling`` the most that it may come to,
    None if nothing limits it."""

    spent: float
    ceiling: float | None
    monthly: bool = False
    """Whether it is the month's limit that binds, not its own budget."""

    @property
    def left(self) -> float:
        return float("inf") if self.ceiling is None else self.ceiling - self.spent


async def look(db: Database, limits: MoneyLimits, run: Run) -> RunBudget:
    """Return what the run may still spend at this moment."""
    return await look_at(db, limits, lambda: leases.list_leases(db, run_id=run.id), run.limits.budget_usd)


async def look_at(
    db: Database, limits: MoneyLimits, own_leases: Callable[[], Awaitable[list[Lease]]], budget: float | None
) -> RunBudget:
    """Return the same of whoever has those machines and may spend ``budget`` on them."""
    await clock.follow(db)
    limit, now = limits.monthly_limit_usd, time.time()
    mine = [lease for lease in await own_leases() if lease.provider_id]
    spent = total(lease.spending(now) for lease in mine).total
    if limit is None:
        return RunBudget(spent, budget)
    everything = await leases.list_leases(db)
    month = total(lease.spending(now, month_start(now)) for lease in everything).total
    rate = sum(lease.rate for lease in everything if lease.provider_id and lease.state != "released")
    own = sum(lease.rate for lease in mine if lease.state != "released")
    # several of them end in order at the same time: each may use the part of the rest that its own machine costs
    monthly = spent + (limit - month) * (own / rate if own else 1.0)
    binds = budget is None or monthly < budget
    return RunBudget(spent, monthly if binds else budget, binds)
