"""This machine: what it has, and that it costs nothing."""

from __future__ import annotations

import os
import platform
import time
from functools import lru_cache
from pathlib import Path

import psutil

from brightrun_tui.domain import humanize
from brightrun_tui.domain.gpu import CPU
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.domain.slots import Card, GpuRequest
from brightrun_tui.providers.base import Account, Need
from brightrun_tui.providers.gpus import CPU_FLOPS_PER_CORE, peak_flops
from brightrun_tui.providers.nvml import cards_here

GPU_FACTS_SECONDS = 5
CGROUP = Path("/sys/fs/cgroup")


def hardware(directory: Path | None = None, gpu_request: GpuRequest | None = None) -> Hardware:
    """Return what this machine can give to a run: a few milliseconds, the GPU's facts kept for some seconds.

    Memory and cores are those that this process may use (containers are often given less than the machine has);
    ``disk_free`` is that of the disk which holds ``directory``. Of several GPUs it is the freest that fits ``gpu_request``.
    """
    memory = psutil.virtual_memory()
    limit, used = _cgroup_memory()
    total = min(memory.total, limit) if limit else memory.total
    free = min(memory.available, limit - used) if limit else memory.available
    facts = Hardware(
        device=CPU,
        memory=total,
        cores=_cores(),
        disk_free=disk_free(directory or Path.cwd()),
        flops=_cores() * CPU_FLOPS_PER_CORE,
        free_memory=max(0, free),
    )
    found = cards()
    if not found:
        return facts
    best = max(
        [card for card in found if gpu_request is None or gpu_request.fits(card)] or found, key=lambda card: card.free
    )
    return facts.model_copy(
        update={
            "device": "cuda",
            "gpu": best.name,
            "gpu_count": len(found),
            "gpu_memory": best.memory,
            "flops": peak_flops(best.name),
            "free_memory": best.free,
        }
    )


def cards() -> tuple[Card, ...]:
    """Return the GPUs of this machine, as they were some seconds ago at most."""
    return _cards(int(time.monotonic() / GPU_FACTS_SECONDS))


def disk_free(directory: Path) -> int:
    """Return bytes that may be written below ``directory``, which need not exist yet."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return int(psutil.disk_usage(str(directory)).free)


def describe(machine: Hardware) -> str:
    """Return one line for people: “2 cores · 23.4 GiB memory · no GPU”."""
    several = f"{machine.gpu_count} × " if machine.gpu_count > 1 else ""
    gpu = f"{several}{machine.gpu} {humanize.memory(machine.gpu_memory)}" if machine.gpu_count else "no GPU"
    return f"{machine.cores} core{'s' if machine.cores != 1 else ''} · {humanize.size(machine.memory)} memory · {gpu}"


class LocalProvider:
    """The machine in hand. It is never rented, so it has an offer and no leases."""

    name = "local"

    async def check(self) -> Account:
        return Account(who=platform.node() or "this machine", notes=(describe(hardware()),))

    async def offers(self, need: Need) -> list[Offer]:
        """Return one offer that costs nothing; none when the run asks for a GPU that is not here."""
        machine = hardware()
        if need.gpu and need.gpu.lower() not in machine.gpu.lower():
            return []
        return [Offer(id="local", provider=self.name, hardware=machine, region=platform.node(), reliability=1.0)]


def _cores() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return allowed if quota == "max" else max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return allowed


def _cgroup_memory() -> tuple[int, int]:
    """Return limit and use of the container in bytes; (0, 0) where there is no limit."""
    try:
        return int((CGROUP / "memory.max").read_text()), int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return 0, 0


@lru_cache(maxsize=1)
def _cards(_moment: int) -> tuple[Card, ...]:
    return cards_here()
