"""What both stand-in clouds share: keys, machines and their lives, the book, the faults, the log of requests."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.clouds.faults import Faults
from tests.clouds.ledger import Clock, Ledger
from tests.clouds.machine import Machine

Stage = Literal["provisioning", "starting", "running", "stopped", "error", "offline", "gone"]


@dataclass
class Delays:
    """How long a new machine takes, in cloud seconds."""

    provision: float = 0.1
    start: float = 0.2
    proxy: float = 0.0


@dataclass
class Instance:
    """One rented machine, with the provider's own view of it."""

    id: str
    name: str
    created: float
    stage: Stage = "provisioning"
    foreign: bool = False
    request: dict[str, Any] = field(default_factory=dict)
    offer: dict[str, Any] = field(default_factory=dict)
    gpu_rate: float = 0.0
    storage_rate: float = 0.0
    stopped_rate: float = 0.0
    running_since: float | None = None
    gone_at: float | None = None
    machine: Machine | None = None
    scoped_key: str = ""
    bid: float | None = None
    touched: int = 0

    @property
    def alive(self) -> bool:
        return self.stage != "gone"


@dataclass(frozen=True)
class Seen:
    """One request as it arrived and was answered."""

    time: float
    method: str
    path: str
    status: int
    key: str


class Cloud:
    """One provider's world. Its methods run in the event loop that serves it."""

    name = "cloud"
    bills_gpu_from_creation = True

    def __init__(
        self, directory: Path | None = None, *, factor: float = 1.0, delays: Delays | None = None, balance: float = 50.0
    ) -> None:
        self.directory = directory or Path(tempfile.mkdtemp(prefix=f"standin-{self.name}-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.clock = Clock(factor)
        self.faults = Faults(self.clock)
        self.ledger = Ledger(self.clock)
        self.delays = delays or Delays()
        self.instances: dict[str, Instance] = {}
        self.requests: list[Seen] = []
        self.keys: dict[str, str] = {}
        self.prepaid = balance
        self.before_end: Callable[[Instance], None] = lambda _instance: None
        self._lives: dict[str, asyncio.Task[None]] = {}

    # -- what tests ask ---------------------------------------------------------------------------------------

    @property
    def balance(self) -> float:
        return self.prepaid - self.ledger.total()

    def alive(self, *, foreign: bool = False) -> list[Instance]:
        return [i for i in self.instances.values() if i.alive and i.foreign == foreign]

    def count(self, method: str = "", path: str = "") -> int:
        """How many requests came, by method and the beginning of the path."""
        return sum(1 for r in self.requests if r.method.startswith(method) and r.path.startswith(path))

    def add_foreign(self, name: str) -> Instance:
        """Somebody else's machine on the same account; it costs and must be left alone."""
        instance = self.new_instance(name, gpu_rate=0.5, storage_rate=0.01)
        instance.foreign, instance.stage, instance.running_since = True, "running", self.clock.now()
        return instance

    # -- the life of a machine --------------------------------------------------------------------------------

    def new_id(self) -> str:
        return secrets.token_hex(5)

    def new_instance(
        self, name: str, *, gpu_rate: float, storage_rate: float, stopped_rate: float = 0.0, **facts: Any
    ) -> Instance:
        """A new machine on the books; call `begin_life` to let it come up."""
        instance = Instance(
            self.new_id(),
            name,
            self.clock.now(),
            gpu_rate=gpu_rate,
            storage_rate=storage_rate,
            stopped_rate=stopped_rate,
            scoped_key=f"scoped-{secrets.token_hex(8)}",
            **facts,
        )
        if jump := self.faults.hit("price_jump"):
            instance.gpu_rate *= float(jump.value or 3)
        self.instances[instance.id] = instance
        self.keys[instance.scoped_key] = f"machine:{instance.id}"
        self.ledger.rate(instance.id, "storage", instance.storage_rate)
        if self.bills_gpu_from_creation:
            self.ledger.rate(instance.id, "gpu", instance.gpu_rate)
        return instance

    def begin_life(
        self,
        instance: Instance,
        *,
        environment: dict[str, str],
        boot: Callable[[Instance, Machine], None],
        gpu: tuple[str, int, int],
    ) -> None:
        """Let it provision, start and run; ``boot`` does in the machine what its image and start command do."""
        if self.faults.hit("no_gpus"):
            gpu = (gpu[0], gpu[1], 0)
        machine = Machine(self.directory / f"machine-{instance.id}", f"{self.name}-{instance.id}", environment, gpu)
        instance.machine = machine
        if fault := self.faults.hit("gpu_unfit"):
            machine.gpu_fault = str(fault.value or "a matrix product is wrong by 40.0%")
        machine.add_link()  # direct
        machine.add_link()  # the provider's proxy
        faults = {
            name: self.faults.hit(name)
            for name in ("never_ready", "starts_broken", "ssh_late", "key_refused", "direct_blocked")
        }
        life = self._live(instance, machine, boot, {k: (v.value or 1.0) for k, v in faults.items() if v})
        self._lives[instance.id] = asyncio.get_running_loop().create_task(life)

    def resume(self, instance: Instance, boot: Callable[[Instance, Machine], None]) -> None:
        """Start a stopped machine again: its files are there, its ports are others."""
        machine = instance.machine
        if instance.stage != "stopped" or machine is None:
            return
        machine.power_up()
        instance.stage = "starting"
        self._lives[instance.id] = asyncio.get_running_loop().create_task(self._live(instance, machine, boot, {}))

    async def _live(
        self, instance: Instance, machine: Machine, boot: Callable[[Instance, Machine], None], faults: dict[str, Any]
    ) -> None:
        if not machine.directory.exists():
            machine.directory.mkdir(parents=True)
            await machine.prepare()
            self._charge_image(instance)
        await self._sleep(self.delays.provision)
        instance.stage = "starting"
        await self._sleep(self.delays.start)
        if "never_ready" in faults:
            return
        if "starts_broken" in faults:
            instance.stage = "error"
            return
        instance.stage, instance.running_since = "running", self.clock.now()
        if not self.bills_gpu_from_creation:
            self.ledger.rate(instance.id, "gpu", instance.gpu_rate)
        await self._sleep(float(faults.get("ssh_late", 0.0)))
        if "key_refused" not in faults:
            boot(instance, machine)
        for number, link in enumerate(machine.links):
            if number or "direct_blocked" not in faults:
                await link.open()
        if "key_refused" in faults:
            await self._sleep(float(faults["key_refused"]))
            boot(instance, machine)

    async def end(self, instance: Instance) -> None:
        """Destroy it: it costs nothing from this moment on."""
        if not instance.alive:
            return
        self.before_end(instance)
        instance.stage, instance.gone_at = "gone", self.clock.now()
        self._charge_traffic(instance)
        self.ledger.close(instance.id)
        self.keys.pop(instance.scoped_key, None)
        await self._end_life(instance)
        if instance.machine is not None:
            await instance.machine.destroy()

    async def stop(self, instance: Instance) -> None:
        """Halt it: its processes end, its disk goes on costing."""
        if instance.stage in ("gone", "stopped"):
            return
        instance.stage = "stopped"
        self._charge_traffic(instance)
        self.ledger.rate(instance.id, "gpu", 0.0)
        self.ledger.rate(instance.id, "storage", instance.stopped_rate)
        await self._end_life(instance)
        if instance.machine is not None:
            await instance.machine.lose_power()

    async def die(self, instance: Instance) -> None:
        """The host under it dies; the provider goes on billing and, on Vast, calls it offline."""
        self._charge_traffic(instance)
        await self._end_life(instance)
        if instance.machine is not None:
            await instance.machine.lose_power()

    async def _end_life(self, instance: Instance) -> None:
        life = self._lives.pop(instance.id, None)
        if life is not None and not life.done():
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    async def run_out_of_money(self) -> None:
        """The balance is gone: what the provider does to the machines then."""
        self.prepaid = self.ledger.total()
        for instance in [i for i in self.instances.values() if i.alive]:
            await self.end(instance)

    def _charge_traffic(self, instance: Instance) -> None:
        """Book the traffic of a machine so far; free unless a cloud says otherwise."""

    def _charge_image(self, instance: Instance) -> None:
        """Book what loading its image takes; free unless a cloud says otherwise."""

    async def watch_balance(self) -> None:
        """Act when the money is used up; runs as long as the cloud does."""
        while True:
            await asyncio.sleep(0.1)
            if self.balance <= 0 and self.alive():
                await self.run_out_of_money()

    async def close(self) -> None:
        for instance in list(self.instances.values()):
            await self._end_life(instance)
            if instance.machine is not None and instance.alive:
                await instance.machine.destroy()

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(self.clock.real(seconds))
