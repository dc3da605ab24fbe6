"""The services Bright Run can be connected to."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import UsageError


class Field(BaseModel):
    """One thing a person types to connect a service."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    hint: str = ""
    secret: bool = True


class Service(BaseModel):
    """One card. ``environment``: the variable whose value wins over what is saved; empty: no credential is needed."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    kind: Literal["machine", "models", "gpu", "judge"]
    gives: str
    environment: str = ""
    fields: tuple[Field, ...] = ()
    where_to_get: str = ""
    optional: bool = False


def _token(title: str, hint: str) -> tuple[Field, ...]:
    return (Field(name="token", title=title, hint=hint),)


LOCAL = Service(
    name="local",
    title="This machine",
    kind="machine",
    gives="Training and serving on your own CPU or GPU, free of charge.",
)
HUGGINGFACE = Service(
    name="huggingface",
    title="Hugging Face",
    kind="models",
    gives="Base models to start from; gated and private ones with a token.",
    environment="HF_TOKEN",
    fields=_token("Access token", "starts with hf_; “read” is enough"),
    where_to_get="https://huggingface.co/settings/tokens",
    optional=True,
)
OWN = Service(
    name="ssh",
    title="Your own machines",
    kind="gpu",
    gives="Training on any Linux machine that you can reach over SSH.",
    where_to_get="its address, a user and an SSH key",
)
RENTED = (
    Service(
        name="runpod",
        title="RunPod",
        kind="gpu",
        gives="Rented GPUs by the second.",
        environment="RUNPOD_API_KEY",
        fields=_token("API key", "starts with rpa_; needs read and write"),
        where_to_get="https://console.runpod.io/user/settings",
    ),
    Service(
        name="vast",
        title="Vast.ai",
        kind="gpu",
        gives="Rented GPUs from a market, often the cheapest.",
        environment="VAST_API_KEY",
        fields=_token("API key", "read users; read and write instances"),
        where_to_get="https://cloud.vast.ai/manage-keys/",
    ),
)
JUDGE = Service(
    name="judge",
    title="Judge",
    kind="judge",
    gives="A language model elsewhere that compares base and tuned answers (J in the Registry).",
    environment="BRIGHTRUN_JUDGE_KEY",
    fields=_token("API key", "of the OpenAI-compatible address below [judge] in config.toml"),
    where_to_get="the judge's provider, as https://platform.openai.com/api-keys",
    optional=True,
)

SERVICES: tuple[Service, ...] = (
    LOCAL,
    HUGGINGFACE,
    OWN,
    *RENTED,
    JUDGE,
)


def get_service(name: str) -> Service:
    """Raises `UsageError` when there is none of that name."""
    for service in SERVICES:
        if service.name == name:
            return service
    raise UsageError(
        f"there is no service “{name}”",
        fix=f"one of: {', '.join(service.name for service in SERVICES)}",
        kind="unknown_service",
    )
