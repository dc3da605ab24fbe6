"""What Vast.ai says of itself: a market, with interruptible machines. The provider itself is imported when it is opened."""

from __future__ import annotations

from brightrun_tui.providers.base import Provider
from brightrun_tui.providers.spec import Capability, Opening, ProviderSpec
from brightrun_tui.providers.vast_settings import GUARD, VastSettings


def _open(opening: Opening[VastSettings]) -> Provider:
    from brightrun_tui.providers.vast import Vast

    return Vast(opening.key, settings=opening.settings, timings=opening.timings, guard=opening.guard)


SPEC = ProviderSpec(
    name="vast",
    title="Vast.ai",
    gives="Rented GPUs from a market, often the cheapest.",
    environment="VAST_API_KEY",
    key_hint="read users; read and write instances",
    where_to_get="https://cloud.vast.ai/manage-keys/",
    settings=VastSettings,
    capabilities=frozenset({Capability.INTERRUPTIBLE}),
    open=_open,
    guard=GUARD,
)
