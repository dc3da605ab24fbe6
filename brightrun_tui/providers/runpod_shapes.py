"""What RunPod answers, as far as it is read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.providers.amounts import Port, Quantity, moment
from brightrun_tui.providers.base import MachineStatus

STATUS: dict[str, MachineStatus] = {
    "PROVISIONING": "starting",
    "STARTING": "starting",
    "RUNNING": "running",
    "EXITED": "stopped",
    "ERROR": "stopped",
    "TERMINATED": "gone",
}


class Tolerant(BaseModel):
    """A part of an answer; what is new in it is not a fault."""

    model_config = ConfigDict(extra="ignore")


class PodEndpoint(Tolerant):
    host: str
    port: Port
    username: str = "root"


class PodSsh(Tolerant):
    direct: PodEndpoint | None = None


class PodGpu(Tolerant):
    id: str = ""


class Pod(Tolerant):
    id: str = Field(min_length=1)
    name: str | None = None
    status: str | None = None
    cost: Quantity = None
    ssh: PodSsh | None = None
    env: dict[str, Any] | None = None
    gpu: PodGpu | None = None
    createdAt: str | None = None


class GpuPrice(Tolerant):
    secure: Quantity = None
    community: Quantity = None


class CudaVersion(Tolerant):
    version: str = ""
    available: bool = False


class RunPodGpu(Tolerant):
    id: str
    name: str = ""
    memory: Quantity = None
    price: GpuPrice = GpuPrice()
    availability: str | None = None
    dataCenters: list[dict[str, Any]] = Field(default_factory=list)
    cudaVersions: list[CudaVersion] = Field(default_factory=list)


def epoch(text: str | None) -> float | None:
    """Return a time as RunPod writes it in seconds since the epoch; None where it is not one."""
    try:
        return moment(datetime.fromisoformat(text).timestamp()) if text else None
    except (ValueError, OverflowError):
        return None
