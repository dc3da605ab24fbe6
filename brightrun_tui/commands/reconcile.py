"""``brightrun reconcile``: every machine that carries our name, at every connected provider, and what it costs."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer
from pydantic import BaseModel

from brightrun_tui.commands.shared.output import (
    JsonOption,
    YesOption,
    confirm,
    print_json,
    print_table,
    require_somebody,
    say,
)
from brightrun_tui.commands.shared.session import Session, changes_allowed, require_changes, with_store
from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.domain.errors import BrightrunError, MissingScopeError
from brightrun_tui.domain.humanize import money
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.requests import SweepLeases
from brightrun_tui.domain.serverless import account_of_place
from brightrun_tui.integrations.rental import as_known_error, connected_providers, open_provider, serverless_places
from brightrun_tui.orchestrator import client, leases
from brightrun_tui.providers.base import Machine
from brightrun_tui.redaction import redact
from brightrun_tui.store import engine as facts
from brightrun_tui.store import leases as store
from brightrun_tui.store import runs

SWEEP_SECONDS = 20.0


class ListedMachine(BaseModel):
    """One machine as we know it and as its provider does. ``seen`` is empty if the provider does not list it."""

    name: str
    provider: str
    provider_id: str = ""
    state: str = ""
    seen: str = ""
    run: str = ""
    endpoint: str = ""
    price_per_hour: float = 0.0
    spent_usd: float = 0.0


class FoundMachines(BaseModel):
    """Machines of this installation, of others, and providers that did not tell, by name. ``unswept``: why the engine could
    not be asked to return what nobody is using; empty if it could.
    """

    leases: list[ListedMachine]
    others: list[ListedMachine]
    unreadable: dict[str, str]
    unswept: str = ""


def reconcile(
    as_json: JsonOption = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over machines of other installations, and return them.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """List every lease that carries our name, anywhere, and what it costs. Exit code 1 when a provider's answer is
    missing.

    What nobody is using is returned by the engine, at once; it is started when it is needed. Machines of other
    installations of Bright Run on the same account are listed, and left alone: --adopt returns them.
    """
    found, others = with_store(_reconcile)
    if adopt and found.others:
        require_changes()
        if not as_json:
            _print_others(found.others)
        names = ", ".join(row.name for row in found.others)
        if not yes:
            require_somebody("whatever is on those machines is lost", where="--adopt")
        confirm(yes, f"Return {names}? Whatever is on them is lost.")
        found, _ = with_store(lambda session: _adopt(session, others))
        if not as_json:
            _print_adopted(others, found)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)
    if found.unreadable or found.unswept:
        raise typer.Exit(ExitCode.FAILED)


def _print(found: FoundMachines) -> None:
    for name, why in found.unreadable.items():
        say(
            ("✗", "red"),
            f" {name} does not say which machines it has of ours: {why}. Machines there may still cost money.",
        )
    if found.leases:
        print_table(
            ("lease", "provider", "our books", "the provider", "run or endpoint", "per hour", "spent"),
            [
                (
                    row.name,
                    row.provider,
                    row.state or "unknown",
                    row.seen or "not listed",
                    row.endpoint or row.run,
                    money(row.price_per_hour),
                    money(row.spent_usd),
                )
                for row in found.leases
            ],
        )
    if found.unswept:
        say(("✗", "red"), f" what nobody is using was not returned: {found.unswept}")
    _print_others(found.others)
    if not found.leases and not found.others and not found.unreadable:
        say("No machine is rented.")


def _print_others(others: list[ListedMachine]) -> None:
    if others:
        say(("!", "yellow"), " Not from this installation, and left alone. To return them: brightrun reconcile --adopt")
        print_table(
            ("machine", "provider", "the provider", "per hour", "spent"),
            [(row.name, row.provider, row.seen, money(row.price_per_hour), money(row.spent_usd)) for row in others],
        )


def _print_adopted(others: list[Machine], found: FoundMachines) -> None:
    left = {(row.provider, row.provider_id) for row in found.leases}
    for machine in others:
        now = "on its way back" if (machine.provider, machine.provider_id) in left else "returned"
        say(("✓", "green"), f" adopted {machine.name} at {machine.provider} ({machine.provider_id}): {now}")


async def _reconcile(session: Session) -> tuple[FoundMachines, list[Machine]]:
    """Return what was found, and separately the machines of other installations, as their providers describe them."""
    installation = await facts.installation(session.db)
    names = await asyncio.to_thread(connected_providers, session.paths)
    names += await asyncio.to_thread(serverless_places, names)
    answers = await asyncio.gather(*(_ask(session, name, installation) for name in names), return_exceptions=True)
    leased = {lease.provider for lease in await store.list_leases(session.db)}
    machines: list[Machine] = []
    others: list[Machine] = []
    unreadable: dict[str, str] = {}
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, MissingScopeError) and account_of_place(name) != name and name not in leased:
            continue  # a key for machines alone: nothing was ever made there with it
        if isinstance(answer, Exception):
            what = redact(as_known_error(name, answer).what)
            if unreadable.get(account_of_place(name)) != what:  # one account that does not answer is said once
                unreadable[name] = what
        elif isinstance(answer, BaseException):
            raise answer
        else:
            machines += [machine for machine in answer[0] if machine.status != "gone"]
            others += [machine for machine in answer[1] if machine.status != "gone"]
    holdings = await _merge(session, machines)
    unswept = ""
    if holdings and changes_allowed():
        try:
            await client.ask(session.db, session.paths, SweepLeases(), wait=SWEEP_SECONDS)
        except BrightrunError as error:  # what is being paid for is told all the same, however full the disk
            unswept = redact(str(error))
        holdings = await _merge(session, machines)
    known = {(row.provider, row.provider_id) for row in holdings}
    strangers = [one for one in others if (one.provider, one.provider_id) not in known]
    listed = [_holding(None, one, {}) for one in strangers]
    return FoundMachines(leases=holdings, others=listed, unreadable=unreadable, unswept=unswept), strangers


async def _adopt(session: Session, others: list[Machine]) -> tuple[FoundMachines, list[Machine]]:
    """Put machines of other installations on our books as leases that must end; the engine returns them."""
    for machine in others:
        known = await store.list_leases(session.db)
        await store.save(
            session.db,
            leases.found(
                machine.provider,
                machine,
                store.own_name(machine.name, machine.provider_id, known),
                machine.name.partition("-")[2].partition("-")[2].rpartition("-")[0],
                "adopted from another installation",
            ),
        )
    await client.ask(session.db, session.paths, SweepLeases(), wait=SWEEP_SECONDS)
    return await _reconcile(session)


async def _ask(session: Session, name: str, installation: str) -> tuple[list[Machine], list[Machine]]:
    """Return machines of ours, and those of other installations."""
    provider = await asyncio.to_thread(open_provider, name, session.paths)
    try:
        return await provider.list_ours(installation), await provider.list_others(installation)
    finally:
        await provider.close()


async def _merge(session: Session, machines: list[Machine]) -> list[ListedMachine]:
    """Merge open leases and listed machines: the same machine is one row, and two of one name are two."""
    run_names = await runs.names(session.db)
    known = await store.list_leases(session.db)
    pairs: list[tuple[Lease | None, Machine | None]] = [
        (store.of_machine(known, machine.provider, machine.provider_id, machine.name), machine) for machine in machines
    ]
    seen = {lease.name for lease, _ in pairs if lease is not None}
    unseen = [(lease, None) for lease in known if lease.state != "released" and lease.name not in seen]
    return [_holding(lease, machine, run_names) for lease, machine in [*unseen, *pairs]]


def _holding(lease: Lease | None, machine: Machine | None, run_names: dict[str, str]) -> ListedMachine:
    """Return the row for a lease, a machine, or both. What a machine without a lease has cost is reckoned from its
    provider's word.
    """
    run_id = lease.run_id if lease else ""
    paid = lease or (leases.found(machine.provider, machine, machine.name, "", "") if machine else None)
    return ListedMachine(
        name=lease.name if lease else machine.name if machine else "",
        provider=machine.provider if machine else lease.provider if lease else "",
        provider_id=machine.provider_id if machine else lease.provider_id if lease else "",
        state=lease.state if lease else "",
        seen=machine.status if machine else "",
        run=run_names.get(run_id, run_id),
        endpoint=lease.endpoint_id if lease else "",
        price_per_hour=(machine.price_per_hour if machine else 0.0) or (lease.rate if lease else 0.0),
        spent_usd=paid.spending(time.time()).total if paid else 0.0,
    )
