"""What can be set for RunPod, and how the guard ends a machine there."""

from __future__ import annotations

from pydantic import Field

from brightrun_tui.config import Section
from brightrun_tui.hosts.boot import GuardPart, Way

GUARD = GuardPart(
    "RUNPOD_POD_ID",
    "RUNPOD_API_KEY",
    look="{url}/pods/{id}",
    ways=(
        Way("delete", "DELETE", "{url}/pods/{id}"),
        Way("terminate", "POST", "{url}/pods/{id}/action", '{"action": "terminate"}'),
        Way("graphql", "POST", "{graphql}", '{"query": "mutation { podTerminate(input: {podId: \\"{id}\\"}) }"}'),
        Way("runpodctl", command=("runpodctl", "remove", "pod", "{id}")),
        Way("stop", "POST", "{url}/pods/{id}/action", '{"action": "stop"}', last=True),
    ),
)


class RunPodSettings(Section):
    """``[runpod]`` in ``config.toml``."""

    image: str = Field("", description="The image of every pod. Empty: RunPod's own PyTorch for the host's CUDA.")
    min_cuda: str = Field("12.8", pattern=r"^\d+\.\d+$", description="Oldest CUDA that the host's driver must support.")
    community: bool = Field(True, description="Offer community hosts too: cheaper, less reliable.")
    serverless_image: str = Field(
        "runpod/worker-v1-vllm:v2.27.0",
        min_length=1,
        description="The image of the workers of serverless endpoints: RunPod's vLLM worker.",
    )
    boot_guard: bool = Field(
        True, description="Send the guard with the create call; needs an image with RunPod's /start.sh."
    )
