"""What can be set for Vast.ai, and how the guard ends a machine there."""

from __future__ import annotations

from pydantic import Field

from brightrun_tui.config import Section
from brightrun_tui.hosts.boot import GuardPart, Way

GUARD = GuardPart(
    "CONTAINER_ID",
    "CONTAINER_API_KEY",
    look="{url}/api/v0/instances/{id}/",
    ways=(
        Way("delete", "DELETE", "{url}/api/v0/instances/{id}/", "{}"),
        Way("stop", "PUT", "{url}/api/v0/instances/{id}/", '{"state": "stopped"}', last=True, keeps=True),
    ),
)


class VastSettings(Section):
    """``[vast]`` in ``config.toml``."""

    image: str = "vastai/pytorch:@vastai-automatic-tag"
    image_gb: float = Field(10.0, ge=0, description="What loading the image takes in traffic, for the price.")
    min_cuda: float = Field(12.8, description="Oldest CUDA that the host's driver must support.")
    min_reliability: float = Field(0.95, ge=0, le=1)
    min_download_mbps: float = Field(200.0, ge=0)
    bid_factor: float = Field(1.15, ge=1, description="What to bid for an interruptible machine, over the lowest bid.")
