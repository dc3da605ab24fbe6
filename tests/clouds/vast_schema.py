"""What Vast.ai accepts when searching and renting, and the search itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "in": lambda a, b: a in b,
    "notin": lambda a, b: a not in b,
}
PLAIN = {"limit", "type", "order", "allocated_storage", "template_id", "target_reliability"}
FILTERS = {
    "verified",
    "external",
    "rentable",
    "rented",
    "gpu_name",
    "num_gpus",
    "gpu_ram",
    "gpu_total_ram",
    "reliability",
    "reliability2",
    "inet_down",
    "inet_up",
    "inet_down_cost",
    "inet_up_cost",
    "direct_port_count",
    "disk_space",
    "cuda_max_good",
    "compute_cap",
    "duration",
    "dph_total",
    "datacenter",
    "geolocation",
    "machine_id",
    "host_id",
    "id",
    "cpu_ram",
    "cpu_cores",
    "cpu_cores_effective",
    "gpu_arch",
    "cpu_arch",
    "storage_cost",
    "static_ip",
    "disk_bw",
    "driver_version",
    "min_bid",
    "verification",
    "has_avx",
    "dlperf",
}


class CreateInstance(BaseModel):
    """Body of ``PUT /asks/{id}/``. Vast ignores what it does not know."""

    model_config = ConfigDict(extra="ignore", strict=True)

    client_id: Literal["me"] = "me"
    image: Annotated[str, Field(min_length=1, max_length=1024)]
    disk: Annotated[float, Field(ge=8)] = 8.0
    runtype: Literal[
        "ssh", "jupyter", "args", "ssh_proxy", "ssh_direct", "jupyter_proxy", "jupyter_direct", "ssh_direc ssh_proxy"
    ] = "ssh"
    env: dict[str, str] | str = Field(default_factory=dict)
    onstart: str = ""
    args: list[str] = Field(default_factory=list)
    args_str: str = ""
    label: Annotated[str, Field(max_length=256)] | None = None
    price: Annotated[float, Field(ge=0.001, le=128)] | None = None
    cancel_unavail: bool | None = None
    target_state: Literal["running", "stopped"] = "running"

    @property
    def command_length(self) -> int:
        return len(self.onstart) + len(self.args_str) + sum(map(len, self.args))


def search(offers: list[dict[str, Any]], query: dict[str, Any]) -> list[dict[str, Any]]:
    """Offers that pass every filter of the query, in its order.

    Raises:
        ValueError: in the words Vast uses for an unknown key or operator.
    """
    found = offers
    for key, condition in query.items():
        if key in PLAIN:
            continue
        if key not in FILTERS:
            raise ValueError(f"Error in query parameters: {key} is not a valid search key")
        if not isinstance(condition, dict) or not set(condition) <= set(OPERATORS):
            raise ValueError(f"Error in query parameters: bad operator for {key}")
        for operator, value in condition.items():
            found = [offer for offer in found if _passes(offer, key, operator, value)]
    for column, direction in reversed(query.get("order", [["score", "desc"]])):
        found = sorted(found, key=lambda offer: offer.get(column) or 0, reverse=direction == "desc")
    return found[: query.get("limit", 64)]


def _passes(offer: dict[str, Any], key: str, operator: str, value: Any) -> bool:
    if key == "verified":
        have: Any = offer["verification"] == "verified"
    elif key == "datacenter":
        have = offer["hosting_type"] == 1
    elif key == "geolocation":
        have = offer["geolocation"][-2:]
    else:
        have = offer.get(key)
    if have is None:
        return operator in ("eq", "neq") and OPERATORS[operator](bool(have), value)
    return OPERATORS[operator](have, value)
