"""What a provider of machines says of itself: all that the rest of Bright Run knows of one before it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import SecretStr

from brightrun_tui import plugins
from brightrun_tui.config import SECTIONS, Section, flaw_of_settings
from brightrun_tui.domain.service_names import HERE, HUGGINGFACE, NEWS
from brightrun_tui.domain.spec_names import flaw_of_name
from brightrun_tui.hosts.boot import GuardPart, GuardTimes
from brightrun_tui.paths import Paths
from brightrun_tui.plugins import Door, Loaded
from brightrun_tui.process import SECRET_ENDINGS
from brightrun_tui.providers.base import Provider

if TYPE_CHECKING:
    from brightrun_tui.providers.http import ProviderTimings

TAKEN = (*SECTIONS, HERE, HUGGINGFACE, NEWS)
"""Tables of the configuration, and services, that are not providers: no provider may be called like them."""


T = TypeVar("T", bound=Section)


class Capability(StrEnum):
    """What not every provider can do."""

    INTERRUPTIBLE = "interruptible"
    """It also rents machines for less that it may take away at any time."""


@dataclass(frozen=True)
class Opening(Generic[T]):
    """What a provider is opened with. ``settings`` is its table of the configuration, checked; ``guard``: the times
    of the guards on machines that are rented with it.
    """

    paths: Paths
    secret: SecretStr | None
    settings: T
    timings: ProviderTimings
    guard: GuardTimes

    @property
    def key(self) -> str:
        """The credential as it is sent; empty for a provider that needs none."""
        return self.secret.get_secret_value() if self.secret else ""


@dataclass(frozen=True, kw_only=True)
class ProviderSpec:
    """An entry point of ``brightrun.providers``.

    Attributes:
        name: what people type, and the provider's table in ``config.toml``.
        title: what people read.
        gives: one sentence on what it offers.
        open: a provider with its credential and settings. Called in a thread; the caller closes what it returns.
        open_serverless: the same of its workers that come and go with requests, see `serverless.Serverless`; None: it has none.
        environment: the variable that may hold its key; empty: no key is needed.
        key_title, key_hint: what the key is called there, and what it looks like.
        where_to_get: the address where a person gets the key.
        settings: the model of its table in ``config.toml``.
        guard: how a machine of its ends itself; None where nothing is rented.
        is_set_up: of a provider without a key, whether it can be used. Raises `UsageError` where a file does not fit.
    """

    name: str
    title: str
    gives: str
    open: Callable[[Opening[Any]], Provider]
    open_serverless: Callable[[Opening[Any]], Provider] | None = None
    environment: str = ""
    key_title: str = "API key"
    key_hint: str = ""
    where_to_get: str = ""
    settings: type[Section] = Section
    capabilities: frozenset[Capability] = frozenset()
    guard: GuardPart | None = None
    is_set_up: Callable[[Paths], bool] | None = None

    def flaw(self) -> str:
        """Do as `plugins.Spec.flaw`."""
        if flaw := flaw_of_name(self.name, joint="_"):
            return flaw
        if self.name in TAKEN:
            return f"“{self.name}” is the name of something else"
        if not self.title.strip() or not self.gives.strip():
            return "title and gives should say what it is"
        if self.environment and not self.environment.endswith(SECRET_ENDINGS):
            return (
                f"the variable {self.environment} should end in one of {', '.join(SECRET_ENDINGS)}, so that it is kept from "
                "processes that must not know it"
            )
        if not self.environment and self.is_set_up is None:
            return "without a key (environment) it should say whether it is set up (is_set_up)"
        if self.environment and not self.where_to_get:
            return "it should say where to get its key (where_to_get)"
        if flaw := flaw_of_settings(self.settings):
            return flaw
        if not all(isinstance(one, Capability) for one in self.capabilities):
            return "its capabilities should be members of Capability"
        if self.guard is not None and not (
            self.guard.machine_id and self.guard.key and self.guard.look and self.guard.ways
        ):
            return "its guard part should say machine_id, key, look and at least one way to end a machine"
        return ""


def provider_names() -> tuple[str, ...]:
    """Return the names of all providers, without importing one."""
    return plugins.names(Door.PROVIDERS)


def provider_specs() -> Loaded[ProviderSpec]:
    """Return the specs of all providers that can be used, and what is wrong with the others."""
    return plugins.load_all(Door.PROVIDERS, ProviderSpec)


def provider_spec(name: str) -> ProviderSpec | None:
    """Return one provider's spec, importing no other; None when there is none of that name. Raises `PluginError`."""
    return plugins.load(Door.PROVIDERS, ProviderSpec, name)


def can(name: str, capability: Capability) -> bool:
    """Say whether a provider has a capability; one that cannot be used has none."""
    spec = provider_specs().found.get(name)
    return spec is not None and capability in spec.capabilities
