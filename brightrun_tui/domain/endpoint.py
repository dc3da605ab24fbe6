"""An endpoint as it is on record: what it serves, how it is, where it answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.domain.service_names import HERE

EndpointState = Literal["starting", "ready", "stopping", "stopped", "failed", "asleep"]
"""``asleep``: its rented machine was returned by a rule that was agreed to; only a new deploy rents one again."""
NAME, NAME_RULE = (
    re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
    "letters, digits, “.”, “_” and “-”, beginning with a letter or digit, 64 at most",
)
"""What an endpoint, or one of its keys, may be called; and that in words."""
SEE_ENDPOINTS = "see: brightrun endpoints"
ENDED: tuple[EndpointState, ...] = ("stopped", "failed")
"""Only a new deploy begins it again."""


def ref_of_base(ref: str) -> str:
    """Return what the base model of ``name:version`` is called in the API where it answers without that training."""
    return f"{ref}@base"


class Endpoint(BaseModel):
    """A model being served. The bearer key is not here: it lies in the endpoint's key file.

    ``engine`` computes the answers, ``engine_note`` says why it is not a faster one; ``wanted_engine``, ``wanted_port`` (0: any)
    and ``wanted_host`` (empty: this machine only) are what was asked for. ``keeps_key``: also when it has ended, because a person
    gave it a name. ``follows``: the alias whose version it serves, empty when it is pinned. ``wanted_version`` is to take the
    place of the present one (0: none is); ``refused_version`` could not. ``idle_unload``: after so many seconds without a request
    the model leaves memory until the next one (0: never). ``down_since``, ``asleep`` and ``restarting`` (why the model is being
    loaded again; empty where it is not) are not stored: whoever lists endpoints looks.

    ``base_alone``: it serves the version's base model without the adapter, to be compared with; never in the version's place.

    ``rental``: the machine that is rented for it; None where this machine serves. ``deployment`` tells it from earlier ones of
    the same name. ``doing``: what is done until it answers, or what is to be known of its money. ``ready_at``: when it last began
    to answer. ``rest_reason``: why its machine goes, or went, back though nobody undeployed it. ``cost_usd``: of its machines.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    model: str
    model_version: int
    provider: str = HERE
    state: EndpointState
    url: str = ""
    directory: str = ""
    pid: int | None = None
    created_at: float
    updated_at: float
    error: str = ""
    requests: int = 0
    engine: str = ""
    engine_note: str = ""
    wanted_engine: Literal["auto", "llama.cpp", "vllm", "transformers"] = "auto"
    wanted_port: int = 0
    wanted_host: str = ""
    keeps_key: bool = False
    follows: str = ""
    wanted_version: int = 0
    refused_version: int = 0
    idle_unload: float = 0.0
    base_alone: bool = False
    rental: EndpointRental | None = None
    deployment: str = ""
    doing: str = ""
    ready_at: float = 0.0
    rest_reason: str = ""
    cost_usd: float = 0.0
    down_since: float = Field(0.0, exclude=True)
    asleep: bool = Field(False, exclude=True)
    restarting: str = Field("", exclude=True)

    @property
    def down(self) -> bool:
        """Whether it was ready and its server does not run any more, as far as anybody has looked."""
        return self.down_since > 0

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs, or will by itself."""
        return self.state in ENDED

    @property
    def serving(self) -> bool:
        """Whether it answers, or will as soon as it can."""
        return self.state in ("starting", "ready")

    @property
    def live(self) -> bool:
        """Whether the engine has work to do for it."""
        return self.serving or self.state == "stopping"

    @property
    def answers(self) -> bool:
        """Whether a request would be answered, at once or after the model was loaded, as far as anybody has looked."""
        return self.state == "ready" and not self.down and not self.restarting

    @property
    def ref(self) -> str:
        """What it serves: ``name:version``, or the base of that, see `ref_of_base`."""
        version = f"{self.model}:{self.model_version}"
        return ref_of_base(version) if self.base_alone else version

    @property
    def served_name(self) -> str:
        """The model's name in the API: without its version where that may change."""
        return self.model if self.follows else self.ref

    def serves(self, version: ModelVersion) -> bool:
        """Say whether it is the version's own, and not one of its base."""
        return self.ref == version.ref

    def serves_base_of(self, version: ModelVersion) -> bool:
        """Say whether it is one of the version's base alone."""
        return self.ref == ref_of_base(version.ref)


def standing(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Return those that have not been stopped: who serves, or would, before who rests, and who failed last; else in their
    order.
    """
    order = {"asleep": 1, "failed": 2}
    return sorted((each for each in endpoints if each.state != "stopped"), key=lambda each: order.get(each.state, 0))


class EndpointChanges(TypedDict, total=False):
    """The facts of an endpoint that may change. What they mean is said in `Endpoint`."""

    state: EndpointState
    url: str
    pid: int | None
    error: str
    requests: int
    engine: str
    engine_note: str
    model_version: int
    follows: str
    wanted_version: int
    refused_version: int
    doing: str
    ready_at: float
    rest_reason: str
    cost_usd: float
