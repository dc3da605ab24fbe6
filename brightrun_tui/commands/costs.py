"""``brightrun costs``: what rented machines cost: quoted, counted by us, billed by the provider; by machine or summed."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated

import typer
from pydantic import BaseModel

from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, say
from brightrun_tui.commands.shared.session import Session, changes_allowed, with_store
from brightrun_tui.config import MoneyLimits, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.humanize import duration
from brightrun_tui.domain.money import Lease, month_start
from brightrun_tui.domain.requests import SweepLeases
from brightrun_tui.domain.spending import Spending
from brightrun_tui.domain.text import cell
from brightrun_tui.orchestrator import client
from brightrun_tui.store import leases as store
from brightrun_tui.store import runs

ASK_SECONDS = 20.0
NO_PROJECT = "(none)"


class CostGroup(StrEnum):
    """What costs are summed by."""

    PROJECT = "project"
    PROVIDER = "provider"
    MONTH = "month"


class Cost(BaseModel):
    """One machine in one month, of a run or an endpoint. US dollars; ``billed_usd`` is None as long as the provider has not said,
    ``quoted_per_hour`` of a machine that was found, not rented. ``observed_usd`` is what we counted, traffic and disk included;
    ``total_usd`` the same, or the bill once that has come."""

    run: str
    endpoint: str
    name: str
    project: str
    month: str
    lease: str
    provider: str
    gpu: str
    state: str
    seconds: float
    quoted_per_hour: float | None
    machine_usd: float
    storage_usd: float
    traffic_usd: float
    observed_usd: float
    billed_usd: float | None
    total_usd: float


class Sum(BaseModel):
    """Several of them. ``of`` is the project, provider or month."""

    of: str
    machines: int
    seconds: float
    observed_usd: float
    billed_usd: float
    total_usd: float


def costs(
    month: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="Another month than this one.")] = "",
    by: Annotated[
        CostGroup | None, typer.Option("--by", help="Sums instead of machines; by month: of all months.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV on stdout.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what rented machines cost: as quoted, as counted by us, and as billed by the provider, traffic and disk
    included.

    Providers bill hours or days late; what is missing is asked for now. Runs that were deleted stay on record.
    """
    begin, end = (None, time.time()) if by is CostGroup.MONTH and not month else _bounds(month)
    found, limit = with_store(lambda session: _costs(session, begin, end))
    sums = _sums(found, by) if by else []
    if as_csv:
        _print_csv(Sum if by else Cost, sums or found)
    elif as_json:
        _print_json(found, sums, begin, limit)
    elif not found:
        say("No machine was rented.")
    else:
        _print_table(found, sums, by)
        whole = sum(one.total_usd for one in found)
        waiting = _not_billed(found)
        of_limit = (
            f" of the month's limit of {humanize.money(limit)}" if limit is not None and begin is not None else ""
        )
        say(
            (humanize.money_exact(whole), "bold"),
            of_limit,
            f", {humanize.money_exact(_billed(found))} of it billed",
            f", {waiting} not billed yet" if waiting else "",
        )


def _print_json(found: list[Cost], sums: list[Sum], begin: float | None, limit: float | None) -> None:
    month = "" if begin is None else _month(begin)
    print_json(
        {
            "month": month,
            "limit_usd": limit,
            "observed_usd": sum(one.observed_usd for one in found),
            "billed_usd": _billed(found),
            "total_usd": sum(one.total_usd for one in found),
            "not_billed_yet": _not_billed(found),
            "machines": found,
            "sums": sums,
        }
    )


def _print_csv(kind: type[Sum] | type[Cost], rows: list[Sum] | list[Cost]) -> None:
    """Print the rows as CSV; the heading also where there are none."""
    writer = csv.DictWriter(sys.stdout, list(kind.model_fields), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: cell(value) if isinstance(value, str) else value for name, value in row})


def _print_table(found: list[Cost], sums: list[Sum], by: CostGroup | None) -> None:
    if by:
        print_table(
            (by.value, "machines", "time", "counted", "billed", "cost"),
            [
                (
                    one.of,
                    str(one.machines),
                    duration(one.seconds),
                    humanize.money_exact(one.observed_usd),
                    humanize.money_exact(one.billed_usd),
                    humanize.money_exact(one.total_usd),
                )
                for one in sums
            ],
        )
    else:
        print_table(
            (
                "run or endpoint",
                "project",
                "provider",
                "gpu",
                "time",
                "quoted per hour",
                "traffic",
                "counted",
                "billed",
                "difference",
            ),
            map(_row, found),
            spare=("difference", "quoted per hour", "project"),
        )


