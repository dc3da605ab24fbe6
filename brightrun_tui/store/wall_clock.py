"""A wall clock that was set: what the store counts by it goes along.

How far that clock is ahead of the seconds of this boot is a fact in the store, so whoever looks first sees to it, an engine that
has just been started, too. Of an earlier boot nobody knows how long ago it was; its machines are counted by the wall clock.
"""

from __future__ import annotations

import json

from brightrun_tui.domain.money import Lease, LeaseChanges
from brightrun_tui.store import leases, rows
from brightrun_tui.store.db import Database
from brightrun_tui.store.engine import SET_FACT, fact

FACT = "clock"


async def follow(db: Database, boot: str, ahead: float, slack: float) -> None:
    """Move the moments of machines that are there, so that they are as long ago as they were before the clock was set.

    Args:
        boot: which boot this is.
        ahead: by how many seconds the wall clock is ahead of the seconds of this boot.
        slack: a smaller correction does not count.
    """
    if await _set_by(db, boot, ahead, slack) == 0.0:
        return
    async with db.transaction():
        by = await _set_by(db, boot, ahead, slack)
        if by:
            for lease in await leases.list_leases(db, open_only=True):
                await leases.write(db, _moved(lease, by))
        if by != 0.0:
            await db.execute(SET_FACT, (FACT, json.dumps({"boot": boot, "ahead": ahead})))


async def _set_by(db: Database, boot: str, ahead: float, slack: float) -> float | None:
    """Return by how many seconds it was set since the fact was noted, 0 where hardly; None if nothing is known of
    this boot.
    """
    known = await fact(db, FACT)
    if not isinstance(known, dict) or known.get("boot") != boot or not isinstance(known.get("ahead"), (int, float)):
        return None
    by = ahead - float(known["ahead"])
    return by if abs(by) > slack else 0.0


def _moved(lease: Lease, by: float) -> Lease:
    since = lease.running_since
    return rows.changed(
        lease,
        LeaseChanges(
            created_at=lease.created_at + by,
            running_since=None if since is None else since + by,
            heard_at=lease.heard_at + by if lease.heard_at else 0.0,
            stretches=tuple(
                one.model_copy(update={"begin": one.begin + by, "until": one.until + by}) for one in lease.stretches
            ),
            earlier_rates=tuple(rate.model_copy(update={"until": rate.until + by}) for rate in lease.earlier_rates),
        ),
    )
