"""Endpoints that the engine looks after. One whose record is damaged is known by its columns, and can be ended like any other."""

from __future__ import annotations

import time
from typing import Unpack, get_args

import aiosqlite

from brightrun_tui.domain.endpoint import SEE_ENDPOINTS, Endpoint, EndpointChanges, EndpointState
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database


async def save(db: Database, endpoint: Endpoint, **changes: Unpack[EndpointChanges]) -> Endpoint:
    """Insert or replace, with ``changes`` applied; each value is checked."""
    endpoint = rows.changed(endpoint, {**changes, "updated_at": time.time()})
    async with db.transaction():
        await db.execute(
            "INSERT INTO endpoints (id, model, version, state, created_at, doc) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET model = excluded.model, version = excluded.version, state = excluded.state, "
            "doc = excluded.doc",
            (
                endpoint.id,
                endpoint.model,
                endpoint.model_version,
                endpoint.state,
                endpoint.created_at,
                endpoint.model_dump_json(),
            ),
        )
    return endpoint


async def as_stored(db: Database, endpoint: Endpoint) -> Endpoint:
    """Return the endpoint as it is now, which others may have changed since ``endpoint`` was read."""
    row = await db.one("SELECT doc FROM endpoints WHERE id = ?", (endpoint.id,))
    return Endpoint.model_validate_json(row["doc"]) if row else endpoint


async def advance(db: Database, endpoint: Endpoint, **changes: Unpack[EndpointChanges]) -> Endpoint:
    """Apply ``changes`` to the endpoint as it is stored now.

    One that is to stop does not begin again, and one that has stopped stays so.
    """
    async with db.transaction():
        now = await as_stored(db, endpoint)
        if now.state == "stopped" or (now.state == "stopping" and changes.get("state") in ("starting", "ready")):
            changes.pop("state", None)
        now = now.model_copy(update={**changes, "updated_at": time.time()})
        await db.execute(
            "UPDATE endpoints SET version = ?, state = ?, doc = ? WHERE id = ?",
            (now.model_version, now.state, now.model_dump_json(), now.id),
        )
    return now


async def list_endpoints(db: Database, *, live_only: bool = False) -> list[Endpoint]:
    """Return the newest first. ``live_only``: those that the engine has work with."""
    stored = await db.all("SELECT id, model, version, state, created_at, doc FROM endpoints ORDER BY created_at DESC")
    found = [_read(db, row) for row in stored]
    return [e for e in found if not live_only or e.live]


async def find(db: Database, word: str) -> Endpoint:
    """Return the endpoint with that id, or beginning of one, or the newest of a model (``name`` or ``name:version``), a
    live one before one that failed. One that serves a base alone is found by its id or as ``name:version@base`` only.

    Raises:
        UsageError: there is none.
    """
    found = await list_endpoints(db)
    matches = (
        [e for e in found if e.id == word]
        or [e for e in found if e.id.startswith(word)]
        or sorted(
            (e for e in found if e.state != "stopped" and (word == e.ref or (word == e.model and not e.base_alone))),
            key=lambda e: e.state == "failed",
        )
    )
    if not matches:
        raise UsageError(f"there is no endpoint “{word}”", fix=SEE_ENDPOINTS, kind=ErrorKind.UNKNOWN_ENDPOINT)
    return matches[0]


def _read(db: Database, row: aiosqlite.Row) -> Endpoint:
    found = rows.read(Endpoint, row["doc"])
    if found is not None and found.id == row["id"]:
        return found
    states: dict[str, EndpointState] = {state: state for state in get_args(EndpointState)}
    return Endpoint(
        id=str(row["id"]),
        model=str(row["model"]),
        model_version=int(rows.number(row["version"])),
        state=states.get(row["state"], "failed"),
        directory=str(db.path.parent / "endpoints" / str(row["id"])),
        created_at=rows.number(row["created_at"]),
        updated_at=rows.number(row["created_at"]),
        error=rows.DAMAGED,
    )
