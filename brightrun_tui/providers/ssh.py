"""Machines of one's own, reached over SSH. Nothing is rented: a lease is a directory of ours on the box."""

from __future__ import annotations

import asyncio
import json
import shlex
import time
from collections.abc import Mapping
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BadCredentialError,
    HostError,
    HostRefusedError,
    NotConnectedError,
    ProviderDownError,
    RejectedRequestError,
)
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.hosts.boot import REMOTE_HOME, GuardOptions
from brightrun_tui.hosts.connection import SshTimings, known_host_key
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.providers.base import Account, Machine, Need
from brightrun_tui.providers.box import SshBox
from brightrun_tui.providers.gpus import peak_flops
from brightrun_tui.providers.names import belongs_to
from brightrun_tui.providers.offers import cheapest_first
from brightrun_tui.providers.reach import host_for

SERVICE = "SSH"
LEASES = f"{REMOTE_HOME}/leases"
CPU_FLOPS_PER_CORE = 40e9

_FACTS = """
nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits 2>/dev/null | sed 's/^/gpu /'
echo "cores $(nproc 2>/dev/null || echo 1)"
echo "memory $(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo 2>/dev/null)"
echo "disk $(df -Pk . | sed -n '2s/  */ /gp' | cut -d' ' -f4)"
ls -1 {leases} 2>/dev/null | sed 's/^/lease /'
exit 0
"""


class Ssh:
    """Implements `providers.base.Provider` for boxes that need no renting. One run at a time has a box."""

    name = "ssh"

    def __init__(self, boxes: Mapping[str, SshBox], *, timings: SshTimings | None = None) -> None:
        self.boxes = dict(boxes)
        self._timings = (timings or SshTimings()).model_copy(update={"patience_seconds": 5.0})

    async def check(self) -> Account:
        await self._look_everywhere()
        return Account(who=", ".join(self.boxes))

    async def survey(self) -> dict[str, str | NotConnectedError]:
        """Of every box what it is, in words, or why it cannot be reached. Raises as `check`."""
        facts = await self._look_everywhere()
        return {name: _describe(_hardware(seen)) if isinstance(seen, str) else seen for name, seen in facts.items()}

    async def meet(self, name: str) -> tuple[str, str]:
        """What one box is, in words, and the host key that it shows.

        Raises:
            BadCredentialError, ProviderDownError: it does not let us in, or cannot be reached.
        """
        async with _Session(self, name) as host:
            seen = (await host.run(_FACTS.format(leases=LEASES), repeat=True)).output
            return _describe(_hardware(seen)), host.host_key

    async def offers(self, need: Need) -> list[Offer]:
        facts = await self._look_everywhere()
        free = {name: seen for name, seen in facts.items() if isinstance(seen, str) and not _leases(seen)}
        found = [
            Offer(
                id=name,
                provider=self.name,
                hardware=_hardware(seen),
                region=self.boxes[name].host,
                tier="own",
                price_per_hour=self.boxes[name].price_per_hour,
                host_id=name,
            )
            for name, seen in free.items()
        ]
        return cheapest_first(found, need)

    async def launch(
        self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float
    ) -> Machine:
        box = self.boxes.get(offer.id)
        if box is None:
            raise RejectedRequestError(
                f"there is no box “{offer.id}”",
                where=SERVICE,
                kind=ErrorKind.REJECTED,
                fix="see [boxes] in config.toml",
            )
        machine = self._machine(offer.id, lease_name, time.time())
        facts = json.dumps({"created_at": machine.created_at})
        async with _Session(self, offer.id) as host:
            await host.write(f"~/{LEASES}/{lease_name}/lease.json", facts.encode())
        return machine

    async def inspect(self, provider_id: str) -> Machine | None:
        name, _, lease = provider_id.partition("/")
        if name not in self.boxes:
            return None
        async with _Session(self, name) as host:
            text = await host.read(f"~/{LEASES}/{lease}/lease.json", 0)
        return self._machine(name, lease, _created(text)) if text else None

    async def list_ours(self, installation: str) -> list[Machine]:
        """A box that cannot be reached is left out: nothing is paid for there, and `inspect` tells about each one."""
        facts = await self._look_everywhere(needed=False)
        return [
            self._machine(name, lease, None)
            for name, seen in facts.items()
            if isinstance(seen, str)
            for lease in _leases(seen)
            if belongs_to(lease, installation)
        ]

    async def list_others(self, installation: str) -> list[Machine]:
        return []  # nothing is paid for there

    async def resume(self, provider_id: str) -> bool:
        return False

    async def terminate(self, provider_id: str) -> None:
        name, _, lease = provider_id.partition("/")
        if name not in self.boxes:
            return
        directory = shlex.quote(f"{LEASES}/{lease}")
        async with _Session(self, name) as host:
            await host.run(
                f'cd; for f in {directory}/run/*.pid; do [ -s "$f" ] && kill -9 -- -$(cut -d\' \' -f1 "$f"); done '
                f"2>/dev/null; rm -rf {directory}",
                repeat=True,
                check=True,
            )

    async def billed(self, machine_id: str, since: float) -> float | None:
        return None

    def guard_options(self, deadline: float) -> GuardOptions | None:
        return None

    async def close(self) -> None:
        return None

    def _machine(self, name: str, lease: str, created_at: float | None) -> Machine:
        box = self.boxes[name]
        return Machine(
            provider=self.name,
            provider_id=f"{name}/{lease}",
            name=lease,
            status="running",
            raw_status="yours",
            ssh_host=box.host,
            ssh_port=box.port,
            ssh_user=box.user,
            ssh_key_file=box.key or "default",
            ssh_host_key=box.host_key or known_host_key(box.host, box.port),
            price_per_hour=box.price_per_hour,
            created_at=created_at,
            host_id=name,
            home=f"{LEASES}/{lease}",
        )

    async def _look_everywhere(self, *, needed: bool = True) -> dict[str, str | NotConnectedError]:
        """Of every box, what it has, or why it cannot be reached.

        Raises:
            NotConnectedError: with ``needed``, when there is no box or none can be reached.
        """
        if not self.boxes and needed:
            raise NotConnectedError(
                "no box of your own is set up",
                where=SERVICE,
                kind=ErrorKind.NO_BOXES,
                fix="add [boxes.<name>] with host, user and key to config.toml",
            )
        found = await asyncio.gather(*(self._look(name) for name in self.boxes), return_exceptions=True)
        facts: dict[str, str | NotConnectedError] = {}
        for name, seen in zip(self.boxes, found, strict=True):
            if not isinstance(seen, str | NotConnectedError):
                raise seen
            facts[name] = seen
        if needed and all(isinstance(seen, NotConnectedError) for seen in facts.values()):
            raise next(seen for seen in facts.values() if isinstance(seen, NotConnectedError))
        return facts

    async def _look(self, name: str) -> str:
        async with _Session(self, name) as host:
            return (await host.run(_FACTS.format(leases=LEASES), repeat=True)).output


