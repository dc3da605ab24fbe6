"""Curves: one row a run, name and step."""

from __future__ import annotations

from dataclasses import dataclass, field

from brightrun_tui.store.db import Database


@dataclass(frozen=True)
class Point:
    """One value of a curve. ``value`` is None where the worker saw NaN or infinity."""

    name: str
    step: int
    value: float | None
    time: float


@dataclass(frozen=True)
class Changes:
    """Points written since the last look, and the mark to look from next time."""

    mark: int = 0
    points: list[Point] = field(default_factory=list)


async def changes(db: Database, run_id: str, mark: int = 0) -> Changes:
    """Everything written after ``mark`` (0: from the beginning). A step trained again comes again, with its new value."""
    rows = await db.all(
        "SELECT change, name, step, value, time FROM metrics WHERE run_id = ? AND change > ? ORDER BY change",
        (run_id, mark),
    )
    return Changes(
        rows[-1]["change"] if rows else mark,
        [Point(row["name"], row["step"], row["value"], row["time"]) for row in rows],
    )


async def series(db: Database, run_id: str, name: str) -> list[Point]:
    """One curve, by step."""
    rows = await db.all(
        "SELECT step, value, time FROM metrics WHERE run_id = ? AND name = ? ORDER BY step", (run_id, name)
    )
    return [Point(name, row["step"], row["value"], row["time"]) for row in rows]


async def names(db: Database, run_id: str) -> list[str]:
    rows = await db.all("SELECT DISTINCT name FROM metrics WHERE run_id = ? ORDER BY name", (run_id,))
    return [row["name"] for row in rows]


async def newest(db: Database, run_id: str, name: str, count: int) -> list[Point]:
    """The last ``count`` points of one curve, by step."""
    rows = await db.all(
        "SELECT step, value, time FROM metrics WHERE run_id = ? AND name = ? ORDER BY step DESC LIMIT ?",
        (run_id, name, count),
    )
    return [Point(name, row["step"], row["value"], row["time"]) for row in reversed(rows)]
