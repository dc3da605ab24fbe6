"""Opening the database: WAL, migrations, and a data directory that was moved."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite

from brightrun_tui.domain.disk import WRITABLE_HOME
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, StoreError
from brightrun_tui.files import private_directory
from brightrun_tui.store.db import BUSY_MS, PATIENCE_SECONDS, Database, plain_error
from brightrun_tui.store.moving import follow_move
from brightrun_tui.store.schema import MIGRATIONS


@asynccontextmanager
async def open_database(
    path: Path, *, patience: float = PATIENCE_SECONDS, waits: Callable[[str], None] | None = None
) -> AsyncIterator[Database]:
    """Open, creating and migrating as needed, and following a data directory that was moved.

    Raises:
        StoreError: the place cannot be written, the disk is full, or the database stays locked.
        BrightrunError: the file is damaged, or newer than this program.
    """
    try:
        private_directory(path.parent)
        asked = aiosqlite.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
        connection = await asked
    except OSError as error:
        raise StoreError(
            f"cannot write here ({error.strerror or error})",
            where=str(path.parent),
            fix=WRITABLE_HOME,
            kind=ErrorKind.HOME_NOT_WRITABLE,
        ) from None
    except sqlite3.Error as error:
        await asyncio.to_thread(asked._thread.join)  # its last word must not come after the event loop has ended
        raise plain_error(error, path) or error from None
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = _text
        database = Database(connection, path, patience=patience, waits=waits)
        await database.execute("PRAGMA journal_mode = WAL")
        await database.execute("PRAGMA synchronous = FULL")
        await database.execute("PRAGMA foreign_keys = ON")
        await _migrate(database)
        database.note_file()
        await follow_move(database)
        yield database
    finally:
        await connection.close()


async def _migrate(db: Database) -> None:
    row = await db.one("PRAGMA user_version")
    version = int(row[0]) if row else 0
    if version > len(MIGRATIONS):
        raise BrightrunError(
            "the data was written by a newer brightrun",
            where=str(db.path),
            fix="upgrade brightrun, or set BRIGHTRUN_HOME to another directory",
            kind=ErrorKind.NEWER_DATA,
        )
    if version == len(MIGRATIONS):
        return
    async with db.transaction():
        row = await db.one("PRAGMA user_version")
        for number in range(int(row[0]) if row else 0, len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                await db.execute(statement)
        await db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _text(stored: bytes) -> str:
    """Decode a text. A damaged one does not stop the reading of others; whoever reads it sees that it is damaged."""
    return stored.decode("utf-8", "replace")
