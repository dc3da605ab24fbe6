"""What TUI and CLI asked of the engine, and its answers. A request that cannot be read is answered with its refusal."""

from __future__ import annotations

import json
import time

import aiosqlite

from brightrun_tui.domain.errors import BrightrunError, DamagedRecordError
from brightrun_tui.domain.requests import Answer, Ask, Request
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database


async def add(db: Database, ask: Ask[Answer]) -> Request:
    now = time.time()
    async with db.transaction():
        number = await db.insert(
            "INSERT INTO requests (kind, target, payload, created_at) VALUES (?, ?, ?, ?)",
            (ask.kind, ask.target, json.dumps(ask.payload()), now),
        )
    return Request.model_validate({"id": number, "ask": ask, "created_at": now})


async def pending(db: Database) -> list[Request]:
    """Return the oldest first. One that nobody can read is refused at once, so that it keeps no other from its turn."""
    found: list[Request] = []
    for row in await db.all("SELECT * FROM requests WHERE state = 'pending' ORDER BY id"):
        try:
            found.append(_request(row))
        except DamagedRecordError as error:
            await refuse(db, int(row["id"]), error)
    return found


async def get(db: Database, request_id: int) -> Request | None:
    """Return the request; None where there is none. Raises ``DamagedRecordError``."""
    row = await db.one("SELECT * FROM requests WHERE id = ?", (request_id,))
    return _request(row) if row else None


async def answer(db: Database, request_id: int, answer: Answer) -> None:
    await _close(db, request_id, "done", answer.model_dump_json(exclude_unset=True))


async def refuse(db: Database, request_id: int, error: BrightrunError) -> None:
    await _close(db, request_id, "failed", json.dumps({"error": error.as_dict()}))


async def _close(db: Database, request_id: int, state: str, result: str) -> None:
    async with db.transaction():
        await db.execute(
            "UPDATE requests SET state = ?, result = ?, handled_at = ? WHERE id = ?",
            (state, result, time.time(), request_id),
        )


def _request(row: aiosqlite.Row) -> Request:
    try:
        payload = json.loads(row["payload"])
        return Request.model_validate(
            {
                "id": row["id"],
                "ask": {**payload, "kind": row["kind"], "target": row["target"]},
                "created_at": row["created_at"],
                "state": row["state"],
                "result": json.loads(row["result"]),
                "handled_at": row["handled_at"],
            }
        )
    except (ValueError, TypeError, RecursionError):
        raise rows.damaged(f"request {row['id']}", where="brightrun.db", fix="ask again") from None
