"""``brightrun reconcile``: every machine that carries our name, at every connected provider, and what it costs."""

from __future__ import annotations

import asyncio
import time

import typer
from pydantic import BaseModel

from brightrun_tui.commands.shared.output import JsonOption, money, print_json, print_table, say
from brightrun_tui.commands.shared.session import Session, changes_allowed, with_store
from brightrun_tui.domain.errors import ExitCode
from brightrun_tui.domain.money import Lease
from brightrun_tui.integrations.rental import as_known_error, connected_providers, open_provider
from brightrun_tui.orchestrator import client
from brightrun_tui.providers.base import Machine
from brightrun_tui.redaction import redact
from brightrun_tui.store import engine as facts
from brightrun_tui.store import leases as store
from brightrun_tui.store import runs

SWEEP_SECONDS = 20.0


class Holding(BaseModel):
    """One machine as we know it and as its provider does. ``seen`` is empty where the provider does not list it."""

    name: str
    provider: str
    provider_id: str = ""
    state: str = ""
    seen: str = ""
    run: str = ""
    price_per_hour: float = 0.0
    spent_usd: float = 0.0


def reconcile(as_json: JsonOption = False) -> None:
    """Every lease that carries our name, anywhere, and what it costs. Exit code 1 when a provider's answer is missing.

    What no run is using is returned by the engine, at once; it is started when it is needed.
    """
    holdings, unreadable = with_store(_reconcile)
    if as_json:
        print_json({"leases": holdings, "unreadable": unreadable})
    else:
        for name, why in unreadable.items():
            say(("✗", "red"), f" {name} does not tell what it has of ours: {why}. Machines there may still cost money.")
        if holdings:
            print_table(("lease", "provider", "our books", "the provider", "run", "per hour", "spent"),
                        [(row.name, row.provider, row.state or "unknown", row.seen or "not listed", row.run,
                          money(row.price_per_hour), money(row.spent_usd)) for row in holdings])
        elif not unreadable:
            say("No machine is rented.")
    if unreadable:
        raise typer.Exit(ExitCode.FAILED)


async def _reconcile(session: Session) -> tuple[list[Holding], dict[str, str]]:
    installation = await facts.installation(session.db)
    names = await asyncio.to_thread(connected_providers, session.paths)
    answers = await asyncio.gather(*(_ask(session, name, installation) for name in names), return_exceptions=True)
    machines: list[Machine] = []
    unreadable: dict[str, str] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Exception):
            unreadable[name] = redact(as_known_error(name, answer).what)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            machines += [machine for machine in answer if machine.status != "gone"]
    holdings = await _merge(session, machines)
    if holdings and changes_allowed():
        await client.ask(session.db, session.paths, "sweep", wait=SWEEP_SECONDS)
        holdings = await _merge(session, machines)
    return holdings, unreadable


async def _ask(session: Session, name: str, installation: str) -> list[Machine]:
    provider = await asyncio.to_thread(open_provider, name, session.paths)
    try:
        return await provider.list_ours(installation)
    finally:
        await provider.close()


async def _merge(session: Session, machines: list[Machine]) -> list[Holding]:
    """Open leases and listed machines, by name; the same machine is one row."""
    run_names = await runs.names(session.db)
    leases: dict[str, Lease] = {lease.name: lease for lease in await store.list_leases(session.db)}
    listed = {machine.name: machine for machine in machines}
    found = []
    for name in dict.fromkeys([*(lease.name for lease in leases.values() if lease.state != "released"), *listed]):
        lease, machine = leases.get(name), listed.get(name)
        run_id = lease.run_id if lease else ""
        found.append(Holding(
            name=name, provider=machine.provider if machine else lease.provider if lease else "",
            provider_id=machine.provider_id if machine else lease.provider_id if lease else "",
            state=lease.state if lease else "", seen=machine.status if machine else "", run=run_names.get(run_id, run_id),
            price_per_hour=machine.price_per_hour if machine else lease.rate if lease else 0.0,
            spent_usd=lease.spending(time.time()).total if lease else 0.0))
    return found
