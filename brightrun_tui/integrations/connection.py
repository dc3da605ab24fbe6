"""Test a service the way its users would: does it work right now, and whose is it?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from brightrun_tui.config import MoneyLimits, load_section
from brightrun_tui.domain import humanize, service_names
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.service_names import ServiceState
from brightrun_tui.integrations import credentials, hub, rental
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.integrations.channels import open_channel, saved_channels
from brightrun_tui.integrations.judge import Judge, judge_settings
from brightrun_tui.integrations.packages import install_command, missing_packages, torch_uses_gpu
from brightrun_tui.integrations.rental import open_provider
from brightrun_tui.integrations.services import Service, get_service
from brightrun_tui.paths import Paths
from brightrun_tui.providers.box import SshBox
from brightrun_tui.providers.local import describe, hardware
from brightrun_tui.redaction import keep_secret, redact
from brightrun_tui.store.leases import month_spending_of

if TYPE_CHECKING:
    from brightrun_tui.providers.ssh import Ssh

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 10.0
ADD_CHANNEL = "add a channel in the app (Integrations), or: brightrun notify add NAME"
ADD_BOX = "add one in the app (Integrations), or as a table [boxes.NAME] in {}"


class ServiceStatus(BaseModel):
    """``ok`` green, ``failed`` red, ``off`` grey: not set up, nothing wrong. ``detail`` is one sentence for people."""

    model_config = ConfigDict(frozen=True)

    state: ServiceState
    detail: str
    facts: dict[str, str] = Field(default_factory=dict)
    fix: str = ""


def is_connected(service: Service, paths: Paths) -> bool:
    """Say whether there is what the service needs; says nothing about whether it works. Cheap."""
    if service.kind == "gpu":
        return rental.is_set_up(service.name, paths)
    return not service.environment or credentials.where(service.name, paths) != ""


def is_set_up(service: Service, paths: Paths) -> bool:
    """Say whether a test can say something: there is what it needs, or it needs nothing. Blocking: may ask the keyring.

    Raises:
        BrightrunError: config.toml cannot be read.
    """
    match service.name:
        case service_names.OWN_BOXES:
            return bool(configured_boxes(paths))
        case service_names.NEWS:
            return bool(saved_channels(paths))
        case service_names.JUDGE:
            return _has_judge(paths)
    return service.optional or is_connected(service, paths)


def _has_judge(paths: Paths) -> bool:
    try:
        judge_settings(paths)
    except UsageError as error:
        return error.kind != ErrorKind.NO_JUDGE
    return True


async def test_service(name: str, paths: Paths, secret: SecretStr | None = None) -> ServiceStatus:
    """Say how a service is, within ten seconds. ``secret`` tries a credential that is not saved yet.

    Raises:
        UsageError: there is no such service. Everything else becomes a status.
    """
    service = get_service(name)
    if secret is not None:
        keep_secret(secret.get_secret_value())
        if wrong := credentials.what_is_wrong(secret.get_secret_value()):
            return ServiceStatus(
                state="failed",
                detail=f"that cannot be a key: {wrong}",
                fix=f"copy it from {service.where_to_get} again, without quotes and spaces around it",
            )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            if name == service_names.HERE:
                return await asyncio.to_thread(_test_local, paths)
            if name == service_names.OWN_BOXES:
                return await _test_boxes(paths)
            if name == service_names.NEWS:
                return await asyncio.to_thread(_test_channels, paths)
            secret = secret or await asyncio.to_thread(credentials.get, name, paths)
            if name == service_names.HUGGINGFACE:
                return await asyncio.to_thread(_test_huggingface, secret)
            if name == service_names.JUDGE:
                return await _test_judge(paths, secret)
            if secret is None and service.environment:
                return ServiceStatus(state="off", detail="not connected", fix=f"get a key at {service.where_to_get}")
            return await _test_provider(name, paths, secret)
    except TimeoutError:
        return ServiceStatus(
            state="failed",
            detail=f"no answer within {humanize.span(DEADLINE_SECONDS)}",
            fix="check the network, then test again",
        )
    except BrightrunError as error:
        return ServiceStatus(
            state="failed",
            detail=redact(error.what),
            fix=error.fix,
            facts={"where": error.where} if error.where else {},
        )
    except Exception as error:  # of whatever class: the other services are tested all the same
        log.exception("%s cannot be tested", name)
        return ServiceStatus(
            state="failed",
            detail=f"the test itself failed ({type(error).__name__})",
            fix="set BRIGHTRUN_LOG=debug, test again, and report what the log says",
        )


test_service.__test__ = False  # type: ignore[attr-defined]


def _test_local(paths: Paths) -> ServiceStatus:
    machine = hardware(paths.data)
    facts = {"machine": describe(machine), "disk": f"{humanize.size(machine.disk_free or 0)} free"}
    missing = missing_packages("train")
    if missing:
        return ServiceStatus(
            state="off",
            detail=f"training packages are not installed ({', '.join(missing)})",
            facts=facts,
            fix=f"run: {install_command('train')}",
        )
    if machine.gpu_count and not torch_uses_gpu():
        return ServiceStatus(
            state="ok",
            facts=facts,
            detail=f"ready, but PyTorch here is the CPU build: the {machine.gpu} stays unused",
            fix="reinstall torch for CUDA: see pytorch.org/get-started",
        )
    return ServiceStatus(
        state="ok",
        facts=facts,
        detail="ready to train" + (f" on {machine.gpu}" if machine.gpu_count else " on the CPU"),
    )


def _test_huggingface(token: SecretStr | None) -> ServiceStatus:
    if token is None:
        hub.reach()
        return ServiceStatus(
            state="off",
            detail="reachable; without a token public models only",
            facts={"address": hub.endpoint()},
            fix="for gated and private models, add a token from https://huggingface.co/settings/tokens",
        )
    about: dict[str, Any] = hub.whoami(token)
    role = _token_of(about).get("role", "")
    facts = {"account": str(about.get("name", "")), "may": token_may(about), "token": _last_four(token)}
    facts["address"] = hub.endpoint()
    return ServiceStatus(
        state="ok",
        detail=f"signed in as {about.get('name', 'unknown')}" + (f" ({role} token)" if role else ""),
        facts=facts,
    )


def token_may(about: Mapping[str, Any]) -> str:
    """Return what a token of the Hub may do, by the Hub's own answer about it; empty where that does not say."""
    token = _token_of(about)
    match token.get("role"):
        case "read":
            return "read, gated models too once they are accepted"
        case "write":
            return "read and write"
        case "fineGrained":
            return _fine_grained(_inside(token, "fineGrained"))
    return ""


