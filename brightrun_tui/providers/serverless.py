"""A service whose workers come and go with the requests, beside the one whose machines are rented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self, runtime_checkable

from brightrun_tui.domain.serverless import ServedModel
from brightrun_tui.providers.base import Provider

WorkerStatus = Literal["running", "idle", "initialising", "throttled", "unhealthy", "unknown"]


@dataclass(frozen=True)
class ServerlessWorker:
    """One worker at this moment. ``seconds``: since it began to cost; None if it is not placed yet and costs nothing.
    ``per_hour``: US dollars; None if the service does not say."""

    id: str
    status: WorkerStatus
    seconds: float | None = None
    per_hour: float | None = None


@runtime_checkable
class Serverless(Provider, Protocol):
    """Its machines are endpoints: they cost nothing themselves, their workers do. ``title`` is what people read."""

    title: str

    def serving(self, model: ServedModel) -> Self:
        """Return the same, whose `launch` makes an endpoint for that model."""
        ...

    async def workers(self, provider_id: str) -> list[ServerlessWorker]:
        """Return those of an endpoint. Raises as `inspect`; `NotFoundError` where the service knows no such endpoint."""
        ...

    def openai_url(self, provider_id: str) -> str:
        """Say where an endpoint answers in OpenAI's form, with the account's key."""
        ...
