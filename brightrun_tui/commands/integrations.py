"""``brightrun integrations``, ``connect``, ``disconnect`` and ``offers``."""

from __future__ import annotations

import asyncio
import sys
import time
from getpass import getpass
from typing import Annotated

import typer
from pydantic import SecretStr

from brightrun_tui.commands.shared.options import GpuOption, InterruptibleOption
from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, say, say_done, say_problem
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.humanize import ago, money, size
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.service_names import HERE, OWN_BOXES
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.connection import ServiceStatus, test_service
from brightrun_tui.integrations.rental import as_known_error, connected_providers, offers_of
from brightrun_tui.integrations.services import Service, get_service, problems, services
from brightrun_tui.paths import get_paths
from brightrun_tui.providers.base import Need
from brightrun_tui.redaction import redact
from brightrun_tui.store import engine as facts

GLYPHS = {"ok": "✓", "failed": "✗", "off": "–"}

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As “brightrun integrations” lists it.")]


def integrations(
    test: Annotated[bool, typer.Option("--test", help="Try each of them now.")] = False, as_json: JsonOption = False
) -> None:
    """List services, and whether they work. Exit code 4 when --test finds one that does not."""
    found = with_store(lambda session: _look(session, test=test))
    if as_json:
        print_json({"services": found})
    else:
        now = time.time()
        print_table(
            ("", "name", "service", "state", "credential", "looked at"),
            [
                (
                    GLYPHS.get(str(row["state"]), "·"),
                    str(row["name"]),
                    str(row["title"]),
                    str(row["detail"]),
                    str(row["credential"]),
                    ago(float(str(row["checked_at"])), now) if row["checked_at"] else "",
                )
                for row in found
            ],
        )
    for problem in problems():
        say_problem(problem)
    if test and any(row["state"] == "failed" for row in found):
        raise typer.Exit(ExitCode.NOT_CONNECTED)


def connect(
    name: NameArgument,
    untested: Annotated[
        bool, typer.Option("--untested", help="Save it without trying it, e.g. while offline.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Save a credential for a service, after trying it. It is asked for, or read from stdin; never given as an argument."""
    require_changes()
    service = get_service(name)
    if not service.environment:
        own = f"add them in the app (Integrations), or as tables [boxes.NAME] in {get_paths().config_file}"
        raise UsageError(
            f"{service.title} needs no credential",
            where=name,
            kind=ErrorKind.NO_CREDENTIAL_NEEDED,
            fix=own if name == OWN_BOXES else "",
        )
    secret = _read_secret(service)
    status = ServiceStatus(state="off", detail="saved, not tested")
    if not untested:
        status = with_store(lambda session: _test(session, name, secret))
        if status.state == "failed":
            raise NotConnectedError(status.detail, where=service.title, fix=status.fix, kind=ErrorKind.BAD_CREDENTIAL)
    place = credentials.save(name, secret)
    if as_json:
        print_json({"service": name, "state": status.state, "detail": status.detail, "place": place})
    else:
        say_done(f"{service.title}: {status.detail} ({credentials.PLACES[place]})")


def disconnect(name: NameArgument, as_json: JsonOption = False) -> None:
    """Forget the credential that was saved for a service."""
    require_changes()
    service = get_service(name)
    forgotten = credentials.delete(name)
    left = credentials.where(name)
    with_store(lambda session: facts.save_service(session.db, name, "off", "not connected"))
    if as_json:
        print_json({"service": name, "forgotten": forgotten, "still": left})
        return
    say_done(f"{service.title}: forgotten") if forgotten else say(f"{service.title}: nothing was saved")
    if left:
        say(f"It still has a credential {credentials.PLACES[left]}.")


def offers(
    provider: Annotated[str, typer.Option("--provider", help="Only of this one.")] = "",
    gpu: GpuOption = "",
    interruptible: InterruptibleOption = False,
    as_json: JsonOption = False,
) -> None:
    """List machines a run could take, cheapest first. What a run would cost on them: brightrun estimate."""
    names = [provider] if provider else [HERE, *connected_providers(get_paths())]
    found, failures = asyncio.run(_offers(names, Need(gpu=gpu, interruptible=interruptible)))
    if provider and failures:
        raise failures[provider]
    for name, error in failures.items():
        say(("✗", "red"), f" {name} does not say what it has: {redact(error.what)}")
    if as_json:
        silent = {name: redact(error.what) for name, error in failures.items()}
        print_json({"offers": found, **({"silent": silent} if silent else {})})
    elif found:
        print_table(
            ("provider", "machine", "memory", "per hour", "kind", "reliable", "network", "region", "id"),
            [
                (
                    offer.provider,
                    offer.hardware.gpu or f"{offer.hardware.cores} cores",
                    size(offer.hardware.usable_memory),
                    money(offer.price_per_hour),
                    "interruptible" if offer.interruptible else offer.tier,
                    f"{offer.reliability:.1%}" if offer.reliability is not None else "",
                    f"{offer.network_mbps:.0f} Mb/s" if offer.network_mbps else "",
                    offer.region,
                    offer.id,
                )
                for offer in found
            ],
        )
    else:
        say("No machine fits.")
    for error in failures.values():
        raise typer.Exit(error.exit_code)


async def _look(session: Session, *, test: bool) -> list[dict[str, object]]:
    if test:
        await asyncio.gather(*(_test(session, service.name, None) for service in services()))
    known = await facts.services(session.db)
    untested: dict[str, object] = {
        "state": "unknown",
        "detail": "not tested yet",
        "facts": {},
        "fix": "",
        "checked_at": None,
    }
    return [
        {
            "name": service.name,
            "title": service.title,
            "gives": service.gives,
            "credential": credentials.PLACES[credentials.where(service.name, session.paths)]
            if service.environment
            else "",
            **known.get(service.name, untested),
        }
        for service in services()
    ]


async def _test(session: Session, name: str, secret: SecretStr | None) -> ServiceStatus:
    status = await test_service(name, session.paths, secret)
    await facts.save_service(session.db, name, status.state, status.detail, facts=status.facts, fix=status.fix)
    return status


async def _offers(names: list[str], need: Need) -> tuple[list[Offer], dict[str, BrightrunError]]:
    """Return the cheapest first; and say who does not tell, and why: the others have offers all the same."""
    found: list[Offer] = []
    failures: dict[str, BrightrunError] = {}
    answers = await asyncio.gather(*(offers_of(name, get_paths(), need) for name in names), return_exceptions=True)
    for name, answer in zip(names, answers, strict=True):
        if isinstance(answer, Exception):
            failures[name] = as_known_error(name, answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    return sorted(found, key=lambda offer: offer.price_per_hour), failures


def _read_secret(service: Service) -> SecretStr:
    if sys.stdin.isatty():
        field = service.fields[0]
        say(f"{service.title}: {field.title} ({field.hint}), from {service.where_to_get}")
        return SecretStr(getpass("› "))
    return SecretStr(sys.stdin.readline().strip())
