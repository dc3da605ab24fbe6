"""Test a service the way its users would: does it work right now, and whose is it?"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.integrations.packages import install_command, missing_packages, torch_uses_gpu
from brightrun_tui.integrations.rental import configured_boxes, open_provider
from brightrun_tui.integrations.services import Service, get_service
from brightrun_tui.paths import Paths
from brightrun_tui.providers.local import describe, hardware

DEADLINE_SECONDS = 10.0
ADD_BOX = "add a table [boxes.NAME] with host and user to {}"


class ServiceStatus(BaseModel):
    """``ok`` green, ``failed`` red, ``off`` grey: not set up, nothing wrong. ``detail`` is one sentence for people."""

    model_config = ConfigDict(frozen=True)

    state: Literal["ok", "failed", "off"]
    detail: str
    facts: dict[str, str] = Field(default_factory=dict)
    fix: str = ""


def is_connected(service: Service, paths: Paths) -> bool:
    """Whether there is what the service needs; says nothing about whether it works. Cheap."""
    if service.name == "ssh":
        return bool(configured_boxes(paths))
    return not service.environment or credentials.where(service.name, paths) != ""


async def test_service(name: str, paths: Paths, secret: SecretStr | None = None) -> ServiceStatus:
    """How a service is, within ten seconds. ``secret`` tries a credential that is not saved yet.

    Raises:
        UsageError: there is no such service. Everything else becomes a status.
    """
    service = get_service(name)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            if name == "local":
                return await asyncio.to_thread(_test_local, paths)
            secret = secret or await asyncio.to_thread(credentials.get, name, paths)
            if name == "huggingface":
                return await asyncio.to_thread(_test_huggingface, secret)
            if secret is None and service.environment:
                return ServiceStatus(state="off", detail="not connected", fix=f"get a key at {service.where_to_get}")
            return await _test_provider(name, paths, secret)
    except TimeoutError:
        return ServiceStatus(
            state="failed",
            detail=f"no answer within {DEADLINE_SECONDS:.0f} seconds",
            fix="check the network, then test again",
        )
    except BrightrunError as error:
        return ServiceStatus(
            state="failed", detail=error.what, fix=error.fix, facts={"where": error.where} if error.where else {}
        )


test_service.__test__ = False  # type: ignore[attr-defined]


def _test_local(paths: Paths) -> ServiceStatus:
    machine = hardware(paths.data)
    facts = {"machine": describe(machine), "disk": f"{machine.disk_free / 1024**3:.1f} GiB free"}
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
    role = ((about.get("auth") or {}).get("accessToken") or {}).get("role", "")
    facts = {
        "address": hub.endpoint(),
        "account": str(about.get("name", "")),
        "token": _last_four(token),
    }
    return ServiceStatus(
        state="ok",
        detail=f"signed in as {about.get('name', 'unknown')}" + (f" ({role} token)" if role else ""),
        facts=facts,
    )


async def _test_provider(name: str, paths: Paths, secret: SecretStr | None) -> ServiceStatus:
    if name == "ssh" and not configured_boxes(paths):
        return ServiceStatus(
            state="off", detail="no machine of your own is configured", fix=ADD_BOX.format(paths.config_file)
        )
    provider = await asyncio.to_thread(open_provider, name, paths, secret)
    try:
        account = await provider.check()
    finally:
        await provider.close()
    facts = {"account": account.who}
    if secret:
        facts["token"] = _last_four(secret)
    if account.balance_usd is not None:
        facts["balance"] = f"${account.balance_usd:,.2f}"
    words = [f"signed in as {account.who}" if account.who and secret else account.who or "the key works"]
    words += [f"{facts['balance']} left"] if "balance" in facts else []
    return ServiceStatus(state="ok", detail="; ".join([*words, *account.notes]), facts=facts)


def _last_four(secret: SecretStr) -> str:
    """Enough to tell two keys apart; nothing of a short one."""
    value = secret.get_secret_value()
    return "…" + value[-4:] if len(value) >= 16 else "…"
