"""Vast.ai's answers, read with tolerance: every field may be missing, null, or carry a stray newline."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from brightrun_tui.domain.money import MIB, Hardware, Offer
from brightrun_tui.providers.amounts import Moment, Port, Quantity, moment, port, quantity
from brightrun_tui.providers.base import Machine, MachineStatus
from brightrun_tui.providers.gpus import peak_flops

_STATUS: dict[str, MachineStatus] = {
    "": "starting",
    "created": "starting",
    "loading": "starting",
    "rebooting": "starting",
    "scheduling": "starting",
    "running": "running",
    "stopped": "stopped",
    "frozen": "stopped",
    "exited": "stopped",
}

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value).strip())]
Number = Annotated[float, BeforeValidator(lambda value: quantity(value) or 0.0)]


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore")


class VastOffer(_Tolerant):
    """An ask. Memory in MB, speeds in Mb/s, prices in US dollars per hour, per GB and month, and per GB."""

    id: int
    machine_id: Text = ""
    gpu_name: Text = ""
    num_gpus: int = 1
    gpu_ram: Number = 0.0
    cpu_ram: Number = 0.0
    cpu_cores: Number = 0.0
    cpu_cores_effective: Number = 0.0
    disk_space: Number = 0.0
    inet_down: Number = 0.0
    inet_down_cost: Number = 0.0
    inet_up_cost: Number = 0.0
    storage_cost: Number = 0.0
    dph_base: Number = 0.0
    min_bid: Number = 0.0
    reliability: float | None = None
    reliability2: float | None = None
    geolocation: Text = ""

    def offer(self, *, disk_gb: int, download_gb: float, upload_gb: float, bid: float | None) -> Offer | None:
        """Return the offer, an interruptible one with ``bid`` (US dollars an hour, disk not included); None where it
        has no price.
        """
        price = self.dph_base if bid is None else bid
        if not price:
            return None
        storage = disk_gb * self.storage_cost / 30 / 24
        share = self.cpu_cores_effective / self.cpu_cores if self.cpu_cores else 1.0
        reliability = self.reliability2 if self.reliability2 is not None else self.reliability
        return Offer(
            id=str(self.id) if bid is None else f"{self.id}@{bid:.4f}",
            provider="vast",
            region=self.geolocation,
            price_per_hour=price + storage,
            storage_per_hour=storage,
            reliability=reliability,
            interruptible=bid is not None,
            network_mbps=self.inet_down or None,
            host_id=self.machine_id,
            once_usd=download_gb * self.inet_down_cost + upload_gb * self.inet_up_cost,
            tier="interruptible" if bid is not None else "on-demand",
            hardware=Hardware(
                device="cuda",
                gpu=self.gpu_name,
                gpu_count=self.num_gpus,
                gpu_memory=int(self.gpu_ram * MIB),
                memory=int(self.cpu_ram * min(1.0, share) * MIB),
                cores=max(1, int(self.cpu_cores_effective)),
                flops=peak_flops(self.gpu_name),
                disk_free=int(self.disk_space * 10**9) or None,
            ),
        )


class VastInstance(_Tolerant):
    """A rented machine, as list and show answer it."""

    id: int
    label: Text = ""
    actual_status: Text = ""
    intended_status: Text = ""
    cur_state: Text = ""
    next_state: Text = ""
    status_msg: Text = ""
    public_ipaddr: Text = ""
    ssh_host: Text = ""
    ssh_port: Port = None
    image_runtype: Text = ""
    ports: dict[str, Any] | None = None
    machine_id: Text = ""
    gpu_name: Text = ""
    dph_total: Number = 0.0
    storage_total_cost: Number = 0.0
    is_bid: bool | None = None
    start_date: Moment = None
    uptime_mins: Quantity = None

    def machine(self) -> Machine:
        """Return the same in our words. Direct SSH comes first, the provider's proxy after it."""
        raw = self.actual_status
        status = _STATUS.get(raw, "unknown")
        taken = self.cur_state == self.intended_status == self.next_state == "stopped"
        ways = self._ssh()
        broken = "OCI runtime create failed" in self.status_msg or self.status_msg.startswith("Error")
        problem = f"Vast reports: {self.status_msg[:120]}" if broken and status != "running" else ""
        if raw in ("offline", "exited"):
            problem = f"the machine is {raw}"
        gpu_costs = raw in ("running", "frozen")
        return Machine(
            provider="vast",
            provider_id=str(self.id),
            name=self.label,
            status="stopped" if taken else status,
            raw_status=raw,
            ssh_host=ways[0][0] if ways else "",
            ssh_port=ways[0][1] if ways else 22,
            other_ssh=tuple(ways[1:]),
            price_per_hour=self.dph_total,
            billed_per_hour=self.dph_total if gpu_costs else self.storage_total_cost,
            created_at=self.start_date,
            gpu=self.gpu_name,
            problem=problem,
            interrupted=(taken and bool(self.is_bid)) or raw == "exited",
            running_since=moment(time.time() - self.uptime_mins * 60)
            if self.uptime_mins is not None and gpu_costs
            else None,
            host_id=self.machine_id,
        )

    def _ssh(self) -> list[tuple[str, int]]:
        ways: list[tuple[str, int]] = []
        mapped = (self.ports or {}).get("22/tcp")
        first = mapped[0] if isinstance(mapped, list) and mapped else None
        direct = port(first.get("HostPort")) if isinstance(first, dict) else None
        if direct and self.public_ipaddr:
            ways.append((self.public_ipaddr, direct))
        proxy = port((self.ssh_port or 0) + (1 if "jupyter" in self.image_runtype else 0)) if self.ssh_port else None
        if proxy and self.ssh_host:
            ways.append((self.ssh_host, proxy))
        return ways if self.actual_status == "running" else []
