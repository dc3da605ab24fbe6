"""A run on a rented machine: rent, reach, equip, follow, bring home, give back."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import time
from pathlib import Path

from brightrun_tui.domain.errors import (
    BrightrunError,
    HostError,
    HostKeyChangedError,
    NoCapacityError,
    ProviderDownError,
    ProviderError,
    RateLimitedError,
    UnclearError,
)
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Run
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts import ready
from brightrun_tui.hosts.base import JobStatus
from brightrun_tui.hosts.connection import KeyPair, SshTimings, new_key_pair
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator import budget, leases
from brightrun_tui.orchestrator.environment import install
from brightrun_tui.orchestrator.places import CONTROL, WORKER, MachineLostError, Say
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Machine, Need, Provider
from brightrun_tui.providers.reach import host_for
from brightrun_tui.store import Database
from brightrun_tui.store import leases as book

log = logging.getLogger(__name__)

GIB = 1024**3
PACKAGES_BYTES = 4 * GIB
"""What pip brings onto a machine whose image has nothing."""
MIRRORED = ("events.jsonl", f"{WORKER}.log")
RESULTS = ("adapter", "report.json", "manifest.json")
MAX_MACHINES = 4
"""Machines tried for one launch before the run is given up."""
_STEP = re.compile(r"step-(\d+)")


class RentedMachine:
    """Implements `places.Place`. The run directory at home is a mirror; the lease in the store says which machine it is."""

    def __init__(self, db: Database, paths: Paths, provider: Provider, timings: EngineTimings, ssh: SshTimings, run: Run) -> None:
        self.db, self.paths, self.provider, self.timings, self.ssh = db, paths, provider, timings, ssh
        self.run_id, self.home = run.id, Path(run.directory)
        self.poll_seconds = timings.remote_poll_seconds
        self._lease: Lease | None = None
        self._host: SshHost | None = None
        self._start: tuple[str, str] = ("", "")
        self._unreachable_since: float | None = None
        self._beaten_at = 0.0
        self._spent_before = 0.0
        self._pulling: asyncio.Task[None] | None = None
        self._checkpoint_waits = True
        self._bad_hosts: set[str] = set()

    @property
    def host(self) -> SshHost:
        if self._host is None:
            raise MachineLostError("the machine is not in hand", where=self.provider.name, kind="machine_lost")
        return self._host

    async def take(self, run: Run, say: Say) -> None:
        """As `Place.take`; a provider that is down, busy or sold out is asked again for a while before the run is given up."""
        began = time.monotonic()
        problem: ProviderError
        while True:
            try:
                return await self._take(run, say)
            except (ProviderDownError, RateLimitedError, UnclearError) as error:
                patience, problem = self.timings.provider_seconds, error
            except NoCapacityError as error:
                patience, problem = (0.0 if error.kind == "no_good_machine" else self.timings.capacity_seconds), error
            if time.monotonic() - began > patience:
                raise problem
            say(f"waiting for {self.provider.name}: {problem.what}")
            await asyncio.sleep(self.timings.lease_poll_seconds * 2)

    async def _take(self, run: Run, say: Say) -> None:
        last = ""
        for _attempt in range(MAX_MACHINES):
            lease = await self._current_lease(run, say)
            try:
                self._lease = await self._reach(run, lease, say)
                await self._equip(run, say)
                return
            except HostError as error:
                log.warning("run %s: machine %s is no good: %s", run.id, lease.provider_id, error)
                say(f"replacing the machine ({error.what})")
                await self._drop(lease, str(error))
                last = error.what
        raise NoCapacityError(f"{MAX_MACHINES} machines were tried and none could be used; the last one: {last}",
                              where=self.provider.name, fix="choose another GPU or provider", kind="no_good_machine")

    async def _current_lease(self, run: Run, say: Say) -> Lease:
        """The run's live lease, an adopted one, or a new one once earlier machines are gone."""
        for lease in await book.list_leases(self.db, run_id=run.id, open_only=True):
            if lease.state in ("intended", "unclear"):
                say("looking for the machine that was being rented")
                try:
                    return await leases.adopt(self.db, self.provider, lease, self.timings)
                except UnclearError:
                    continue
            if lease.state == "live":
                machine = await self.provider.inspect(lease.provider_id)
                if machine is not None and not machine.interrupted and machine.status in ("starting", "running", "unknown"):
                    return lease
                await self._drop(lease, "it is gone or was taken away")
        await self._wait_for_returns(say)
        return await self._rent(run, say)

    async def _wait_for_returns(self, say: Say) -> None:
        """Two machines for one run are not paid at the same time, unless a provider does not let go of one."""
        deadline = time.monotonic() + self.timings.verify_seconds * 6
        while time.monotonic() < deadline:
            open_leases = await book.list_leases(self.db, run_id=self.run_id, open_only=True)
            if not any(lease.state == "releasing" for lease in open_leases):
                return
            say("returning the previous machine")
            await asyncio.sleep(min(1.0, self.timings.lease_poll_seconds))

    async def _rent(self, run: Run, say: Say) -> Lease:
        say("looking for machines")
        limits, estimate = run.spec.limits, run.estimate
        memory = int(estimate.get("memory", 0) * 1.15)
        need = Need(gpu=run.spec.gpu, gpu_memory=memory, disk=max(40 * GIB, int(estimate.get("disk", 0) * 2)),
                    download=PACKAGES_BYTES + (0 if run.spec.base.path else 4 * int(estimate.get("memory", 0))),
                    hours=float(estimate.get("seconds_high", 3600.0)) / 3600, without_hosts=frozenset(self._bad_hosts))
        offers = leases.reliable_first(await self.provider.offers(need))
        spent = self._spent_before = await self.spent()
        if limits.budget_usd is not None:
            hours_at_least = 2 * self.timings.finish_seconds / 3600
            offers = [offer for offer in offers if limits.budget_usd - spent > offer.price_per_hour * hours_at_least]
        if not offers:
            raise NoCapacityError("no machine for rent fits this run and what is left of its budget", where=self.provider.name,
                                  kind="no_capacity",
                                  fix="raise the budget, choose another GPU or provider, or try again later")
        seconds = budget.lease_seconds(limits.budget_usd, spent, offers[0].price_per_hour, limits.max_hours,
                                       self.timings.finish_seconds)
        lease, _offer = await leases.rent_first(
            self.db, self.provider, run.id, offers[:MAX_MACHINES], (await self._key()).public, disk=need.disk,
            deadline=time.time() + seconds, timings=self.timings, say=say)
        return lease

    async def _reach(self, run: Run, lease: Lease, say: Say) -> Lease:
        """From a lease to a machine that lets us in, shows its GPUs and has its guard.

        Raises:
            HostError: not within ``ready_seconds``; the machine is to be replaced.
        """
        deadline = time.monotonic() + self.timings.ready_seconds
        while True:
            machine = await self._look(lease)
            if machine is None or machine.problem or machine.interrupted:
                why = machine.problem if machine and machine.problem else "the provider took it away"
                raise HostError(why, where=self.provider.name, kind="machine_gone")
            lease = await self._note_rate(lease, machine)
            say(f"machine {machine.raw_status or machine.status}")
            if machine.ssh_host and machine.status == "running":
                if self._host is not None:
                    await self._host.close()
                self._host = host_for(machine, (await self._key()).private, host_key=self._pinned(lease), timings=self.ssh)
                try:
                    await ready.first_contact(self._host, min(30.0, max(1.0, deadline - time.monotonic())))
                    break
                except HostKeyChangedError:
                    raise
                except HostError as error:
                    say(f"waiting for SSH ({error.what})")
            if time.monotonic() > deadline:
                self._bad_hosts.add(machine.host_id)
                raise HostError("it was not usable in time", where=self.provider.name, kind="not_ready")
            await asyncio.sleep(self.timings.lease_poll_seconds)
        self._pin(lease, self._host.host_key)
        options = self.provider.guard_options(time.time() + self._seconds_left(run, lease))
        if options is not None:
            await ready.require_gpus(self._host, 1, lease.gpu_memory)
            report = await ready.ensure_guard(self._host, options)
            if not report.able:
                say(f"note: the guard on the machine cannot reach the provider ({report.self_test})")
        await self._beat(run, lease)
        return lease

    async def _note_rate(self, lease: Lease, machine: Machine) -> Lease:
        """Some providers charge less until the machine runs; the cost follows what they say."""
        if lease.idle_per_hour is None and machine.billed_per_hour is not None and machine.status == "starting":
            lease = await book.save(self.db, lease, idle_per_hour=machine.billed_per_hour)
        if lease.idle_per_hour is not None and lease.running_since is None and machine.running_since is not None:
            lease = await book.save(self.db, lease, running_since=machine.running_since)
        return lease

    async def _look(self, lease: Lease) -> Machine | None:
        """The machine as the provider sees it; an unreadable answer is asked again, never taken for "gone"."""
        while True:
            try:
                return await self.provider.inspect(lease.provider_id)
            except BrightrunError as error:
                log.warning("lease %s: %s", lease.name, error)
                await asyncio.sleep(self.timings.lease_poll_seconds)

    async def _equip(self, run: Run, say: Say) -> None:
        host = self.host
        say("environment")
        self._start = await install(host, self.paths.cache / "machines", say, python=self.timings.remote_python)
        spec = run.spec
        if spec.base.path:
            say("sending the base model")
            await host.put(Path(spec.base.path), "base")
            spec = spec.model_copy(update={"base": spec.base.model_copy(update={"path": str(host.directory / "base")})})
        say("sending the data")
        await host.put(self.home / "data", "data")
        newest = self._newest_checkpoint()
        if newest is not None and not await host.read(f"checkpoints/{newest.name}/manifest.json", 0, 1):
            say(f"sending checkpoint {newest.name}")
            await host.put(newest, f"checkpoints/{newest.name}")
        if not await host.read("events.jsonl", 0, 1) and (self.home / "events.jsonl").exists():
            await host.put(self.home / "events.jsonl", "events.jsonl")
        await host.write("spec.json", spec.model_dump_json(indent=2).encode(), 0o644)

    async def start(self) -> None:
        interpreter, code = self._start
        await self.host.start(WORKER, [interpreter, "-m", "brightrun_tui.trainer", str(self.host.directory)],
                              environment={"PYTHONPATH": code, "PYTHONUNBUFFERED": "1"})

    async def worker(self) -> JobStatus:
        if self._host is None:
            return await self._reconnect()
        try:
            status = await self._host.status(WORKER)
            self._unreachable_since = None
            return status
        except HostError as error:
            return await self._silence(error)

    async def ask(self, name: str) -> None:
        await self._patiently(lambda: self.host.write(f"{CONTROL}/{name}", b"\n", 0o644))

    async def withdraw(self) -> None:
        await self.host.run(f"rm -f {self.host.directory}/{CONTROL}/stop {self.host.directory}/{CONTROL}/pause", repeat=True)

    async def sync(self, run: Run) -> None:
        if self._host is None:
            return
        try:
            for name in MIRRORED:
                await self._mirror(name)
            if self._lease is not None:
                await self._beat(run, self._lease)
        except HostError as error:
            log.info("run %s: %s", run.id, error)
            return
        if self._checkpoint_waits and (self._pulling is None or self._pulling.done()):
            self._checkpoint_waits = False
            self._pulling = asyncio.create_task(self._pull_checkpoints())

    async def collect(self, run: Run) -> None:
        if self._host is None:
            await self._reconnect()
        for name in RESULTS:
            try:
                await self._patiently(lambda name=name: self.host.get(name, self.home / name))
            except FileNotFoundError:
                log.info("run %s: there is no %s to bring home", run.id, name)

    async def release(self, run: Run) -> None:
        if self._pulling is not None and not self._pulling.done():
            await asyncio.wait({self._pulling}, timeout=self.timings.release_seconds)
        for lease in await book.list_leases(self.db, run_id=run.id, open_only=True):
            if lease.state == "live":
                await book.save(self.db, lease, state="releasing")
        self._lease = None
        await self.close()

    async def close(self) -> None:
        if self._pulling is not None:
            self._pulling.cancel()
        if self._host is not None:
            await self._host.close()
            self._host = None

    async def spent(self) -> float:
        return sum(lease.cost(time.time()) for lease in await book.list_leases(self.db, run_id=self.run_id))

    async def reserved(self) -> float:
        return sum(lease.once_usd for lease in await book.list_leases(self.db, run_id=self.run_id) if lease.provider_id)

    async def price_per_hour(self) -> float:
        return self._lease.price_per_hour if self._lease else 0.0

    # -- keeping hold ------------------------------------------------------------------------------------------

    async def _reconnect(self) -> JobStatus:
        """After a restart of the engine: the machine of the live lease again, or the news that it is gone."""
        live = [lease for lease in await book.list_leases(self.db, run_id=self.run_id, open_only=True) if lease.state == "live"]
        if not live:
            return JobStatus(running=False)
        machine = await self._look(live[0])
        if machine is None or machine.interrupted or machine.status in ("stopped", "gone"):
            await self._drop(live[0], "it is gone or was taken away")
            return JobStatus(running=False)
        self._lease = live[0]
        self._host = host_for(machine, (await self._key()).private, host_key=self._pinned(live[0]), timings=self.ssh)
        return await self.worker()

    async def _silence(self, error: HostError) -> JobStatus:
        """The machine cannot be reached: does the provider still have it? Until that is clear the worker counts as alive."""
        now = time.monotonic()
        self._unreachable_since = self._unreachable_since or now
        lease = self._lease
        if lease is None:
            return JobStatus(running=False)
        try:
            machine = await self.provider.inspect(lease.provider_id)
        except BrightrunError as unreadable:
            log.warning("lease %s: unreachable (%s), and the provider does not tell (%s)", lease.name, error, unreadable)
            return JobStatus(running=True)
        gone = machine is None or machine.interrupted or machine.status in ("stopped", "gone")
        if gone or now - self._unreachable_since > self.timings.silent_seconds:
            await self._drop(lease, "it is gone or was taken away" if gone else f"unreachable: {error.what}")
            self._unreachable_since = None
            return JobStatus(running=False)
        return JobStatus(running=True)

    async def _patiently(self, work: object) -> None:
        """Do something on the machine; as long as it may come back, wait for it.

        Raises:
            MachineLostError: it will not.
        """
        assert callable(work)
        while True:
            try:
                await work()
                return
            except MachineLostError:
                raise
            except HostError as error:
                await self._silence(error)
                if self._host is None:
                    raise MachineLostError("the machine was lost before everything was home", where=self.provider.name,
                                           kind="machine_lost") from None
                await asyncio.sleep(self.timings.lease_poll_seconds)

    async def _drop(self, lease: Lease, why: str) -> None:
        await book.save(self.db, lease, state="releasing", note=why)
        self._lease = None
        if self._host is not None:
            await self._host.close()
            self._host = None

    async def _beat(self, run: Run, lease: Lease) -> None:
        if time.monotonic() - self._beaten_at > self.timings.guard_silence_seconds / 20:
            await ready.beat(self.host, self._seconds_left(run, lease))
            self._beaten_at = time.monotonic()

    def _seconds_left(self, run: Run, lease: Lease) -> float:
        limits = run.spec.limits
        spent = self._spent_before + lease.cost(time.time())
        return budget.lease_seconds(limits.budget_usd, spent, lease.price_per_hour, limits.max_hours,
                                    self.timings.finish_seconds)

    # -- files -------------------------------------------------------------------------------------------------

    async def _mirror(self, name: str) -> None:
        """Append what is new; the size of the copy at home is the offset."""
        copy = self.home / name
        while chunk := await self.host.read(name, copy.stat().st_size if copy.exists() else 0):
            await asyncio.to_thread(_append, copy, chunk)
            self._checkpoint_waits = self._checkpoint_waits or b'"kind":"checkpoint"' in chunk

    async def _pull_checkpoints(self) -> None:
        """Every complete checkpoint that is not home yet, newest first; older ones at home go when they are gone there."""
        try:
            done = await self.host.run(f"ls -1 {self.host.directory}/checkpoints 2>/dev/null", repeat=True)
            names = [word for word in done.output.split() if _STEP.fullmatch(word)]
            for name in sorted(names, key=_step_of, reverse=True):
                if not (self.home / "checkpoints" / name).exists():
                    (self.home / "checkpoints").mkdir(exist_ok=True)
                    await self.host.get(f"checkpoints/{name}", self.home / "checkpoints" / name)
            for path in self._checkpoints():
                if names and path.name not in names:
                    await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        except (HostError, FileNotFoundError) as error:
            log.info("run %s: checkpoints: %s", self.run_id, error)
            self._checkpoint_waits = True

    def _checkpoints(self) -> list[Path]:
        found = (self.home / "checkpoints").glob("step-*")
        return sorted((path for path in found if _STEP.fullmatch(path.name)), key=lambda path: _step_of(path.name))

    def _newest_checkpoint(self) -> Path | None:
        found = self._checkpoints()
        return found[-1] if found else None

    async def _key(self) -> KeyPair:
        """The run's own SSH key, made once; it lets into this run's machines and nowhere else."""
        path = self.home / "ssh.json"
        if path.exists():
            return KeyPair(**json.loads(await asyncio.to_thread(path.read_text)))
        pair = new_key_pair(f"brightrun-{self.run_id}")
        await asyncio.to_thread(write_atomic, path, json.dumps({"private": pair.private, "public": pair.public}), mode=0o600)
        return pair

    def _pinned(self, lease: Lease) -> str:
        path = self.home / f"{lease.name}.hostkey"
        return path.read_text() if path.exists() else ""

    def _pin(self, lease: Lease, host_key: str) -> None:
        write_atomic(self.home / f"{lease.name}.hostkey", host_key)


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _step_of(name: str) -> int:
    match = _STEP.fullmatch(name)
    return int(match[1]) if match else -1
