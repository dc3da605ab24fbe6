"""Datasets that a person added, by name."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database


async def add(db: Database, report: DatasetReport) -> None:
    """Remember a checked file under its name; the same name again replaces it."""
    async with db.transaction():
        await db.execute(
            "INSERT INTO datasets (name, path, fingerprint, added_at, doc) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET path = excluded.path, fingerprint = excluded.fingerprint, "
            "added_at = excluded.added_at, doc = excluded.doc",
            (report.name, report.path, report.fingerprint, time.time(), report.model_dump_json()),
        )


async def list_datasets(db: Database) -> list[DatasetReport]:
    """Return the newest first, without those whose record is damaged: see `list_damaged`."""
    stored = await db.all("SELECT doc FROM datasets ORDER BY added_at DESC")
    return [found for row in stored if (found := rows.read(DatasetReport, row["doc"])) is not None]


async def list_damaged(db: Database) -> list[tuple[str, str]]:
    """Return name and path of what `list_datasets` leaves out. Adding the file again mends the record."""
    stored = await db.all("SELECT name, path, doc FROM datasets ORDER BY added_at DESC")
    return [(str(row["name"]), str(row["path"])) for row in stored if rows.read(DatasetReport, row["doc"]) is None]


async def get(db: Database, name: str) -> DatasetReport:
    """Return the dataset of that name.

    Raises:
        UsageError: there is none.
        DamagedRecordError: what is stored of it cannot be read.
    """
    row = await db.one("SELECT path, doc FROM datasets WHERE name = ?", (name,))
    if row is None:
        raise UsageError(
            f"there is no dataset “{name}”", fix="see: brightrun datasets list", kind=ErrorKind.UNKNOWN_DATASET
        )
    found = rows.read(DatasetReport, row["doc"])
    if found is None:
        raise rows.damaged(
            f"dataset {name}", where=str(db.path), fix=f"brightrun datasets add {row['path']} --name {name}"
        )
    return found


def place_of(database: Path, name: str) -> tuple[str, dict[str, str]] | None:
    """Return the file behind an added dataset's name, or where it was fetched from, and how it is read
    (`DatasetReport.columns`); None where nothing is known of it.

    For callers outside an event loop.
    """
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=1)
        try:
            row = connection.execute("SELECT path, doc FROM datasets WHERE name = ?", (name,)).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    if row is None:
        return None
    found = rows.read(DatasetReport, row[1])
    if found is None:
        return str(row[0]), {}
    return found.source or str(row[0]), found.columns
