"""Machines rented, from the intent to the proof that they are gone, and every cent they cost.

A lease whose record is damaged is known by its columns, name and provider among them: enough to look for its machine and to
return it.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TypedDict, Unpack

import aiosqlite

from brightrun_tui.domain.money import Lease, LeaseChanges, LeaseState, month_start
from brightrun_tui.domain.spending import Spending, total
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database

_COLUMNS = "SELECT name, run_id, endpoint_id, provider, state, created_at, doc FROM leases"


async def save(db: Database, lease: Lease, **changes: Unpack[LeaseChanges]) -> Lease:
    """Insert or replace, committed to disk before this returns: an intent must outlive any crash. Each value is checked."""
    lease = rows.changed(lease, changes)
    async with db.transaction():
        await write(db, lease)
    return lease


async def update(db: Database, lease: Lease, **changes: Unpack[LeaseChanges]) -> Lease:
    """Change facts of a lease as it is in the store now, which others may have changed since ``lease`` was read."""
    async with db.transaction():
        changed: Lease = rows.changed(await as_stored(db, lease), changes)
        await write(db, changed)
    return changed


async def as_stored(db: Database, lease: Lease) -> Lease:
    """Return a lease as it is in the store now; as it is given where it is not there."""
    row = await db.one(f"{_COLUMNS} WHERE name = ?", (lease.name,))
    return _read(row) if row else lease


async def write(db: Database, lease: Lease) -> None:
    """Insert or replace within the caller's transaction."""
    await db.execute(
        "INSERT INTO leases (name, run_id, endpoint_id, provider, state, created_at, doc) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET state = excluded.state, doc = excluded.doc",
        (
            lease.name,
            lease.run_id,
            lease.endpoint_id,
            lease.provider,
            lease.state,
            lease.created_at,
            lease.model_dump_json(),
        ),
    )


async def list_leases(db: Database, *, run_id: str = "", endpoint_id: str = "", open_only: bool = False) -> list[Lease]:
    """Return the newest first, of one run or endpoint where it is named. Open: everything that is not proven gone."""
    found = await db.all(
        f"{_COLUMNS} WHERE (? = '' OR run_id = ?) AND (? = '' OR endpoint_id = ?) AND (? = 0 OR state != 'released') "
        "ORDER BY created_at DESC",
        (run_id, run_id, endpoint_id, endpoint_id, int(open_only)),
    )
    return [_read(row) for row in found]


def of_machine(known: list[Lease], provider: str, provider_id: str, name: str) -> Lease | None:
    """Say which of the ``known`` leases a machine is: the one with its id, else the one of its name that has no machine yet.

    A provider may list two machines of one name; only one of them is that lease's.
    """
    here = [lease for lease in known if lease.provider == provider]
    by_id = next((lease for lease in here if lease.provider_id == provider_id), None)
    return by_id or next((lease for lease in here if lease.name == name and not lease.provider_id), None)


def own_name(name: str, provider_id: str, known: list[Lease]) -> str:
    """Return a name for the lease of a machine called ``name``: with its id where another lease has that name already."""
    return f"{name} ({provider_id})" if any(lease.name == name for lease in known) else name


async def paid(db: Database) -> list[Lease]:
    """Return machines that cost money at this moment, or may do so: rented, and not proven gone."""
    return [lease for lease in await list_leases(db, open_only=True) if lease.state != "intended" and lease.rate]


class LedgerLine(TypedDict):
    """``time``: seconds since the epoch; ``lease``: its name; ``kind``: ``quoted``, ``observed`` or ``billed``."""

    time: float
    lease: str
    kind: str
    amount_usd: float
    note: str


async def book(db: Database, lease: Lease, kind: str, amount_usd: float, note: str = "") -> None:
    """Add one line to the ledger: ``quoted``, ``observed`` or ``billed``."""
    async with db.transaction():
        await db.execute(
            "INSERT INTO ledger (time, run_id, endpoint_id, lease, kind, amount_usd, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (time.time(), lease.run_id, lease.endpoint_id, lease.name, kind, amount_usd, note),
        )


async def entries(db: Database, *, run_id: str = "", endpoint_id: str = "") -> list[LedgerLine]:
    """Return the lines of the ledger of a run or an endpoint, oldest first."""
    found = await db.all(
        "SELECT time, lease, kind, amount_usd, note FROM ledger WHERE run_id = ? AND endpoint_id = ? ORDER BY id",
        (run_id, endpoint_id),
    )
    return [
        LedgerLine(
            time=row["time"], lease=row["lease"], kind=row["kind"], amount_usd=row["amount_usd"], note=row["note"]
        )
        for row in found
    ]


async def month_spending(db: Database) -> Spending:
    """Return what all leases together have cost in this calendar month so far."""
    now = time.time()
    return total(lease.spending(now, month_start(now)) for lease in await list_leases(db))


def month_spending_of(database: Path, provider: str = "") -> Spending:
    """Return the same for callers outside an event loop, also of one provider; nothing if nothing is known of it."""
    now = time.time()
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=1)
        try:
            found = connection.execute("SELECT doc FROM leases WHERE ? IN ('', provider)", (provider,)).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return Spending()
    known = [lease for row in found if (lease := rows.read(Lease, row[0])) is not None]
    return total(lease.spending(now, month_start(now)) for lease in known)


def _read(row: aiosqlite.Row) -> Lease:
    found = rows.read(Lease, row["doc"])
    if found is not None and (found.name, found.state) == (row["name"], row["state"]):
        return found
    known: dict[str, LeaseState] = {"released": "released", "releasing": "releasing"}
    return Lease(
        name=str(row["name"]),
        run_id=str(row["run_id"]),
        endpoint_id=str(row["endpoint_id"]),
        provider=str(row["provider"]),
        state=known.get(row["state"], "unclear"),
        created_at=rows.number(row["created_at"]),
        note=rows.DAMAGED,
    )
