"""Whether a run of a sweep is so far behind the others that it is stopped early."""

from __future__ import annotations

from brightrun_tui.domain.halving import Entrant, comparable, falls_behind
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator.notices import with_notice
from brightrun_tui.store import Database, metrics, runs


class Halving:
    """Looks at one run, each time that it was measured anew. One that was stopped so and is tried again is left alone."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seen = 0

    async def stops(self, run: Run) -> bool:
        """Say whether it is to end now; why stands among its notices then."""
        if not run.spec.stop_worst or any(notice.code == NoticeCode.STOPPED_EARLY for notice in run.notices):
            return False
        measured = await metrics.newest(self._db, run.id, "eval_loss", 1, run.upto("eval_loss"))
        if not measured or measured[0].step <= self._seen:
            return False
        self._seen = measured[0].step
        others = [one for one in await runs.list_runs(self._db) if one.id != run.id and comparable(run, one)]
        behind = falls_behind(await self._entrant(run), [await self._entrant(one) for one in others])
        if behind is None:
            return False
        await runs.update(
            self._db, run.id, notices=with_notice(run, NoticeCode.STOPPED_EARLY, behind.words, Level.INFO)
        )
        return True

    async def _entrant(self, run: Run) -> Entrant:
        return Entrant(
            run.total_steps,
            [
                (point.step, point.value)
                for point in await metrics.series(self._db, run.id, "eval_loss", run.upto("eval_loss"))
            ],
        )
