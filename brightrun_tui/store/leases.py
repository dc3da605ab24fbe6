"""Machines rented, from the intent to the proof that they are gone, and every cent they cost."""

from __future__ import annotations

import time
from typing import Any

from brightrun_tui.domain.money import Lease
from brightrun_tui.store.db import Database


async def save(db: Database, lease: Lease, **changes: Any) -> Lease:
    """Insert or replace, committed to disk before this returns: an intent must outlive any crash."""
    lease = lease.model_copy(update=changes)
    async with db.transaction():
        await db.execute("INSERT INTO leases (name, run_id, provider, state, created_at, doc) VALUES (?, ?, ?, ?, ?, ?) "
                         "ON CONFLICT (name) DO UPDATE SET state = excluded.state, doc = excluded.doc",
                         (lease.name, lease.run_id, lease.provider, lease.state, lease.created_at, lease.model_dump_json()))
    return lease


async def list_leases(db: Database, *, run_id: str = "", open_only: bool = False) -> list[Lease]:
    """Newest first. Open: everything that is not proven gone."""
    rows = await db.all("SELECT doc FROM leases WHERE (? = '' OR run_id = ?) ORDER BY created_at DESC", (run_id, run_id))
    found = [Lease.model_validate_json(row["doc"]) for row in rows]
    return [lease for lease in found if not open_only or lease.state != "released"]


async def book(db: Database, run_id: str, lease: str, kind: str, amount_usd: float, note: str = "") -> None:
    """One line of the ledger: ``quoted``, ``observed`` or ``billed``."""
    async with db.transaction():
        await db.execute("INSERT INTO ledger (time, run_id, lease, kind, amount_usd, note) VALUES (?, ?, ?, ?, ?, ?)",
                         (time.time(), run_id, lease, kind, amount_usd, note))


async def spent(db: Database, *, run_id: str = "", since: float = 0.0) -> float:
    """US dollars observed, of one run or of all, since a time."""
    row = await db.one("SELECT coalesce(sum(amount_usd), 0) AS total FROM ledger WHERE kind = 'observed' "
                       "AND (? = '' OR run_id = ?) AND time >= ?", (run_id, run_id, since))
    return float(row["total"]) if row else 0.0
