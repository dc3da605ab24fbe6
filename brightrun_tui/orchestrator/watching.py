"""What is put on record of a worker that is at work: for how long it has been, and whether it still shows life."""

from __future__ import annotations

from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator.clock import add_time
from brightrun_tui.orchestrator.notices import with_notice, without_notice
from brightrun_tui.store import Database, runs

NOTE_SECONDS = 5.0
"""Between two notes of how long a run has been at work."""


async def note_time(db: Database, run: Run) -> Run:
    """Count how long a worker has been at it; written down from time to time."""
    counted = add_time(run)
    if run.counted_at is not None and counted.active_seconds - run.active_seconds < NOTE_SECONDS:
        return run
    return await runs.update(db, run.id, active_seconds=counted.active_seconds, counted_at=counted.counted_at)


async def note_stuck(db: Database, run: Run, silent: float, limit: float) -> Run:
    """Say that a worker without a sign of life for more than ``limit`` seconds is stuck, and take it back when it moves."""
    stuck = silent > limit
    if stuck == any(notice.code == "stuck" for notice in run.notices):
        return run
    words = (
        f"no sign of life for {silent / 60:.0f} min: it says nothing and computes nothing; a stop ends it in any case"
    )
    return await runs.update(
        db, run.id, notices=with_notice(run, "stuck", words) if stuck else without_notice(run, "stuck")
    )


def overtime(run: Run) -> bool:
    """Whether its time limit is over."""
    limit = run.limits.max_hours
    return bool(limit and add_time(run).active_seconds > limit * 3600)
