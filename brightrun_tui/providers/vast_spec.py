"""What Vast.ai says of itself: a market, with interruptible machines. The provider itself is imported when it is opened."""

from __future__ import annotations

from pydantic import Field

from brightrun_tui.config import Section
from brightrun_tui.hosts.boot import GuardPart, Way
from brightrun_tui.providers.base import Provider
from brightrun_tui.providers.spec import Capability, Opening, ProviderSpec

GUARD = GuardPart("CONTAINER_ID", "CONTAINER_API_KEY", look="{url}/api/v0/instances/{id}/", ways=(
    Way("delete", "DELETE", "{url}/api/v0/instances/{id}/", "{}"),
    Way("stop", "PUT", "{url}/api/v0/instances/{id}/", '{"state": "stopped"}', last=True, keeps=True)))


class VastSettings(Section):
    """``[vast]`` in ``config.toml``."""

    image: str = "vastai/pytorch:@vastai-automatic-tag"
    image_gb: float = Field(10.0, ge=0, description="What loading the image takes in traffic, for the price.")
    min_cuda: float = Field(12.8, description="Oldest CUDA that the host's driver must support.")
    min_reliability: float = Field(0.95, ge=0, le=1)
    min_download_mbps: float = Field(200.0, ge=0)
    bid_factor: float = Field(1.15, ge=1, description="What to bid for an interruptible machine, over the lowest bid.")


def _open(opening: Opening[VastSettings]) -> Provider:
    from brightrun_tui.providers.vast import Vast

    return Vast(opening.key, settings=opening.settings, timings=opening.timings, guard_silence=opening.guard_silence,
                guard_tick=opening.guard_tick, guard_keep=opening.guard_keep)


SPEC = ProviderSpec(
    name="vast", title="Vast.ai", gives="Rented GPUs from a market, often the cheapest.", environment="VAST_API_KEY",
    key_hint="read users; read and write instances", where_to_get="https://cloud.vast.ai/manage-keys/", settings=VastSettings,
    capabilities=frozenset({Capability.INTERRUPTIBLE}), open=_open, guard=GUARD)
