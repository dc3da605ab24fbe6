"""Changing a run that is under way: what may be asked, what it does to the record, and how its worker hears of it.

First the record, then the worker: an engine that dies in between tells the next worker when it starts it. The limits are the
engine's own business and hold at once.
"""

from __future__ import annotations

import logging
import time

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.live_change import checked_settings
from brightrun_tui.domain.requests import ChangeRun
from brightrun_tui.domain.run import Run, StopAfter
from brightrun_tui.domain.run_directory import LaterStop
from brightrun_tui.domain.run_states import RunAction
from brightrun_tui.domain.spending import total
from brightrun_tui.orchestrator.clock import add_time
from brightrun_tui.orchestrator.targets import Target
from brightrun_tui.store import Database, leases, runs

log = logging.getLogger(__name__)

REQUESTS: dict[StopAfter, LaterStop] = {"evaluation": "stop-after-evaluation", "epoch": "stop-after-epoch"}


async def change(db: Database, ask: ChangeRun, target: Target | None) -> Run:
    """Take over what was asked. Returns the run with it.

    Raises:
        UsageError: it is too late, nothing was asked, or a value does not fit or is below what is used up already.
    """
    run = await runs.get(db, ask.target)
    _require(run, RunAction.CHANGE, "only a run that has not come to its end can be changed")
    settings = checked_settings(run.spec.settings, ask.settings)
    if "training.epochs" in settings and settings["training.epochs"] <= run.epoch:
        raise UsageError(
            f"{run.epoch:.2f} epochs are done already",
            where="training.epochs",
            fix="give more, or stop the run: brightrun runs stop",
            kind=ErrorKind.BAD_SETTING,
        )
    budget = _positive(ask.budget_usd, "--budget", "US dollars")
    hours = _positive(ask.max_hours, "--time-limit", "hours")
    if not settings and budget is None and hours is None:
        raise UsageError(
            "nothing is to be changed", fix="give --set, --budget or --time-limit", kind=ErrorKind.BAD_SETTING
        )
    if budget is not None:
        await _require_room(db, run, budget)
    if hours is not None and hours * 3600 <= (used := add_time(run).active_seconds):
        raise UsageError(
            f"the run has been at work for {humanize.duration(used)} already",
            where="--time-limit",
            fix="give more, or stop the run: brightrun runs stop",
            kind=ErrorKind.BAD_SETTING,
        )
    run = await runs.add_change(db, run.id, settings=settings, budget_usd=budget, max_hours=hours)
    if settings and target is not None and run.state == "running":
        await _tell(target, run)
    return run


async def stop_later(db: Database, run_id: str, after: str, target: Target | None) -> Run:
    """Let a run end by itself after its next evaluation or at the end of the epoch.

    Raises:
        UsageError: it does not train, or there is no such place.
    """
    place = next((one for one in REQUESTS if one == after), None)
    if place is None:
        raise UsageError(
            f"a run cannot stop after “{after}”",
            where="--after",
            fix=f"one of {', '.join(REQUESTS)}",
            kind=ErrorKind.BAD_SETTING,
        )
    run = await runs.get(db, run_id)
    fix = "stop it now instead, or wait until it trains" if run.active else "only a run that trains can be stopped so"
    _require(run, RunAction.STOP_LATER, fix)
    run = await runs.update(db, run_id, stop_after=place)
    if target is not None and run.state == "running":
        await _tell(target, run)
    return run


async def tell_worker(target: Target, run: Run) -> None:
    """Tell a worker what it must know before it is started. Raises `OSError` on this machine, `BrightrunError` on another one."""
    if any(one.settings for one in run.changes):
        await target.tell_changes(run.changes)
    if run.stop_after:
        await target.ask(REQUESTS[run.stop_after])


async def _tell(target: Target, run: Run) -> None:
    """Tell the worker; what cannot be told now is noted and told to the next one."""
    try:
        await tell_worker(target, run)
    except (OSError, BrightrunError) as error:
        log.warning("run %s: its worker cannot be told (%s)", run.id, error)
        raise BrightrunError(
            "it is on record, but the worker could not be told now",
            where=f"run {run.id}",
            fix="it gets it when it is started again; or ask again",
            kind=ErrorKind.WRONG_STATE,
        ) from error


async def _require_room(db: Database, run: Run, budget: float) -> None:
    """Refuse a budget below what is spent: a budget is a ceiling."""
    spent = total(lease.spending(time.time()) for lease in await leases.list_leases(db, run_id=run.id)).total
    if budget <= max(spent, run.cost_usd):
        raise UsageError(
            f"{humanize.money(max(spent, run.cost_usd))} of it are spent already",
            where="--budget",
            fix="give more, or stop the run: brightrun runs stop",
            kind=ErrorKind.BUDGET_TOO_SMALL,
        )


def _require(run: Run, action: RunAction, fix: str) -> None:
    if not run.permits(action):
        raise UsageError(f"run {run.name} is {run.state}", where=run.id, fix=fix, kind=ErrorKind.WRONG_STATE)


def _positive(given: float | None, where: str, unit: str) -> float | None:
    if given is None or 0 < given < 1e9:
        return given
    raise UsageError(
        f"“{given}” is not a number of {unit} above 0", where=where, fix="such as 5", kind=ErrorKind.BAD_SETTING
    )