def _fine_grained(said: Mapping[str, Any]) -> str:
    scopes = said.get("scoped")
    listed = [scope for scope in scopes if isinstance(scope, dict)] if isinstance(scopes, list) else []
    writes = [
        str(_inside(scope, "entity").get("name", ""))
        for scope in listed
        if "repo.write" in (scope.get("permissions") or ())
    ]
    reads = "read gated models" if said.get("canReadGatedRepos") else "read public models, none that is gated"
    named = ", ".join(name for name in writes if name)
    return f"{reads}; {f'write to {named}' if named else 'write nothing'}"


def _token_of(about: Mapping[str, Any]) -> Mapping[str, Any]:
    return _inside(_inside(about, "auth"), "accessToken")


def _inside(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


async def _test_judge(paths: Paths, secret: SecretStr | None) -> ServiceStatus:
    try:
        settings = judge_settings(paths)
    except UsageError as error:
        if error.kind != ErrorKind.NO_JUDGE:
            raise
        return ServiceStatus(
            state="off", detail="no judge is set up", fix=f"write url and model below [judge] in {paths.config_file}"
        )
    async with Judge(settings, secret) as judge:
        listed = await judge.models()
    facts = {"address": settings.url, "model": settings.model} | ({"token": _last_four(secret)} if secret else {})
    if listed and settings.model not in listed:
        return ServiceStatus(
            state="failed",
            detail=f"“{settings.model}” is not among the {len(listed)} models there",
            fix="correct model below [judge] in config.toml",
            facts=facts,
        )
    return ServiceStatus(state="ok", detail=f"{settings.model} at {judge.host} can be asked", facts=facts)


async def _test_provider(name: str, paths: Paths, secret: SecretStr | None) -> ServiceStatus:
    provider = await asyncio.to_thread(open_provider, name, paths, secret)
    try:
        account = await provider.check()
    finally:
        await provider.close()
    facts = {"this month": await asyncio.to_thread(_month, name, paths)}
    words = [f"signed in as {account.who}" if account.who else "the key works"]
    if account.balance_usd is not None:
        words.append(f"{humanize.money(account.balance_usd)} left")
        facts["balance"] = humanize.money(account.balance_usd)
    if account.spend_per_hour_usd is not None:
        facts["spends now"] = f"{humanize.money(account.spend_per_hour_usd)} an hour"
    if account.may:
        facts["may"] = account.may
    if secret:
        facts["key"] = _last_four(secret)
    return ServiceStatus(state="ok", detail="; ".join([*words, *account.notes]), facts=facts)


def _test_channels(paths: Paths) -> ServiceStatus:
    """Say whether each can be opened. Nothing is sent: a test that comes every hour would be a nuisance."""
    known = saved_channels(paths)
    if not known:
        return ServiceStatus(state="off", detail="nobody is told anything outside this terminal", fix=ADD_CHANNEL)
    facts = {
        name: channel.service + (f", quiet {channel.quiet}" if channel.quiet else "") for name, channel in known.items()
    }
    for name in known:
        open_channel(paths, name)
    return ServiceStatus(state="ok", detail=f"{len(known)} channel{'s' * (len(known) > 1)}", facts=facts)


async def _test_boxes(paths: Paths) -> ServiceStatus:
    """Test one's own machines; good when at least one of them lets us in."""
    boxes = configured_boxes(paths)
    if not boxes:
        return ServiceStatus(state="off", detail="none is known yet", fix=ADD_BOX.format(paths.config_file))
    found = await _own(boxes, paths).survey()
    good = sum(isinstance(seen, str) for seen in found.values())
    detail = f"{good} of {len(found)} machines let us in" if len(found) > 1 else "it lets us in"
    facts = {name: seen if isinstance(seen, str) else f"✗ {seen.what}" for name, seen in found.items()}
    return ServiceStatus(state="ok", detail=detail, facts=facts)


async def test_box(name: str, box: SshBox, paths: Paths) -> tuple[ServiceStatus, SshBox]:
    """Say whether a machine of one's own lets us in; and the box with the host key that it is pinned to from then on."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            what, host_key = await _own({name: box}, paths).meet(name)
    except TimeoutError:
        return ServiceStatus(
            state="failed",
            detail=f"no answer within {humanize.span(DEADLINE_SECONDS)}",
            fix="check address and port, and that the machine is up",
        ), box
    except BrightrunError as error:
        return ServiceStatus(state="failed", detail=error.what, fix=error.fix), box
    except Exception as error:  # of whatever class: a foreign machine answers what it likes
        log.exception("%s cannot be tested", name)
        return ServiceStatus(state="failed", detail=f"the test itself failed ({type(error).__name__})"), box
    return ServiceStatus(state="ok", detail=what), box.model_copy(update={"host_key": box.host_key or host_key})


test_box.__test__ = False  # type: ignore[attr-defined]


def _own(boxes: dict[str, SshBox], paths: Paths) -> Ssh:
    from brightrun_tui.hosts.connection import SshTimings
    from brightrun_tui.providers.ssh import Ssh

    return Ssh(boxes, timings=load_section(paths, service_names.OWN_BOXES, SshTimings))


def _month(provider: str, paths: Paths) -> str:
    """Return what our own runs cost there this month, and the limit of all of them together. Blocking."""
    limit = load_section(paths, "money", MoneyLimits).monthly_limit_usd
    spent = f"{humanize.money(month_spending_of(paths.database, provider).total)} by your runs"
    return f"{spent}; the limit is {humanize.money(limit)}" if limit is not None else spent


def _last_four(secret: SecretStr) -> str:
    """Return the last four characters, enough to tell two keys apart; nothing of a short one."""
    value = secret.get_secret_value()
    return "…" + value[-4:] if len(value) >= 16 else "…"
