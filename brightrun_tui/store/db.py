"""The connection: WAL, migrations, transactions, and a cheap way to learn that something changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from brightrun_tui.domain.errors import BrightrunError, StoreError
from brightrun_tui.files import private_directory
from brightrun_tui.store.moving import follow_move
from brightrun_tui.store.schema import MIGRATIONS

BUSY_TIMEOUT_MS = 15_000


class Database:
    """One connection to ``brightrun.db``. Use it from one event loop; transactions are serialised."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self.path = path

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        """Everything inside is committed together, or not at all."""
        async with self._lock:
            try:
                with _plain_errors(self.path):
                    await self._connection.execute("BEGIN IMMEDIATE")
                yield self
                with _plain_errors(self.path):
                    await self._connection.commit()
            except BaseException:  # cancelled while it begins, it has begun all the same; a full disk leaves it open, too
                await self._connection.rollback()
                raise

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> aiosqlite.Cursor:
        with _plain_errors(self.path):
            return await self._connection.execute(sql, parameters)

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with _plain_errors(self.path):
            await self._connection.executemany(sql, rows)

    async def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[aiosqlite.Row]:
        with _plain_errors(self.path):
            return list(await self._connection.execute_fetchall(sql, parameters))

    async def one(self, sql: str, parameters: Sequence[Any] = ()) -> aiosqlite.Row | None:
        rows = await self.all(sql, parameters)
        return rows[0] if rows else None

    async def data_version(self) -> int:
        """Changes whenever another connection has committed; costs microseconds."""
        row = await self.one("PRAGMA data_version")
        return int(row[0]) if row else 0

    async def close(self) -> None:
        await self._connection.close()


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Database]:
    """Open, creating and migrating as needed, and following a data directory that was moved.

    Raises:
        BrightrunError: the place cannot be written, the disk is full, or the file is newer than this program.
    """
    with _plain_errors(path):
        private_directory(path.parent)
        connection = await aiosqlite.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        with _plain_errors(path):
            connection.row_factory = sqlite3.Row
            await connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = FULL")
            await connection.execute("PRAGMA foreign_keys = ON")
        database = Database(connection, path)
        await _migrate(database)
        await follow_move(database)
        yield database
    finally:
        await connection.close()


async def _migrate(db: Database) -> None:
    row = await db.one("PRAGMA user_version")
    version = int(row[0]) if row else 0
    if version > len(MIGRATIONS):
        raise BrightrunError("the data was written by a newer brightrun", where=str(db.path),
                             fix="upgrade brightrun, or set BRIGHTRUN_HOME to another directory", kind="newer_data")
    if version == len(MIGRATIONS):
        return
    async with db.transaction():
        row = await db.one("PRAGMA user_version")
        for number in range(int(row[0]) if row else 0, len(MIGRATIONS)):
            for statement in MIGRATIONS[number]:
                await db.execute(statement)
        await db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


class _plain_errors:
    """Turns what SQLite and the file system say into one plain error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise BrightrunError(f"cannot write here ({error.strerror or error})", where=str(self.path.parent),
                                 fix="set BRIGHTRUN_HOME to a directory you can write", kind="home_not_writable") from None
        if not isinstance(error, sqlite3.Error):
            return
        text = str(error)
        if "full" in text or "disk I/O error" in text:
            raise StoreError("the disk is full", where=str(self.path.parent),
                             fix="free some space, or set BRIGHTRUN_HOME to a larger disk", kind="disk_full") from None
        if "locked" in text or "busy" in text:
            raise StoreError("another program keeps the database locked", where=str(self.path),
                             fix="wait until it is done, or end it (a backup, a database browser)", kind="store_busy") from None
        if "readonly" in text or "unable to open" in text:
            raise StoreError(f"cannot write the database ({text})", where=str(self.path),
                             fix="set BRIGHTRUN_HOME to a directory you can write", kind="home_not_writable") from None
        if "not a database" in text or "malformed" in text:
            raise BrightrunError(f"the database is damaged ({text})", where=str(self.path),
                                 fix="move the file away; run directories and models stay", kind="damaged_data") from None
