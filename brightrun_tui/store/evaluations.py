"""What versions were measured to be worth, besides their report cards."""

from __future__ import annotations

from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database


async def keep(db: Database, found: Evaluation) -> None:
    """Keep it; one of the same run is replaced."""
    async with db.transaction():
        await db.execute(
            "INSERT OR REPLACE INTO evaluations (run_id, name, version, created_at, doc) VALUES (?, ?, ?, ?, ?)",
            (found.run_id, found.name, found.model_version, found.created_at, found.model_dump_json()),
        )


async def of_version(db: Database, name: str, version: int) -> list[Evaluation]:
    """Return those of one version that can be read, newest first."""
    stored = await db.all(
        "SELECT doc FROM evaluations WHERE name = ? AND version = ? ORDER BY created_at DESC", (name, version)
    )
    return [found for row in stored if (found := rows.read(Evaluation, row["doc"]))]


async def by_run(db: Database, run_id: str) -> Evaluation | None:
    """Return what a run has measured."""
    row = await db.one("SELECT doc FROM evaluations WHERE run_id = ?", (run_id,))
    return rows.read(Evaluation, row["doc"]) if row else None


async def ids(db: Database) -> list[str]:
    """Return the runs that measured something, newest first."""
    stored = await db.all("SELECT run_id FROM evaluations ORDER BY created_at DESC")
    return [str(row["run_id"]) for row in stored]


async def list_all(db: Database) -> list[Evaluation]:
    """Return every one that can be read, newest first."""
    stored = await db.all("SELECT doc FROM evaluations ORDER BY created_at DESC")
    return [found for row in stored if (found := rows.read(Evaluation, row["doc"]))]
