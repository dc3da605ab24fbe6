"""What a person agreed to before a machine is rented for an endpoint: where, for how much, and when it goes back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.humanize import money, span
from brightrun_tui.domain.serverless import ServedModel

IDLE_STOP_SECONDS = 900.0
"""Without a request for so long a rented machine is returned, where nothing else was said."""


class EndpointRental(BaseModel):
    """The machine of an endpoint, as it is to be. Sizes in bytes, times in seconds, money in US dollars.

    ``box``: the one machine of one's own that was named, empty at a rental service. ``price_per_hour`` is that of the ``offer``
    which was agreed to; ``max_price`` the most that another one may cost (None: as for runs, half as much again).
    ``budget_usd``: the most that all machines of this deployment may cost. ``idle_stop``: without a request for so long the
    machine is returned; 0: never. ``memory`` is what the model takes of a GPU, ``cold_start`` the time until its first answer.
    ``serverless``: no machine is rented, workers come and go; the price is that of an hour of one of them.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    provider: str
    box: str = ""
    gpu: str = ""
    offer: str = ""
    offer_gpu: str = ""
    host_id: str = ""
    price_per_hour: float = Field(0.0, ge=0)
    max_price: float | None = Field(None, gt=0)
    budget_usd: float | None = Field(None, ge=0)
    idle_stop: float = Field(IDLE_STOP_SECONDS, ge=0)
    memory: int = Field(0, ge=0)
    disk: int = Field(0, ge=0)
    download: int = Field(0, ge=0)
    cold_start: float = Field(0.0, ge=0)
    project: str = ""
    serverless: ServedModel | None = None

    @property
    def place(self) -> str:
        """Where it is, as people call it."""
        return self.box or self.provider

    def price_words(self, once_usd: float = 0.0) -> str:
        """Return what the machine costs, with ``once_usd`` for traffic, and the most that it may come to."""
        if not self.price_per_hour:
            return "it costs nothing"
        once = f" and {money(once_usd)} once for traffic" if once_usd else ""
        most = f", {money(self.budget_usd)} in all at most" if self.budget_usd is not None else ""
        if self.serverless is not None:
            several = f", {self.serverless.most_workers} at most" if self.serverless.most_workers > 1 else ""
            return f"{money(self.price_per_hour)} an hour while a worker runs{several}, nothing while none does{most}"
        return f"{money(self.price_per_hour)} an hour{once}{most}"

    @property
    def end_words(self) -> str:
        """When the machine goes back by itself."""
        if self.serverless is not None:
            return (
                f"A worker ends after {span(self.serverless.idle_seconds)} without a request; the next one then waits about "
                f"{span(self.cold_start)} for another worker."
            )
        if not self.idle_stop:
            return "Nothing returns it but undeploy."
        return f"It is returned after {span(self.idle_stop)} without a request."
