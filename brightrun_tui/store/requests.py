"""What TUI and CLI asked of the engine, and its answers. A request that cannot be read is answered with its refusal."""

from __future__ import annotations

import json
import time
from typing import Any

import aiosqlite

from brightrun_tui.domain.errors import DamagedRecordError
from brightrun_tui.domain.requests import Request, RequestKind
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database


async def add(db: Database, kind: RequestKind, target: str = "", payload: dict[str, Any] | None = None) -> Request:
    now = time.time()
    async with db.transaction():
        cursor = await db.execute(
            "INSERT INTO requests (kind, target, payload, created_at) VALUES (?, ?, ?, ?)",
            (kind, target, json.dumps(payload or {}), now),
        )
    assert cursor.lastrowid is not None
    return Request(id=cursor.lastrowid, kind=kind, target=target, payload=payload or {}, created_at=now)


async def pending(db: Database) -> list[Request]:
    """Oldest first. One that nobody can read is refused at once, so that it keeps no other from its turn."""
    found: list[Request] = []
    for row in await db.all("SELECT * FROM requests WHERE state = 'pending' ORDER BY id"):
        try:
            found.append(_request(row))
        except DamagedRecordError as error:
            await answer(db, int(row["id"]), failed=True, result={"error": error.as_dict()})
    return found


async def get(db: Database, request_id: int) -> Request | None:
    """Raises ``DamagedRecordError``."""
    row = await db.one("SELECT * FROM requests WHERE id = ?", (request_id,))
    return _request(row) if row else None


async def answer(db: Database, request_id: int, *, failed: bool = False, result: dict[str, Any] | None = None) -> None:
    async with db.transaction():
        await db.execute(
            "UPDATE requests SET state = ?, result = ?, handled_at = ? WHERE id = ?",
            ("failed" if failed else "done", json.dumps(result or {}), time.time(), request_id),
        )


def _request(row: aiosqlite.Row) -> Request:
    try:
        return Request(
            id=row["id"],
            kind=row["kind"],
            target=row["target"],
            payload=json.loads(row["payload"]),
            created_at=row["created_at"],
            state=row["state"],
            result=json.loads(row["result"]),
            handled_at=row["handled_at"],
        )
    except (ValueError, TypeError, RecursionError):
        raise rows.damaged(f"request {row['id']}", where="brightrun.db", fix="ask again") from None
