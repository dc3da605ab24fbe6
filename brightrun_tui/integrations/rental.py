"""From the name of a GPU service to a provider that can be asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from pydantic import SecretStr

from brightrun_tui.config import load_section
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, ProviderDownError, UsageError
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.serverless import SUFFIX, account_of_place
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.hosts.boot import GuardTimes
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Account, Need, Provider
from brightrun_tui.providers.local import LocalProvider
from brightrun_tui.providers.spec import Opening, provider_names, provider_spec

log = logging.getLogger(__name__)


def open_provider(
    name: str, paths: Paths, secret: SecretStr | None = None, *, guard: GuardTimes | None = None
) -> Provider:
    """Return a provider with its credential and settings; the caller closes it. Blocking (keyring).

    ``secret`` is tried in place of the saved credential. ``guard``: the times of the guards on
    machines that are rented with it.

    Raises:
        UsageError: it rents no machines, or its settings do not fit.
        NotConnectedError: there is no credential for it.
        PluginError: the package that brings it is broken.
    """
    account = account_of_place(name)
    spec = provider_spec(account)
    opened = None if spec is None else spec.open if account == name else spec.open_serverless
    if spec is None or opened is None:
        raise UsageError(
            f"“{name}” rents no machines",
            where="--provider",
            kind=ErrorKind.NO_PROVIDER,
            fix=f"one of: {', '.join(provider_names())}",
        )
    if spec.environment:
        secret = secret or credentials.get(account, paths)
        if secret is None:
            raise NotConnectedError(
                f"{account} is not connected", fix=f"brightrun connect {account}", kind=ErrorKind.NOT_CONNECTED
            )
    from brightrun_tui.providers.http import ProviderTimings

    return opened(
        Opening(
            paths=paths,
            secret=secret,
            settings=load_section(paths, account, spec.settings),
            timings=load_section(paths, "providers", ProviderTimings),
            guard=guard or GuardTimes(),
        )
    )


async def offers_of(name: str, paths: Paths, need: Need) -> list[Offer]:
    """Return what one provider, or this machine, has for ``need``, cheapest first. Raises as `open_provider` and the provider."""
    if name == HERE:
        return await LocalProvider().offers(need)
    provider = await asyncio.to_thread(open_provider, name, paths)
    try:
        return await provider.offers(need)
    finally:
        await provider.close()


async def account_of(name: str, paths: Paths) -> Account:
    """Ask whose the credential is, whether it may rent, and what is left. Raises as `open_provider` and the provider."""
    provider = await asyncio.to_thread(open_provider, name, paths)
    try:
        return await provider.check()
    finally:
        await provider.close()


def connected_providers(paths: Paths) -> list[str]:
    """Return the rental services that have a credential (or boxes) now, usable or not: each is asked on its own, and says what
    is wrong with it. Raises nothing. One about which nothing can be found out is among them, as it may have machines of ours.
    """
    return [name for name in provider_names() if _may_be_connected(name, paths)]


def serverless_places(services: Iterable[str]) -> list[str]:
    """Say where workers come and go, of those of these services that have such: places to serve at, and to look for what is
    ours.
    """
    return [f"{name}{SUFFIX}" for name in services if has_serverless(name)]


def has_serverless(name: str) -> bool:
    """Say whether a service has workers that come and go; one that cannot be used has none."""
    try:
        spec = provider_spec(name)
    except BrightrunError:
        return False
    return spec is not None and spec.open_serverless is not None


def _may_be_connected(name: str, paths: Paths) -> bool:
    try:
        return is_set_up(name, paths)
    except BrightrunError:
        return True


def is_set_up(name: str, paths: Paths) -> bool:
    """Say whether there is what a provider needs; says nothing about whether it works. Cheap. Raises as `open_provider`."""
    spec = provider_spec(name)
    if spec is None:
        return False
    return spec.is_set_up(paths) if spec.is_set_up else credentials.where(name, paths) != ""


def as_known_error(name: str, error: Exception) -> BrightrunError:
    """Return what became of asking one provider, whatever it raised: nothing of one provider ends what is done with the
    others.
    """
    if isinstance(error, BrightrunError):
        return error
    log.error("%s: an error nobody foresaw", name, exc_info=error)
    return ProviderDownError(
        f"asking {name} failed ({type(error).__name__})",
        where=name,
        kind=ErrorKind.PROVIDER_DOWN,
        fix="set BRIGHTRUN_LOG=debug, try again, and report what the log says",
    )
