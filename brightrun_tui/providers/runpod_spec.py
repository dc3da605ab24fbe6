"""What RunPod says of itself: pods are on-demand only. The provider itself is imported when it is opened."""

from __future__ import annotations

from brightrun_tui.providers.base import Provider
from brightrun_tui.providers.runpod_settings import GUARD, RunPodSettings
from brightrun_tui.providers.spec import Opening, ProviderSpec


def _open(opening: Opening[RunPodSettings]) -> Provider:
    from brightrun_tui.providers.runpod import RunPod

    return RunPod(opening.key, settings=opening.settings, timings=opening.timings, guard=opening.guard)


def _open_serverless(opening: Opening[RunPodSettings]) -> Provider:
    from brightrun_tui.providers.runpod_serverless import RunPodServerless

    return RunPodServerless(opening.key, settings=opening.settings, timings=opening.timings)


SPEC = ProviderSpec(
    name="runpod",
    title="RunPod",
    gives="Rented GPUs by the second.",
    environment="RUNPOD_API_KEY",
    key_hint="starts with rpa_; needs read and write",
    where_to_get="https://console.runpod.io/user/settings",
    settings=RunPodSettings,
    open=_open,
    open_serverless=_open_serverless,
    guard=GUARD,
)
