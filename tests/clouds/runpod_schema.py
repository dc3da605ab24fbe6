"""Bodies that RunPod v2 accepts, and how it words a refusal. Unknown fields are refused, types are not bent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Gpu(Strict):
    id: str
    count: Annotated[int, Field(ge=1)] = 1
    allowedCudaVersions: list[Annotated[str, Field(pattern=r"^\d+\.\d+$")]] | None = None
    minCudaVersion: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None


class Cpu(Strict):
    id: str
    vcpuCount: Annotated[int, Field(ge=2)] = 2


class PersistentMount(Strict):
    size: Annotated[int, Field(ge=10)]
    path: str


class NetworkMount(Strict):
    volumeId: str
    path: str


class Mounts(Strict):
    persistent: PersistentMount | None = None
    network: Annotated[list[NetworkMount], Field(max_length=1)] | None = None


class CreatePod(Strict):
    name: Annotated[str, Field(min_length=1)]
    image: str | None = None
    templateId: Annotated[str, Field(min_length=1)] | None = None
    args: str = ""
    disk: Annotated[int, Field(ge=1)] = 50
    env: dict[str, str] = Field(default_factory=dict)
    ports: list[str] = Field(default_factory=list)
    registry: str | None = None
    cloud: Literal["SECURE", "COMMUNITY"] = "SECURE"
    cpu: Cpu | None = None
    gpu: Gpu | None = None
    dataCenterIds: list[str] = Field(default_factory=list)
    globalNetworking: bool = False
    mounts: Mounts | None = None
    startJupyter: bool = False
    startSsh: bool = False

    @model_validator(mode="after")
    def _image(self) -> CreatePod:
        if self.image is None and self.templateId is None:
            raise ValueError("missing property 'image'")
        return self


class PodAction(Strict):
    action: Literal["start", "stop", "restart", "terminate"]


def problems(error: ValidationError, body: Any) -> list[str]:
    """As RunPod words them. When a property is missing, every given one is called additional as well."""
    missing, other = [], []
    for item in error.errors():
        place = "$" + "".join(f".{part}" for part in item["loc"][:-1])
        last = str(item["loc"][-1]) if item["loc"] else ""
        if item["type"] == "missing":
            missing.append(f"{place}: missing property '{last}'")
        elif item["type"] == "extra_forbidden":
            other.append(f"{place}: additional properties '{last}' not allowed")
        elif item["type"] == "value_error":
            missing.append(f"$: {item['ctx']['error']}")
        else:
            other.append(f"$.{'.'.join(map(str, item['loc']))}: {item['msg']}")
    if missing and isinstance(body, dict):
        names = ", ".join(f"'{name}'" for name in body)
        other = [f"$: additional properties {names} not allowed", *other] if names else other
    return missing + other


def broken_rule(pod: CreatePod) -> str:
    """The sentence of a 400 when fields contradict one another; empty when they do not."""
    if (pod.gpu is None) == (pod.cpu is None):
        return "exactly one of gpu or cpu must be set"
    if pod.gpu and pod.gpu.minCudaVersion and pod.gpu.allowedCudaVersions:
        return "gpu.minCudaVersion and gpu.allowedCudaVersions are mutually exclusive"
    if pod.mounts and pod.mounts.persistent and pod.mounts.network:
        return "mounts.persistent and mounts.network are mutually exclusive"
    if pod.cpu and pod.mounts and pod.mounts.persistent:
        return "mounts.persistent is not available for CPU pods"
    return ""
