"""What is put on record of a worker that is at work: for how long it has been, and whether it still shows life."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from brightrun_tui.domain import humanize
from brightrun_tui.domain.alerts import ALERT_CODES, LOOKED_AT, Numbers, find_alerts
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.domain.notification import told_of
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator.clock import add_time
from brightrun_tui.orchestrator.notices import with_notice, without_notice
from brightrun_tui.store import Database, leases, metrics, notifications, runs

NOTE_SECONDS = 5.0
"""Between two notes of how long a run has been at work."""
TOLD_SECONDS = 3600.0
"""The same trouble of a run is told once in such a stretch of time, however often it comes and goes."""
SAID_OTHERWISE = frozenset({"budget", "still_billing"})
"""What the engine has notices of its own for."""


async def note_time(db: Database, run: Run) -> Run:
    """Count how long a worker has been at it; written down from time to time."""
    counted = add_time(run)
    if run.counted_at is not None and counted.active_seconds - run.active_seconds < NOTE_SECONDS:
        return run
    return await runs.update(db, run.id, active_seconds=counted.active_seconds, counted_at=counted.counted_at)


async def note_stuck(db: Database, run: Run, silent: float, limit: float) -> Run:
    """Say that a worker without a sign of life for more than ``limit`` seconds is stuck, and take it back when it moves."""
    stuck = silent > limit
    if stuck == any(notice.code == NoticeCode.STUCK for notice in run.notices):
        return run
    words = (
        f"no sign of life for {humanize.span(silent)}: it says nothing and computes nothing; a stop ends it in any case"
    )
    return await runs.update(
        db,
        run.id,
        notices=with_notice(run, NoticeCode.STUCK, words) if stuck else without_notice(run, NoticeCode.STUCK),
    )


async def note_alerts(db: Database, run: Run) -> Run:
    """Put on record what the numbers of a run that trains say is wrong, tell people of it, and take back what is right again."""
    now = time.time()
    found = [one for one in find_alerts(run, await _numbers(db, run, now)) if one.code not in SAID_OTHERWISE]
    notices = tuple(
        one for one in run.notices if one.code not in ALERT_CODES or any(one.code == alert.code for alert in found)
    )
    for alert in found:
        if all(one.code != alert.code for one in notices):
            words = f"{alert.what} ({alert.evidence})"
            notices = with_notice(run.model_copy(update={"notices": notices}), alert.code, words, alert.level)
            stretch = f"run {run.id} {alert.code} {run.attempts} {now // TOLD_SECONDS:.0f}"
            await notifications.add(db, replace(told_of(run, alert.code, alert.level, words, now), key=stretch))
    return run if notices == run.notices else await runs.update(db, run.id, notices=notices)


async def _numbers(db: Database, run: Run, now: float) -> Numbers:
    train, held_out, gradient, load = [
        await metrics.newest(db, run.id, name, LOOKED_AT, run.upto(name))
        for name in ("train_loss", "eval_loss", "grad_norm", "utilisation")
    ]
    return Numbers(
        now=now,
        heard_at=await metrics.heard_at(db, run),
        train=_points(train),
        held_out=_points(held_out),
        gradient=_points(gradient),
        load=[value for _, value in _points(load)],
        leases=await leases.list_leases(db, run_id=run.id, open_only=True),
    )


def _points(entries: list[metrics.Point]) -> list[tuple[int, float]]:
    return [(one.step, math.nan if one.value is None else one.value) for one in entries]


def overtime(run: Run) -> bool:
    """Say whether its time limit is over."""
    limit = run.limits.max_hours
    return bool(limit and add_time(run).active_seconds > limit * 3600)
