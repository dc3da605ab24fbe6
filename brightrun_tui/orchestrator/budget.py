"""The budget as a ceiling: pure rules over what is spent, what an hour costs, and how long an orderly end takes."""

from __future__ import annotations

from typing import Literal

from brightrun_tui.domain.alerts import BUDGET_SHARES
from brightrun_tui.orchestrator.timings import EngineTimings

BudgetVerdict = Literal["go", "warn_80", "warn_95", "finish", "release"]

NEARLY, MOSTLY = BUDGET_SHARES
WARNED_AT: dict[BudgetVerdict, float] = {"warn_80": MOSTLY, "warn_95": NEARLY}
"""Part of the money that is spent when people are told."""
LEAST_SECONDS = 5.0


def judge_spending(
    spent_usd: float, per_hour_usd: float, budget_usd: float | None, *, finish_seconds: float, release_seconds: float
) -> BudgetVerdict:
    """Return what the budget demands now.

    Args:
        finish_seconds: what saving, evaluating and bringing home are allowed to take.
        release_seconds: from the decision to release to the end of billing.

    ``finish``: end the training in order, there is just enough left for it. ``release``: let go of the machine at once,
    even without what is still on it. A run whose whole budget is shorter than an orderly end gets half of it for that.
    """
    if budget_usd is None:
        return "go"
    per_second = per_hour_usd / 3600
    if spent_usd + per_second * release_seconds >= budget_usd:
        return "release"
    if spent_usd + min(per_second * (finish_seconds + release_seconds), budget_usd / 2) >= budget_usd:
        return "finish"
    if spent_usd >= NEARLY * budget_usd:
        return "warn_95"
    return "warn_80" if spent_usd >= MOSTLY * budget_usd else "go"


def lease_seconds(
    budget_usd: float | None, spent_usd: float, per_hour_usd: float, max_hours: float | None, *, timings: EngineTimings
) -> float:
    """Return the seconds a lease may last at most: the guard on the machine ends it then, whatever becomes of us.

    From then to the end of the bill it may take ``release_seconds``, which the budget still has to pay.
    """
    limits = [7 * 24 * 3600.0]
    if budget_usd is not None and per_hour_usd > 0:
        limits.append(max(LEAST_SECONDS, (budget_usd - spent_usd) / per_hour_usd * 3600 - timings.release_seconds))
    if max_hours:
        limits.append(max_hours * 3600 + 2 * timings.finish_seconds)
    return min(limits)
