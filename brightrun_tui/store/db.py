"""The connection: transactions, patience with a locked database, and a cheap way to learn that something changed.

A database that another program keeps locked (a backup, a database browser) is waited for, here and nowhere else: every
statement is tried again for `PATIENCE_SECONDS`, and whoever opened the database is told once. Then it is a `StoreError`, as a
full disk is at once: nothing was changed, and waiting helps.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from brightrun_tui.domain.disk import WRITABLE_HOME, disk_full_as, nearly_full
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, StoreError, UsageError
from brightrun_tui.domain.limits import LENGTH, Shortage, file_may_grow, shortage
from brightrun_tui.files import identity

T = TypeVar("T")

PATIENCE_SECONDS = 15.0
BUSY_MS = 200
"""How long SQLite itself waits before we hear of it: one look at a cancelled task takes no longer."""
SAY_SECONDS = 1.0
_ANOTHER_SCHEMA = ("no such table", "no such column", "already exists")
"""What SQLite says of a database that is not ours, or has lost a part."""
_FILES_OF_A_DATABASE = 4
"""Itself, its log, its index, and the directory."""
LOCKED = "another program keeps the database locked"


class Database:
    """One connection to ``brightrun.db``. Use it from one event loop; transactions are serialised.

    ``patience`` is in seconds. ``waits`` is called with a sentence, once for each time that the database is locked for long.
    """

    def __init__(
        self,
        connection: aiosqlite.Connection,
        path: Path,
        *,
        patience: float = PATIENCE_SECONDS,
        waits: Callable[[str], None] | None = None,
    ) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self.path = path
        self.patience = patience
        self._waits = waits
        self._told = False
        self._file = identity(path)

    def note_file(self) -> None:
        """Take the file at ``path`` for the one that this connection has open."""
        self._file = identity(self.path)

    def was_taken_away(self) -> bool:
        """Say whether the file was deleted, or another one is in its place: nobody else sees what is written here any longer.

        Not where its directory is gone as well: then there is no other place to go on at.
        """
        return self.path.parent.is_dir() and self.has_left()

    def has_left(self) -> bool:
        """Say whether the file is no longer at its place, its directory perhaps neither: what is written goes on in it, wherever
        that is now.
        """
        return identity(self.path) != self._file

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        """Commit everything inside together, or nothing."""
        async with self._lock:
            try:
                await self._patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"))
                yield self
                await self._patiently(self._connection.commit)
            except (
                BaseException
            ):  # cancelled while it begins, it has begun all the same; a full disk leaves it open, too
                await self._connection.rollback()
                raise

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Do it to its end: a statement that is still under way somewhere keeps its transaction from being committed."""
        await self._patiently(lambda: self._connection.execute_fetchall(sql, parameters))

    async def insert(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Return the id of the row that it puts in."""
        row = await self._patiently(lambda: self._connection.execute_insert(sql, parameters))
        return int(row[0]) if row else 0

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        many = list(rows)
        await self._patiently(lambda: self._connection.executemany(sql, many))

    async def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[aiosqlite.Row]:
        return list(await self._patiently(lambda: self._connection.execute_fetchall(sql, parameters)))

    async def one(self, sql: str, parameters: Sequence[Any] = ()) -> aiosqlite.Row | None:
        rows = await self.all(sql, parameters)
        return rows[0] if rows else None

    async def data_version(self) -> int:
        """Return a number that changes whenever another connection has committed; costs microseconds."""
        row = await self.one("PRAGMA data_version")
        return int(row[0]) if row else 0

    async def close(self) -> None:
        await self._connection.close()

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Do something with the connection, again and again as long as the database is locked."""
        try:
            try:
                done = await call()
            except sqlite3.OperationalError as error:
                if not _is_locked(error):
                    raise
                done = await self._outwait(call)
        except sqlite3.Error as error:
            if (plain := plain_error(error, self.path)) is None:
                raise
            raise plain from None
        except (UnicodeEncodeError, OverflowError):
            raise UsageError(
                "nothing here has such a name or number",
                fix="names are text in UTF-8, numbers have 18 digits at most",
                kind=ErrorKind.BAD_NAME,
            ) from None
        self._told = False
        return done

    async def _outwait(self, call: Callable[[], Awaitable[T]]) -> T:
        import tenacity  # only where it is needed: most calls of the command line never wait

        async def one_more() -> T:
            return await call()

        def tell(attempt: tenacity.RetryCallState) -> None:
            if (attempt.seconds_since_start or 0.0) > SAY_SECONDS and not self._told and self._waits is not None:
                self._told = True
                self._waits(f"{LOCKED}; waiting for it")

        again = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_is_locked),
            stop=tenacity.stop_after_delay(self.patience),
            wait=tenacity.wait_random_exponential(0.02, max=0.5),
            before_sleep=tell,
            reraise=True,
        )
        return await again(one_more)


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _name(error: sqlite3.Error) -> str:
    """Return SQLite's name for what happened; empty for what the Python module found itself."""
    return str(getattr(error, "sqlite_errorname", ""))


def _no_more_files() -> Shortage | None:
    """Ask the system whether a database can be opened at all: SQLite does not hand on why it could not, and closes what it
    had opened.
    """
    try:
        with ExitStack() as opened:
            for _ in range(_FILES_OF_A_DATABASE):
                opened.enter_context(open(os.devnull, "rb"))
    except OSError as error:
        return shortage(error)
    return None


def plain_error(error: sqlite3.Error, path: Path) -> BrightrunError | None:
    """Return what SQLite said, in words; None if it is a fault of ours."""
    name = _name(error)
    if _is_locked(error):
        return StoreError(
            LOCKED,
            where=str(path),
            fix="wait until it is done, or end it (a backup, a database browser)",
            kind=ErrorKind.STORE_BUSY,
        )
    if name.startswith("SQLITE_IOERR") and not file_may_grow():
        return LENGTH.error(StoreError, str(path))
    if name.startswith("SQLITE_CANTOPEN") and (short := _no_more_files()):
        return short.error(StoreError, str(path))
    if name.startswith("SQLITE_FULL") or (name.startswith("SQLITE_IOERR") and nearly_full(path.parent)):
        return disk_full_as(StoreError, path.parent)
    if name.startswith("SQLITE_IOERR") and not name.endswith("SHORT_READ"):
        return StoreError(
            f"the disk does not read or write the database ({error})",
            where=str(path),
            fix=f"look at that disk, and at what you may use of it; or {WRITABLE_HOME}",
            kind=ErrorKind.HOME_NOT_WRITABLE,
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StoreError(
            f"cannot write the database ({error})", where=str(path), fix=WRITABLE_HOME, kind=ErrorKind.HOME_NOT_WRITABLE
        )
    of_others = name == "SQLITE_ERROR" and any(words in str(error) for words in _ANOTHER_SCHEMA)
    if of_others or name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT")):
        return BrightrunError(
            f"the database is damaged ({error})",
            where=str(path),
            fix="move the file away; run directories and models stay",
            kind=ErrorKind.DAMAGED_DATA,
        )
    return None