class _Session:
    """A short visit to a box; what goes wrong is told as not being connected to it."""

    def __init__(self, provider: Ssh, name: str) -> None:
        self._name = name
        machine = provider._machine(name, "none", None)
        self._host = host_for(machine, "", timings=provider._timings)

    async def __aenter__(self) -> SshHost:
        try:
            await self._host.connection.connect()
        except HostRefusedError as error:
            raise BadCredentialError(
                f"box “{self._name}”: {error.what}",
                where=error.where,
                kind=ErrorKind.BAD_CREDENTIAL,
                fix="check user and key of the box, and its authorized_keys",
            ) from None
        except HostError as error:
            raise ProviderDownError(
                f"box “{self._name}”: {error.what}", where=error.where, fix=error.fix, kind=error.kind
            ) from None
        return self._host

    async def __aexit__(self, *_error: Any) -> None:
        await self._host.close()


def _rows(seen: str, kind: str) -> list[str]:
    return [line.partition(" ")[2].strip() for line in seen.splitlines() if line.startswith(f"{kind} ")]


def _leases(seen: str) -> list[str]:
    return _rows(seen, "lease")


def _hardware(seen: str) -> Hardware:
    gpus = [row.rsplit(",", 1) for row in _rows(seen, "gpu") if "," in row]
    cores, memory, disk = (_number(_rows(seen, kind)) for kind in ("cores", "memory", "disk"))
    facts = Hardware(
        device="cpu",
        memory=memory * 1024,
        cores=max(1, cores),
        disk_free=disk * 1024,
        flops=max(1, cores) * CPU_FLOPS_PER_CORE,
    )
    if not gpus:
        return facts
    name = gpus[0][0].strip()
    return facts.model_copy(
        update={
            "device": "cuda",
            "gpu": name,
            "gpu_count": len(gpus),
            "flops": peak_flops(name),
            "gpu_memory": _number([gpus[0][1].strip()]) * 1024**2,
        }
    )


def _describe(machine: Hardware) -> str:
    gpu = f"{machine.gpu_count} × {machine.gpu}" if machine.gpu_count else "no GPU"
    return f"{gpu}, {machine.cores} cores, {machine.memory / 1024**3:.0f} GiB memory"


def _number(rows: list[str]) -> int:
    try:
        return max(0, int(float(rows[0]))) if rows else 0
    except (ValueError, OverflowError):
        return 0


def _created(text: bytes) -> float | None:
    try:
        return float(json.loads(text)["created_at"])
    except (ValueError, KeyError, TypeError):
        return None