async def _costs(session: Session, begin: float | None, end: float) -> tuple[list[Cost], float | None]:
    limit = load_section(session.paths, "money", MoneyLimits).monthly_limit_usd
    if any(_wants_bill(lease) for lease in await store.list_leases(session.db)) and changes_allowed():
        await client.ask(session.db, session.paths, SweepLeases(), wait=ASK_SECONDS)
    names = await runs.names(session.db)
    now = time.time()
    found = []
    for lease in await store.list_leases(session.db):
        over = lease.released_at if lease.released_at is not None else now
        if not lease.provider_id or lease.created_at >= end or (begin is not None and over < begin):
            continue
        for first, last in _months(max(lease.created_at, begin or 0.0), min(over, end, now)):
            seconds = min(over, last, now) - max(first, lease.created_at)
            found.append(
                _cost(
                    lease,
                    lease.endpoint_id or names.get(lease.run_id, lease.run_id),
                    _month(first),
                    seconds,
                    lease.spending(now, first, last),
                )
            )
    return found, limit


def _cost(lease: Lease, name: str, month: str, seconds: float, spent: Spending) -> Cost:
    return Cost(
        run=lease.run_id,
        endpoint=lease.endpoint_id,
        name=name,
        project=lease.project,
        month=month,
        lease=lease.name,
        provider=lease.provider,
        gpu=lease.gpu,
        state=lease.state,
        seconds=seconds,
        quoted_per_hour=lease.quoted,
        machine_usd=spent.machine,
        storage_usd=spent.storage,
        traffic_usd=spent.traffic,
        observed_usd=spent.counted,
        billed_usd=spent.billed,
        total_usd=spent.total,
    )


def _sums(found: list[Cost], by: CostGroup) -> list[Sum]:
    """Return one for each project, provider or month, in the order of their names."""
    groups: dict[str, list[Cost]] = {}
    for one in found:
        of = {
            CostGroup.PROJECT: one.project or NO_PROJECT,
            CostGroup.PROVIDER: one.provider,
            CostGroup.MONTH: one.month,
        }[by]
        groups.setdefault(of, []).append(one)
    return [
        Sum(
            of=of,
            machines=len({one.lease for one in those}),
            seconds=sum(one.seconds for one in those),
            observed_usd=sum(one.observed_usd for one in those),
            billed_usd=_billed(those),
            total_usd=sum(one.total_usd for one in those),
        )
        for of, those in sorted(groups.items())
    ]


def _billed(found: Iterable[Cost]) -> float:
    return sum(one.billed_usd for one in found if one.billed_usd is not None)


def _not_billed(found: Iterable[Cost]) -> int:
    return len({one.lease for one in found if one.billed_usd is None and one.observed_usd})


def _wants_bill(lease: Lease) -> bool:
    return bool(lease.provider_id and lease.state == "released" and lease.billed_usd is None and lease.costs)


def _row(one: Cost) -> tuple[str, ...]:
    billed = "not yet" if one.billed_usd is None else humanize.money_exact(one.billed_usd)
    difference = "" if one.billed_usd is None else f"{one.billed_usd - one.observed_usd:+.4f}"
    state = "" if one.state == "released" else " (still billing)" if one.state == "releasing" else " (rented)"
    return (
        one.name,
        one.project,
        one.provider,
        f"{one.gpu}{state}",
        duration(one.seconds),
        humanize.NOTHING if one.quoted_per_hour is None else humanize.money_exact(one.quoted_per_hour),
        humanize.money_exact(one.traffic_usd),
        humanize.money_exact(one.observed_usd),
        billed,
        difference,
    )


def _month(moment: float) -> str:
    return time.strftime("%Y-%m", time.localtime(moment))


def _months(begin: float, end: float) -> Iterator[tuple[float, float]]:
    """Yield the first and last moment of every month between two times, by the local clock; the month of ``begin`` at
    least.
    """
    first = month_start(begin)
    while first <= max(begin, end):
        following = month_start(first + 40 * 86400)
        yield first, following
        first = following


def _bounds(month: str) -> tuple[float, float]:
    """Return the first and last moment of a month, by the local clock.

    Raises:
        UsageError: that is not a month.
    """
    try:
        begin = month_start(time.mktime(time.strptime(month, "%Y-%m"))) if month else month_start(time.time())
    except (ValueError, OverflowError):
        raise UsageError(
            f"“{month}” is not a month", where="--month", fix="write it like 2026-11", kind=ErrorKind.BAD_OPTION
        ) from None
    return begin, month_start(begin + 40 * 86400)
