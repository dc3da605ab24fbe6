"""Curves: one row a run, name and step; beside them the least, greatest and mean value of every `BUCKET` steps.

A bucket is made anew from its points whenever one of them is written, so a step that is trained again leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import aiosqlite

from brightrun_tui.domain.run import Run
from brightrun_tui.store import rows as records
from brightrun_tui.store.db import Database


@dataclass(frozen=True)
class Point:
    """One value of a curve. ``value`` is None where the worker saw NaN or infinity."""

    name: str
    step: int
    value: float | None
    time: float


BUCKET = 256
"""Steps of a bucket; the schema has it, too."""
LONG = 8_192
"""Points of one curve from which on `overview` answers with buckets."""

CurveEntry = tuple[int, float, float, float, int, float]
"""Neighbours taken together: first step, least, greatest and mean value, how many, time of the first."""
_GAP = float("nan")


@dataclass(frozen=True)
class Changes:
    """Points written since the last look, and the mark to look from next time."""

    mark: int = 0
    points: list[Point] = field(default_factory=list)


async def changes(db: Database, run_id: str, mark: int = 0) -> Changes:
    """Return everything written after ``mark`` (0: from the beginning). A step trained again comes again, with its new value.

    The newest rows are looked through by their number: by run it would be every point that the run has ever had.
    """
    rows = await db.all(
        "SELECT change, name, step, value, time FROM metrics NOT INDEXED WHERE run_id = ? AND change > ? ORDER BY change",
        (run_id, mark),
    )
    return Changes(rows[-1]["change"] if rows else mark, _points(rows))


async def series(db: Database, run_id: str, name: str, upto: int | None = None) -> list[Point]:
    """Return one curve, by step, up to what the run has reached (None: all that was ever written). What a run that went back to a
    checkpoint has behind that was not learnt by what it is now.
    """
    rows = await db.all(
        """SELECT name, step, value, time FROM metrics WHERE run_id = ? AND name = ? AND step <= coalesce(?, step)
            ORDER BY step""",
        (run_id, name, upto),
    )
    return _points(rows)


async def names(db: Database, run_id: str) -> list[str]:
    """Return the names of its curves in alphabetical order, going from one to the next in the index, however many
    points each has.
    """
    rows = await db.all(
        """WITH RECURSIVE found (name) AS (
            SELECT min(name) FROM metrics WHERE run_id = ?
            UNION ALL
            SELECT (SELECT min(name) FROM metrics WHERE run_id = ? AND name > found.name) FROM found
            WHERE found.name IS NOT NULL)
            SELECT name FROM found WHERE name IS NOT NULL""",
        (run_id, run_id),
    )
    return [str(row["name"]) for row in rows]


async def newest(db: Database, run_id: str, name: str, count: int, upto: int) -> list[Point]:
    """Return the last ``count`` points of one curve, by step, up to a step: a run that went back to a checkpoint has older
    ones behind the step at which it is.
    """
    rows = await db.all(
        "SELECT name, step, value, time FROM metrics WHERE run_id = ? AND name = ? AND step <= ? ORDER BY step DESC LIMIT ?",
        (run_id, name, upto, count),
    )
    return _points(reversed(rows))


async def heard_at(db: Database, run: Run) -> float | None:
    """Say when a run at work was last heard of: by a step while it trains, else by what its machine does, which a worker tells
    all the time, and in any case by a phase that began or went on. None where nothing is known yet.
    """
    found = await newest(db, run.id, "train_loss" if run.trains else "process_memory", 1, run.step)
    phase = await db.one(
        "SELECT time FROM events WHERE run_id = ? AND kind = 'phase' ORDER BY seq DESC LIMIT 1", (run.id,)
    )
    return max([*(point.time for point in found), *([float(phase["time"])] if phase and found else [])], default=None)


async def refresh_buckets(db: Database, run_id: str, written: Iterable[tuple[str, int]]) -> None:
    """Make the buckets of these names and steps anew, inside a transaction of the caller."""
    await db.executemany(
        """INSERT OR REPLACE INTO metric_buckets SELECT run_id, name, step / 256, min(step), min(value), max(value),
            avg(value), count(*), min(time) FROM metrics WHERE run_id = ? AND name = ? AND step BETWEEN ? AND ?
            GROUP BY run_id, name, step / 256""",
        [
            (run_id, name, bucket * BUCKET, bucket * BUCKET + BUCKET - 1)
            for name, bucket in sorted({(name, step // BUCKET) for name, step in written})
        ],
    )


async def overview(db: Database, run_id: str) -> tuple[int, dict[str, list[CurveEntry]]]:
    """Return the mark to ask for `changes` from, and every curve: point by point, or where it is long in buckets."""
    row = await db.one("SELECT seq FROM sqlite_sequence WHERE name = 'metrics'")
    mark = int(row[0]) if row else 0
    found = await db.all(
        "SELECT name, sum(count) AS points FROM metric_buckets WHERE run_id = ? GROUP BY name", (run_id,)
    )
    curves: dict[str, list[CurveEntry]] = {}
    for name, points in [(str(row["name"]), int(row["points"])) for row in found]:
        if points > LONG:
            rows = await db.all(
                """SELECT step, low, high, mean, count, time FROM metric_buckets WHERE run_id = ? AND name = ?
                    ORDER BY bucket""",
                (run_id, name),
            )
        else:
            rows = await db.all(
                """SELECT step, value AS low, value AS high, value AS mean, 1 AS count, time FROM metrics
                    WHERE run_id = ? AND name = ? ORDER BY step""",
                (run_id, name),
            )
        curves[name] = _entries(rows)
    return mark, curves


async def between(db: Database, run_id: str, name: str, first: int, last: int, most: int) -> list[CurveEntry]:
    """Return one curve from one step to another, in ``most`` entries at most."""
    width = max(1, -(-(last - first + 1) // most))
    rows = await db.all(
        """SELECT min(step) AS step, min(value) AS low, max(value) AS high, avg(value) AS mean, count(*) AS count,
            min(time) AS time FROM metrics WHERE run_id = ? AND name = ? AND step BETWEEN ? AND ?
            GROUP BY (step - ?) / ? ORDER BY step""",
        (run_id, name, first, last, first, width),
    )
    return _entries(rows)


async def gaps(db: Database, run_id: str, name: str, most: int) -> list[int]:
    """Return the first steps at which the worker saw NaN or infinity."""
    rows = await db.all(
        "SELECT step FROM metrics WHERE run_id = ? AND name = ? AND value IS NULL ORDER BY step LIMIT ?",
        (run_id, name, most),
    )
    return [row["step"] for row in rows if isinstance(row["step"], int)]


def _points(found: Iterable[aiosqlite.Row]) -> list[Point]:
    """Return the points of readable rows: a value that is not a number is a gap, a step that is not one is left out."""
    return [
        Point(
            str(row["name"]),
            row["step"],
            float(row["value"]) if isinstance(row["value"], int | float) else None,
            records.number(row["time"]),
        )
        for row in found
        if isinstance(row["step"], int)
    ]


def _entries(found: Iterable[aiosqlite.Row]) -> list[CurveEntry]:
    """Return the same of neighbours taken together."""
    return [_entry(row) for row in found if isinstance(row["step"], int)]


def _entry(row: aiosqlite.Row) -> CurveEntry:
    low, high, mean = (
        float(row[part]) if isinstance(row[part], int | float) else _GAP for part in ("low", "high", "mean")
    )
    return row["step"], low, high, mean, int(row["count"]), records.number(row["time"])
