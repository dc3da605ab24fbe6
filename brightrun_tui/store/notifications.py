"""What is worth telling people, and which channel has told it: written in the very transaction that changes what it is about."""

from __future__ import annotations

import time
from collections.abc import Iterable

import aiosqlite

from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database

KEPT = 2000
"""The newest so many stay in the history."""
_LATEST = 200


async def write(db: Database, news: Iterable[Notification]) -> None:
    """Put on record, inside a transaction of the caller; what is known by its key already is left out."""
    for one in news:
        await db.execute(
            "INSERT OR IGNORE INTO notifications (key, time, kind, level, code, run_id, run_name, model, message) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (one.key, one.time, one.kind, one.level, one.code, one.run_id, one.run_name, one.model, one.message),
        )
    await db.execute("DELETE FROM notifications WHERE id <= (SELECT max(id) FROM notifications) - ?", (KEPT,))


async def add(db: Database, one: Notification) -> None:
    """Write them, as `write` does, in a transaction of its own."""
    async with db.transaction():
        await write(db, [one])


async def latest(db: Database, limit: int = _LATEST) -> list[Notification]:
    """Return the newest first."""
    return [_read(row) for row in await db.all("SELECT * FROM notifications ORDER BY id DESC LIMIT ?", (limit,))]


async def unread(db: Database) -> int:
    """Return how many nobody has looked at."""
    row = await db.one("SELECT count(*) FROM notifications WHERE read_at IS NULL")
    return int(row[0]) if row else 0


async def count(db: Database, run_id: str, kind: NewsKind) -> int:
    """Return how many of a kind there are about a run."""
    row = await db.one("SELECT count(*) FROM notifications WHERE run_id = ? AND kind = ?", (run_id, kind))
    return int(row[0]) if row else 0


async def mark_read(db: Database, *, up_to: int) -> None:
    """Note that everything up to this id has been looked at."""
    async with db.transaction():
        await db.execute("UPDATE notifications SET read_at = ? WHERE id <= ? AND read_at IS NULL", (time.time(), up_to))


async def undelivered(db: Database, channel: str, since: float, kinds: Iterable[NewsKind]) -> list[Notification]:
    """Return what a channel has still to tell, oldest first: of these kinds, and not from before it was there."""
    wanted = list(kinds)
    found = await db.all(
        "SELECT n.* FROM notifications n LEFT JOIN deliveries d ON d.notification = n.id AND d.channel = ? "
        f"WHERE d.state IS NULL AND n.time >= ? AND n.code != ? AND n.kind IN ({', '.join('?' * len(wanted))}) ORDER BY n.id",
        (channel, since, failing_code(channel), *wanted),
    )
    return [_read(row) for row in found]


async def delivered(db: Database, channel: str, notification: int, *, given_up: bool = False) -> None:
    """Note that a channel has told it, or will never."""
    async with db.transaction():
        await db.execute(
            "INSERT OR REPLACE INTO deliveries (notification, channel, state, time) VALUES (?, ?, ?, ?)",
            (notification, channel, "given up" if given_up else "sent", time.time()),
        )


async def deliveries(db: Database, notifications: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return the state of delivery by notification, then by channel."""
    wanted = list(notifications)
    found: dict[int, dict[str, str]] = {}
    for row in await db.all(
        f"SELECT notification, channel, state FROM deliveries WHERE notification IN ({', '.join('?' * len(wanted))})",
        wanted,
    ):
        found.setdefault(int(row["notification"]), {})[str(row["channel"])] = str(row["state"])
    return found


def failing_code(channel: str) -> str:
    """Return the code of the news that a channel does not work: told by every other channel, and not by that one."""
    return f"channel_failing {channel}"


def _read(row: aiosqlite.Row) -> Notification:
    kind, level = str(row["kind"]), str(row["level"])
    return Notification(
        id=int(row["id"]),
        key=str(row["key"]),
        time=rows.number(row["time"]),
        kind=NewsKind(kind) if kind in set(NewsKind) else NewsKind.ALERT,
        level=Level(level) if level in set(Level) else Level.WARNING,
        code=str(row["code"]),
        run_id=str(row["run_id"]),
        run_name=str(row["run_name"]),
        model=str(row["model"]),
        message=str(row["message"]),
        read_at=row["read_at"],
    )
