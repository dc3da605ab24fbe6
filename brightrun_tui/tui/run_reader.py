"""Runs as the store has them, read again only where they changed, and the few numbers of each that its record does not hold."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.store import Database, metrics, runs
from brightrun_tui.store.runs import DamagedRun

AT_ONCE = 25
"""Records that are checked before something else gets its turn: a thousand take a fifth of a second."""
FIRST = 40
"""Ended runs, the newest ones, of the first picture: more than a screen shows. The others follow."""
TREND_POINTS = 20


@dataclass(frozen=True)
class Vitals:
    """What the list shows of a run beside its record.

    Args:
        learning_rate: of the newest step.
        train_trend, eval_trend: change of the newer half of the last points against the older half, as a part of it.
        heard_at: when the newest training step came, in seconds since the epoch; None before the first.
    """

    learning_rate: float | None = None
    train_trend: float | None = None
    eval_trend: float | None = None
    heard_at: float | None = None


NO_VITALS = Vitals()


class RunReader:
    """Remembers what it has read; `read` brings it up to date."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._stamps: Mapping[str, tuple[str, float]] = {}
        self._known: dict[str, Run | DamagedRun] = {}
        self._vitals: dict[str, Vitals] = {}
        self.more = 0
        """Ended runs that have not been read yet."""

    async def read(
        self, first: Collection[str] = ()
    ) -> tuple[tuple[Run, ...], tuple[DamagedRun, ...], Mapping[str, Vitals]]:
        """Return every run, newest first, those that cannot be read apart from them, and vitals by id of the active ones.

        The first time, of those that have ended, the newest and those named ``first`` are enough; then there are ``more``.
        """
        everything = await runs.stamps(self._db)
        stamps = everything if self._stamps else _first_of(everything, first)
        self.more = len(everything) - len(stamps)
        changed = [id_ for id_, stamp in stamps.items() if self._stamps.get(id_) != stamp]
        for start in range(0, len(changed), AT_ONCE):
            for found in await runs.read_some(self._db, changed[start : start + AT_ONCE]):
                self._known[found.id] = found
            await asyncio.sleep(0)
        self._known = {id_: self._known[id_] for id_ in stamps if id_ in self._known}
        self._stamps = stamps
        whole = tuple(run for run in self._known.values() if isinstance(run, Run))
        damaged = tuple(run for run in self._known.values() if isinstance(run, DamagedRun))
        active = {run.id for run in whole if run.active}
        self._vitals = {id_: known for id_, known in self._vitals.items() if id_ in active}
        for run in whole:
            if run.id in active and run.id in changed:
                self._vitals[run.id] = await self._read_vitals(run)
        return whole, damaged, dict(self._vitals)

    async def _read_vitals(self, run: Run) -> Vitals:
        train = await metrics.newest(self._db, run.id, "train_loss", TREND_POINTS, run.upto("train_loss"))
        held_out = await metrics.newest(self._db, run.id, "eval_loss", 2, run.upto("eval_loss"))
        rate = await metrics.newest(self._db, run.id, "learning_rate", 1, run.upto("learning_rate"))
        return Vitals(
            learning_rate=rate[-1].value if rate else None,
            train_trend=trend([point.value for point in train]),
            eval_trend=trend([point.value for point in held_out]),
            heard_at=await metrics.heard_at(self._db, run),
        )


def _first_of(stamps: Mapping[str, tuple[str, float]], first: Collection[str]) -> Mapping[str, tuple[str, float]]:
    newest = [id_ for id_, (state, _) in stamps.items() if state in TERMINAL][:FIRST]
    shown = {*newest, *first}
    return {id_: stamp for id_, stamp in stamps.items() if id_ in shown or stamp[0] not in TERMINAL}


def trend(values: Sequence[float | None]) -> float | None:
    """Return the relative change of the newer half's mean against the older half's; None where there are too few."""
    known = [value for value in values if value is not None]
    half = len(known) // 2
    if not half:
        return None
    before, now = sum(known[:half]) / half, sum(known[half:]) / (len(known) - half)
    return (now - before) / max(abs(before), 1e-9)
