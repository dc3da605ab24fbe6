"""Datasets that a person added, by name."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.store.db import Database


async def add(db: Database, report: DatasetReport) -> None:
    """Remember a checked file under its name; the same name again replaces it."""
    async with db.transaction():
        await db.execute("INSERT INTO datasets (name, path, fingerprint, added_at, doc) VALUES (?, ?, ?, ?, ?) "
                         "ON CONFLICT (name) DO UPDATE SET path = excluded.path, fingerprint = excluded.fingerprint, "
                         "added_at = excluded.added_at, doc = excluded.doc",
                         (report.name, report.path, report.fingerprint, time.time(), report.model_dump_json()))


async def list_datasets(db: Database) -> list[DatasetReport]:
    """Newest first."""
    rows = await db.all("SELECT doc FROM datasets ORDER BY added_at DESC")
    return [DatasetReport.model_validate_json(row["doc"]) for row in rows]


async def get(db: Database, name: str) -> DatasetReport:
    """Raises `UsageError` when there is none."""
    row = await db.one("SELECT doc FROM datasets WHERE name = ?", (name,))
    if row is None:
        raise UsageError(f"there is no dataset “{name}”", fix="see: brightrun datasets list", kind="unknown_dataset")
    return DatasetReport.model_validate_json(row["doc"])


def path_of(database: Path, name: str) -> str | None:
    """The file behind an added dataset's name, for callers outside an event loop; None where nothing is known of it."""
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=1)
        try:
            row = connection.execute("SELECT path FROM datasets WHERE name = ?", (name,)).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None
