"""The services Bright Run can be connected to. Providers are looked at only where one is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from brightrun_tui.domain import service_names as names
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import PluginError, UsageError

if TYPE_CHECKING:
    from brightrun_tui.providers.spec import ProviderSpec


@dataclass(frozen=True, kw_only=True)
class Field:
    """One thing a person types to connect a service."""

    name: str
    title: str
    hint: str = ""
    secret: bool = True


@dataclass(frozen=True, kw_only=True)
class Service:
    """One card. ``environment``: the variable whose value wins over what is saved; empty: no credential is needed."""

    name: str
    title: str
    kind: Literal["machine", "models", "gpu", "judge", "news"]
    gives: str
    environment: str = ""
    fields: tuple[Field, ...] = ()
    where_to_get: str = ""
    optional: bool = False


def _token(title: str, hint: str) -> tuple[Field, ...]:
    return (Field(name="token", title=title, hint=hint),)


LOCAL = Service(
    name=names.HERE,
    title="This machine",
    kind="machine",
    gives="Training and serving on your own CPU or GPU, free of charge.",
)
HUGGINGFACE = Service(
    name=names.HUGGINGFACE,
    title="Hugging Face",
    kind="models",
    gives="Base models to start from; gated and private ones with a token.",
    environment="HF_TOKEN",
    fields=_token("Access token", "starts with hf_; “read” is enough"),
    where_to_get="https://huggingface.co/settings/tokens",
    optional=True,
)
JUDGE = Service(
    name=names.JUDGE,
    title="Judge",
    kind="judge",
    gives="A language model elsewhere that compares base and tuned answers (J in the Registry).",
    environment="BRIGHTRUN_JUDGE_KEY",
    fields=_token("API key", "of the OpenAI-compatible address below [judge] in config.toml"),
    where_to_get="the judge's provider, as https://platform.openai.com/api-keys",
    optional=True,
)

NEWS = Service(
    name=names.NEWS,
    title="Notifications",
    kind="news",
    gives="Mail, Slack, Teams, Discord, ntfy, webhooks … tell you what happens, with no app open.",
    optional=True,
)

_FIXED = {service.name: service for service in (LOCAL, HUGGINGFACE, JUDGE, NEWS)}


def services() -> tuple[Service, ...]:
    """Return every service, in the order of the cards: providers between Hugging Face and the judge, those without a key
    first.
    """
    from brightrun_tui.providers.spec import provider_specs

    specs = sorted(provider_specs().found.values(), key=lambda spec: bool(spec.environment))
    return (LOCAL, HUGGINGFACE, *(_service(spec) for spec in specs), JUDGE, NEWS)


def problems() -> tuple[PluginError, ...]:
    """Return providers that are installed and cannot be used."""
    from brightrun_tui.providers.spec import provider_specs

    return provider_specs().problems


def service_names() -> tuple[str, ...]:
    """Return the names of all services, without importing a provider."""
    from brightrun_tui.providers.spec import provider_names

    return (LOCAL.name, HUGGINGFACE.name, *provider_names(), JUDGE.name, NEWS.name)


def title_of(name: str) -> str:
    """Return what people call a service; the name itself where there is none of that name any more."""
    if name in _FIXED:
        return _FIXED[name].title
    from brightrun_tui.providers.spec import provider_spec

    try:
        spec = provider_spec(name)
    except PluginError:
        return name
    return spec.title if spec else name


def get_service(name: str) -> Service:
    """Return the service, importing no other provider than this one.

    Raises:
        UsageError: there is none of that name.
        PluginError: it is a provider of a package that is broken.
    """
    if name in _FIXED:
        return _FIXED[name]
    from brightrun_tui.providers.spec import provider_spec

    spec = provider_spec(name)
    if spec is None:
        raise UsageError(
            f"there is no service “{name}”", fix=f"one of: {', '.join(service_names())}", kind=ErrorKind.UNKNOWN_SERVICE
        )
    return _service(spec)


def _service(spec: ProviderSpec) -> Service:
    return Service(
        name=spec.name,
        title=spec.title,
        kind="gpu",
        gives=spec.gives,
        environment=spec.environment,
        fields=_token(spec.key_title, spec.key_hint) if spec.environment else (),
        where_to_get=spec.where_to_get,
    )
