"""``brightrun costs``: what rented machines cost in a month: quoted, counted by us, billed by the provider."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from pydantic import BaseModel

from brightrun_tui.commands.shared.output import JsonOption, duration, print_json, print_table, say
from brightrun_tui.commands.shared.session import Session, changes_allowed, with_store
from brightrun_tui.config import MoneyLimits, load_section
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.money import Lease, month_start
from brightrun_tui.orchestrator import client
from brightrun_tui.store import leases as store
from brightrun_tui.store import runs

ASK_SECONDS = 20.0


class Cost(BaseModel):
    """One machine. US dollars; ``billed_usd`` is None as long as the provider has not said."""

    run: str
    name: str
    lease: str
    provider: str
    gpu: str
    state: str
    seconds: float
    quoted_per_hour: float
    observed_usd: float
    billed_usd: float | None


def costs(
    month: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="Another month than this one.")] = "",
    as_json: JsonOption = False,
) -> None:
    """What rented machines cost: as quoted, as counted by us to the second, and as billed by the provider.

    Providers bill hours or days late; what is missing is asked for now. Runs that were deleted stay on record.
    """
    begin, end = _bounds(month)
    found, limit = with_store(lambda session: _costs(session, begin, end))
    observed = sum(one.observed_usd for one in found)
    billed = sum(one.billed_usd for one in found if one.billed_usd is not None)
    waiting = [one for one in found if one.billed_usd is None and one.observed_usd]
    if as_json:
        print_json({"month": time.strftime("%Y-%m", time.localtime(begin)), "limit_usd": limit, "observed_usd": observed,
                    "billed_usd": billed, "not_billed_yet": len(waiting), "machines": found})
        return
    if not found:
        say("No machine was rented.")
        return
    print_table(("run", "provider", "gpu", "time", "quoted per hour", "counted", "billed", "difference"), map(_row, found))
    of_limit = f" of the month's limit of ${limit:,.2f}" if limit is not None else ""
    say((f"${observed:,.4f}", "bold"), f" counted{of_limit}, ${billed:,.4f} billed",
        f", {len(waiting)} not billed yet" if waiting else "")


async def _costs(session: Session, begin: float, end: float) -> tuple[list[Cost], float | None]:
    limit = load_section(session.paths, "money", MoneyLimits).monthly_limit_usd
    if any(_wants_bill(lease) for lease in await store.list_leases(session.db)) and changes_allowed():
        await client.ask(session.db, session.paths, "sweep", wait=ASK_SECONDS)
    names = await runs.names(session.db)
    now = min(time.time(), end)
    found = []
    for lease in await store.list_leases(session.db):
        over = lease.released_at if lease.released_at is not None else now
        if lease.provider_id and lease.created_at < end and over >= begin:
            spending = lease.spending(now, begin)
            found.append(Cost(
                run=lease.run_id, name=names.get(lease.run_id, lease.run_id), lease=lease.name, provider=lease.provider,
                gpu=lease.gpu, state=lease.state, seconds=min(over, now) - max(begin, lease.created_at),
                quoted_per_hour=lease.quoted_per_hour, observed_usd=spending.counted, billed_usd=spending.billed))
    return found, limit


def _wants_bill(lease: Lease) -> bool:
    return bool(lease.provider_id and lease.state == "released" and lease.billed_usd is None and lease.rate)


def _row(one: Cost) -> tuple[str, ...]:
    billed = "not yet" if one.billed_usd is None else f"${one.billed_usd:.4f}"
    difference = "" if one.billed_usd is None else f"{one.billed_usd - one.observed_usd:+.4f}"
    state = "" if one.state == "released" else " (still billing)" if one.state == "releasing" else " (rented)"
    return (one.name, one.provider, f"{one.gpu}{state}", duration(one.seconds), f"${one.quoted_per_hour:.4f}",
            f"${one.observed_usd:.4f}", billed, difference)


def _bounds(month: str) -> tuple[float, float]:
    """First and last moment of a month, by the local clock.

    Raises:
        UsageError: that is no month.
    """
    try:
        begin = month_start(time.mktime(time.strptime(month, "%Y-%m"))) if month else month_start(time.time())
    except (ValueError, OverflowError):
        raise UsageError(f"“{month}” is no month", where="--month", fix="write it like 2026-11", kind="bad_option") from None
    return begin, month_start(begin + 40 * 86400)
