"""A model at a service that brings workers when somebody asks and takes them away when nobody does."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

SUFFIX = "-serverless"
"""Behind the name of a rental service: its workers that come and go, instead of its machines."""
IDLE_SECONDS = 60
"""Without a request for so long a worker ends, where nothing else was said."""
MOST_IDLE_SECONDS = 3600
ADAPTER = "adapter"
"""What vLLM is told to call an adapter."""


def lora_rank(rank: int) -> int:
    """Return the smallest rank vLLM can be told that holds an adapter of this rank."""
    return next((most for most in (8, 16, 32, 64, 128, 256, 320, 512) if most >= rank), rank)


def account_of_place(name: str) -> str:
    """Return the service whose account and key a place uses: ``runpod`` of ``runpod-serverless``."""
    return name.removesuffix(SUFFIX)


class ServedModel(BaseModel):
    """What workers load, and how many of them there may be.

    ``base`` and ``adapter`` are repositories of the Hub that everybody can read, or paths on the network ``volume``; without an
    adapter the base is the whole model. ``base_revision``: the commit that is loaded; an adapter comes from its repository's main
    branch, where ``adapter_commit`` was when it was looked at. ``rank`` is that of the adapter, ``context`` in tokens.
    ``idle_seconds``: without a request for so long a worker ends.
    """

    model_config = ConfigDict(frozen=True)

    base: str
    base_revision: str = ""
    adapter: str = ""
    adapter_commit: str = ""
    rank: int = Field(0, ge=0)
    quantised: bool = False
    context: int = Field(0, ge=0)
    volume: str = ""
    idle_seconds: int = Field(IDLE_SECONDS, ge=1, le=MOST_IDLE_SECONDS)
    most_workers: int = Field(1, ge=1)

    @property
    def name(self) -> str:
        """What workers call the model."""
        return ADAPTER if self.adapter else "model"
