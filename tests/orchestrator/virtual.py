"""A world without waiting: a loop whose clock jumps, a store in memory, and a provider that lies when it is told to."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brightrun_tui.domain.errors import NoCapacityError, ProviderDownError, UnclearError
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.hosts.boot import GuardOptions
from brightrun_tui.providers.base import Account, Machine, Need
from brightrun_tui.providers.names import belongs_to
from brightrun_tui.store.db import Database
from brightrun_tui.store.schema import MIGRATIONS

EPOCH = 1_800_000_000.0
PRICES = (0.4, 0.5, 0.6, 2.0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nobody waits: when all are asleep, it is later at once. Work in a thread is awake, and takes no time here."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._in_threads = 0

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _future: asyncio.Future[Any]) -> None:
        self._in_threads -= 1

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and not self._in_threads and self._scheduled:  # type: ignore[attr-defined]  # the loop of the standard library has it
            self.now = max(self.now, self._scheduled[0]._when)  # type: ignore[attr-defined]  # the loop of the standard library has it
        super()._run_once()  # type: ignore[misc]  # the loop of the standard library has it


class Clock:
    """Stands in for the module ``time``."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.set_by = 0.0

    def time(self) -> float:
        return EPOCH + self._loop.now + self.set_by

    def monotonic(self) -> float:
        return 1000.0 + self._loop.now


class _Connection:
    """What `Database` uses of aiosqlite, in the same thread."""

    def __init__(self) -> None:
        self.sqlite = sqlite3.connect(":memory:", isolation_level=None)
        self.sqlite.row_factory = sqlite3.Row

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self.sqlite.execute(sql, parameters)

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        return self.sqlite.executemany(sql, rows)

    async def execute_fetchall(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        return self.sqlite.execute(sql, parameters).fetchall()

    async def commit(self) -> None:
        self.sqlite.commit()

    async def rollback(self) -> None:
        self.sqlite.rollback()

    async def close(self) -> None:
        self.sqlite.close()


def memory_store() -> Database:
    connection = _Connection()
    for migration in MIGRATIONS:
        for statement in migration:
            connection.sqlite.execute(statement)
    return Database(connection, Path("/nowhere/brightrun.db"))  # type: ignore[arg-type]  # it has what is used of aiosqlite


@dataclass
class Rented:
    """A machine as the provider knows it. ``asked``: somebody asked for its end, whatever became of that.
    ``taken``: the provider took it away. ``missed``: how often it was called gone while it lived."""

    id: str
    name: str
    price: float
    created: float
    foreign: bool = False
    asked: bool = False
    taken: bool = False
    missed: int = 0
    gone_at: float | None = None

    @property
    def alive(self) -> bool:
        return self.gone_at is None


@dataclass
class Lying:
    """Implements `providers.base.Provider`. Each fault is a number of occasions left; ``outages`` last until a time."""

    clock: Clock
    machines: dict[str, Rented] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    outages: dict[str, float] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _call: None
    after: Callable[[str], None] = lambda _call: None
    name: str = "lying"

    async def check(self) -> Account:
        return Account()

    async def offers(self, need: Need) -> list[Offer]:
        self._call("offers")
        return [
            Offer(
                id=f"o{number}",
                provider=self.name,
                price_per_hour=price,
                tier="secure",
                hardware=Hardware(device="cuda", gpu="G", gpu_count=1),
            )
            for number, price in enumerate(PRICES)
        ]

    async def launch(
        self, offer: Offer, lease_name: str, ssh_public_key: str, *, disk: int, deadline: float
    ) -> Machine:
        self._call("create")
        if self._hit("sold_out"):
            raise NoCapacityError("sold out", kind="no_capacity")
        if self._hit("create_lost"):
            raise UnclearError("no answer, and no machine", kind="unclear")
        price = offer.price_per_hour * (3 if self._hit("price_jump") else 1)
        made = Rented(f"m{len(self.machines)}", lease_name, price, self.clock.time())
        self.machines[made.id] = made
        self.after("create")
        if self._hit("create_unclear"):
            raise UnclearError("no answer, but a machine", kind="unclear")
        if self._hit("create_names_another"):
            return self._machine(self.machines["foreign"])
        if self._hit("create_has_anothers_id"):
            return self._machine(made).model_copy(update={"provider_id": "foreign"})
        if self._hit("create_has_nobodys_id"):
            return self._machine(made).model_copy(update={"provider_id": "nobody"})
        return self._machine(made)

    async def inspect(self, provider_id: str) -> Machine | None:
        self._call("inspect")
        found = self.machines.get(provider_id)
        if found is None:
            return None
        if found.alive and self._hit("inspect_misses"):
            found.missed += 1
            return None
        if not found.alive:
            return None
        return self._machine(found)

    async def list_ours(self, installation: str) -> list[Machine]:
        self._call("list")
        mine = [m for m in self.machines.values() if m.alive and belongs_to(m.name, installation)]
        if mine and self._hit("list_misses"):
            mine.pop()
        return [self._machine(machine) for machine in mine]

    async def terminate(self, provider_id: str) -> None:
        if provider_id not in self.machines:
            return
        self.machines[provider_id].asked = True
        self._call("terminate")
        if self._out("delete_fails"):
            raise ProviderDownError("500", kind="provider_down")
        if not self._hit("delete_lies") and self.machines[provider_id].alive:
            self.machines[provider_id].gone_at = self.clock.time()
        self.after("terminate")

    async def list_others(self, installation: str) -> list[Machine]:
        return []

    async def resume(self, provider_id: str) -> bool:
        return False

    async def billed(self, machine_id: str, since: float) -> float | None:
        return None

    def guard_options(self, deadline: float) -> GuardOptions | None:
        return None

    async def close(self) -> None:
        return None

    def _call(self, name: str) -> None:
        self.before(name)
        if self._out("down") or (name != "create" and self._hit("down")):
            raise ProviderDownError("down", kind="provider_down")

    def _out(self, outage: str) -> bool:
        return self.clock.time() < self.outages.get(outage, 0.0)

    def _hit(self, fault: str) -> bool:
        left = self.faults.get(fault, 0)
        self.faults[fault] = max(0, left - 1)
        return left > 0

    def _machine(self, rented: Rented) -> Machine:
        return Machine(
            provider=self.name,
            provider_id=rented.id,
            name=rented.name,
            status="running",
            raw_status="RUNNING",
            price_per_hour=rented.price,
            created_at=rented.created,
        )
