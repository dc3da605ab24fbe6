"""What a run may still spend, looked at while it is on: the cost so far on record, and what the budget demands."""

from __future__ import annotations

import time

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain import humanize
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator import budget, run_budget
from brightrun_tui.orchestrator.lifecycle import Signal
from brightrun_tui.orchestrator.notices import Notices, with_notice
from brightrun_tui.orchestrator.targets import Target
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, runs

COUNT_SECONDS = 1.0


class Allowance:
    """Of one run at one place."""

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, target: Target, limits: MoneyLimits) -> None:
        self._db, self._timings, self._target = db, timings, target
        self._money = run_budget.LiveLimits(paths, limits)
        self._counted_at = float("-inf")

    async def demand(self, run: Run) -> Signal | None:
        """Put the cost so far on record, and say what the budget demands; at most once a second."""
        if time.monotonic() - self._counted_at < COUNT_SECONDS:
            return None
        self._counted_at = time.monotonic()
        per_hour, now = await self._target.price_per_hour(), await run_budget.look(self._db, self._money.now(), run)
        if not per_hour and now.spent == run.cost_usd:
            return None
        verdict = budget.judge_spending(
            now.spent,
            per_hour,
            now.ceiling,
            finish_seconds=self._timings.finish_seconds,
            release_seconds=self._timings.release_seconds,
        )
        run = await runs.get(self._db, run.id)  # others have had time to say something
        notices = (
            _with_first_step(run, _with_verdict(run, verdict, now), now)
            if per_hour
            else _with_verdict(run, verdict, now)
        )
        if notices == run.notices:
            await runs.update(self._db, run.id, cost_usd=now.spent)
        else:
            await runs.update(self._db, run.id, cost_usd=now.spent, notices=notices)
        if verdict == "release":
            return "budget_spent"
        return "stop_asked" if verdict == "finish" and run.state in ("running", "pausing") else None


def _with_verdict(run: Run, verdict: budget.BudgetVerdict, now: run_budget.RunBudget) -> Notices:
    """Return the run's notices with one about the money, the first time a verdict is passed."""
    if verdict == "go":
        return run.notices
    what = "what this month's limit leaves to the run" if now.monthly else "the budget"
    words = {
        **{warned: f"{humanize.percent(part)} of {what} is spent" for warned, part in budget.WARNED_AT.items()},
        "finish": f"{what} is nearly spent: the run is ended in order",
        "release": f"{what} is spent",
    }
    return with_notice(
        run,
        NoticeCode(f"budget_{verdict}"),
        f"{words[verdict]} ({humanize.money(now.spent)} of {humanize.money(max(0.0, now.ceiling or 0.0))})",
    )


def _with_first_step(run: Run, notices: Notices, now: run_budget.RunBudget) -> Notices:
    """Return those notices with one about how long it took, and what it cost, until the first step of a run on a rented
    machine.
    """
    if not run.step:
        return notices
    after = humanize.duration(time.time() - run.created_at)
    first = f"the first step came {after} after the run was asked for; {humanize.money(now.spent)} were spent by then"
    return with_notice(run.model_copy(update={"notices": notices}), NoticeCode.FIRST_STEP, first, Level.INFO)
