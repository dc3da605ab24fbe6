"""What RunPod says of itself: pods are on-demand only. The provider itself is imported when it is opened."""

from __future__ import annotations

from pydantic import Field

from brightrun_tui.config import Section
from brightrun_tui.hosts.boot import GuardPart, Way
from brightrun_tui.providers.base import Provider
from brightrun_tui.providers.spec import Opening, ProviderSpec

GUARD = GuardPart("RUNPOD_POD_ID", "RUNPOD_API_KEY", look="{url}/pods/{id}", ways=(
    Way("delete", "DELETE", "{url}/pods/{id}"),
    Way("terminate", "POST", "{url}/pods/{id}/action", '{"action": "terminate"}'),
    Way("graphql", "POST", "{graphql}", '{"query": "mutation { podTerminate(input: {podId: \\"{id}\\"}) }"}'),
    Way("runpodctl", command=("runpodctl", "remove", "pod", "{id}")),
    Way("stop", "POST", "{url}/pods/{id}/action", '{"action": "stop"}', last=True)))


class RunPodSettings(Section):
    """``[runpod]`` in ``config.toml``."""

    image: str = "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"
    min_cuda: str = Field("12.8", pattern=r"^\d+\.\d+$", description="Oldest CUDA that the host's driver must support.")
    community: bool = Field(True, description="Offer community hosts too: cheaper, less reliable.")
    boot_guard: bool = Field(True, description="Send the guard with the create call; needs an image with RunPod's /start.sh.")


def _open(opening: Opening[RunPodSettings]) -> Provider:
    from brightrun_tui.providers.runpod import RunPod

    return RunPod(opening.key, settings=opening.settings, timings=opening.timings, guard_silence=opening.guard_silence,
                  guard_tick=opening.guard_tick, guard_keep=opening.guard_keep)


SPEC = ProviderSpec(
    name="runpod", title="RunPod", gives="Rented GPUs by the second.", environment="RUNPOD_API_KEY",
    key_hint="starts with rpa_; needs read and write", where_to_get="https://console.runpod.io/user/settings",
    settings=RunPodSettings, open=_open, guard=GUARD)
