#!/usr/bin/env python3
"""Hundreds of runs against stand-in clouds, with seeded faults and kill -9 of engine and app: does anything leak?

    scripts/bench/campaign.py [--runs 200] [--seed 1] [--parallel 6] [--quick] [--json]
    scripts/bench/campaign.py --runs 300 --parts 12 --at-most 1 --into DIRECTORY     again and again, until no part is left

The clouds, the SSH machines and the engine are real processes; the worker is one that learns nothing, so that a run
takes seconds. The same seed draws the same runs and the same sequence of faults. In parts, each has a seed of its own
and a file, and the summary is of all that are through: who is cut off goes on with the same command.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from brightrun_tui.domain.money import Estimate, Limits
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.orchestrator import client
from brightrun_tui.orchestrator.engine_status import engine_status
from brightrun_tui.paths import get_paths
from brightrun_tui.store import Database, leases, open_database, runs
from scripts.bench.campaign_results import Parts, Result
from tests.clouds.core import Cloud, Instance
from tests.clouds.link import Link
from tests.clouds.machine import GPU_CHECK
from tests.clouds.server import CloudServer
from tests.serving.toy import Toy, make_toy

FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_500", {"count": 1}),
    ("create_500_nothing", {"count": 1}),
    ("create_hangs", {"count": 1, "value": 2.0}),
    ("create_odd", {"count": 1}),
    ("no_capacity", {"seconds": 2.0}),
    ("rate_limit", {"count": 3, "value": 1}),
    ("rate_limit_plain", {"count": 2}),
    ("list_misses", {"count": 2}),
    ("list_null", {"count": 1}),
    ("get_misses", {"count": 1}),
    ("ssh_late", {"count": 1, "value": 2.0}),
    ("key_refused", {"count": 1, "value": 2.0}),
    ("never_ready", {"count": 1}),
    ("starts_broken", {"count": 1}),
    ("no_gpus", {"count": 1}),
    ("price_jump", {"count": 1, "value": 3}),
    ("delete_ignored", {"count": 1}),
    ("delete_fails", {"seconds": 3.0}),
    ("api_down", {"seconds": 3.0}),
    ("plain_error", {"seconds": 1.5}),
    ("odd_status", {"seconds": 1.0, "value": "CONTEMPLATING"}),
    ("api_slow", {"seconds": 4.0, "value": 0.7}),
    ("search_quota", {"seconds": 2.0}),
    ("direct_blocked", {"count": 1}),
    ("create_rejected_but_exists", {"count": 1}),
    ("public_key_null", {"count": 1}),
    ("price_jump", {"count": 1, "value": 1.4}),
    ("gpu_unfit", {"count": 1}),
    ("new_ids", {"seconds": 3.0}),
    ("bill_late", {"seconds": 3.0}),
)
TIGHT_BUDGET = 0.005
"""US dollars: some seventy seconds of the cheapest machine, which a run with a fault or two does not end in."""
ESTIMATE = Estimate(memory=1 << 30, seconds=30.0, seconds_high=60.0, price_per_hour=0.6)
TROUBLES = 4
"""Faults, accidents and kills for every run that is started."""
EVENTS = ("die", "outbid", "cut", "stall", "slow", "vanish", "dearer")
KINDS = {
    "fault": 6.0,
    "event": 2.0,
    "kill the engine": 1.0,
    "kill the app": 0.6,
    "empty the account": 0.15,
    "night": 0.35,
}
SLOW_BYTES = 30_000
DEARER = 1.25
"""What a host asks in the midst of it, as a multiple of what it asked before."""
FAR = 0.01
"""Dollars that a run's cost may be from the clouds' book."""
NIGHT_SECONDS = (16.0, 24.0)
"""Without an engine: longer than the guards' patience, and than what a worker takes."""
APP_SECONDS = 3.0
"""How long an app lives before it is killed: long enough to read the store and to wake an engine."""
SETTINGS = {
    "BRIGHTRUN_ENGINE_REMOTE_POLL_SECONDS": "0.5",
    "BRIGHTRUN_ENGINE_LEASE_POLL_SECONDS": "0.5",
    "BRIGHTRUN_ENGINE_VERIFY_SECONDS": "0.7",
    "BRIGHTRUN_ENGINE_ADOPT_SECONDS": "6",
    "BRIGHTRUN_ENGINE_UNCLEAR_SECONDS": "25",
    "BRIGHTRUN_ENGINE_READY_SECONDS": "25",
    "BRIGHTRUN_ENGINE_SILENT_SECONDS": "8",
    "BRIGHTRUN_ENGINE_SWEEP_SECONDS": "10",
    "BRIGHTRUN_ENGINE_FINISH_SECONDS": "8",
    "BRIGHTRUN_ENGINE_RELEASE_SECONDS": "12",
    "BRIGHTRUN_ENGINE_IDLE_SECONDS": "600",
    "BRIGHTRUN_ENGINE_GUARD_SILENCE_SECONDS": "10",
    "BRIGHTRUN_ENGINE_GUARD_TICK_SECONDS": "0.5",
    "BRIGHTRUN_ENGINE_KEEP_SECONDS": "600",
    "BRIGHTRUN_ENGINE_STOP_SECONDS": "3",
    "BRIGHTRUN_SSH_CONNECT_SECONDS": "5",
    "BRIGHTRUN_SSH_RETRY_SECONDS": "0.3",
    "BRIGHTRUN_SSH_PATIENCE_SECONDS": "5",
    "BRIGHTRUN_SSH_KEEPALIVE_SECONDS": "3",
    "OMP_NUM_THREADS": "1",
}
"""Every wait that a provider dictates, shortened: the stand-ins' machines come up in a second."""


@dataclass
class Campaign:
    """One campaign's world and its book of what happened."""

    clouds: CloudServer
    seed: str
    injected: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    app_kills: int = 0
    nights: int = 0
    owed: int = 0
    struck: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    trusted: set[str] = field(default_factory=set)

    def watch(self) -> None:
        """Note, from now on, what is lost with a machine that goes, unless one of our own accidents struck it."""
        for cloud in self.clouds.clouds:
            cloud.before_end = self._before_end

    def _before_end(self, instance: Instance) -> None:
        if instance.machine is None or instance.foreign:
            return
        place = instance.machine.home / ".brightrun"
        run_id = instance.name.removeprefix("br-").partition("-")[2].rpartition("-")[0]
        done, home = (place / "run" / "manifest.json").exists(), get_paths().run_directory(run_id) / "manifest.json"
        if done and not home.exists() and instance.id not in self.struck:
            why = "".join(traceback.format_stack(limit=4)[:-1])
            print(f"lost with {instance.name} of {run_id}, which was {instance.stage}:\n{why}", file=sys.stderr)
            self.lost.append(instance.name)
        if instance.machine.gpu_fault and (place / "run" / "spec.json").exists():
            self.trusted.add(instance.name)

    def machines(self) -> list[tuple[Cloud, Instance]]:
        return [
            (cloud, machine)
            for cloud in self.clouds.clouds
            for machine in list(cloud.instances.values())
            if not machine.foreign
        ]

    def running(self) -> list[tuple[Cloud, Instance]]:
        return [(cloud, machine) for cloud, machine in self.machines() if machine.stage == "running"]

    async def make_trouble(self, stop: asyncio.Event) -> None:
        """Cause a fault, an accident on a machine, or a kill of the engine, about once a second, as many as are owed.

        What the n-th trouble is follows from the seed alone; whom it meets, from what is there at that moment.
        """
        number = 0
        while not stop.is_set():
            if number == self.owed:
                await asyncio.sleep(0.1)
                continue
            chance = random.Random(f"{self.seed}/{number}")
            number += 1
            kind = chance.choices(list(KINDS), weights=list(KINDS.values()))[0]
            if kind == "fault":
                name, arguments = chance.choice(FAULTS)
                chance.choice(self.clouds.clouds).faults.set(name, **arguments)
                self.injected[name] += 1
            elif kind == "event" and (running := self.running()):
                what = chance.choice(EVENTS)
                await self._accident(*chance.choice(running), what)
            elif kind == "kill the engine":
                await self._kill_engine(chance.uniform(0.0, 1.0))
            elif kind == "kill the app":
                await self._kill_app(chance.uniform(0.3, APP_SECONDS))
            elif kind == "night":
                self.nights += 1
                await self._kill_engine(chance.uniform(*NIGHT_SECONDS))
            elif kind == "empty the account":
                await self._empty_account(chance.choice(self.clouds.clouds))
            await asyncio.sleep(chance.uniform(0.5, 1.5))

    async def _accident(self, cloud: Cloud, machine: Instance, what: str) -> None:
        self.injected[what] += 1
        links = machine.machine.links if machine.machine else []
        if what in ("die", "outbid", "vanish"):
            self.struck.add(machine.id)
        if what == "die":
            await self.clouds.ask(cloud.die(machine))
        elif what == "outbid":
            await self.clouds.ask(cloud.stop(machine))
        elif what == "vanish":
            await self.clouds.ask(cloud.end(machine))
        elif what == "cut":
            for link in links:
                await self.clouds.ask(link.cut())
        elif what == "dearer":
            machine.gpu_rate *= DEARER
            await self.clouds.ask(_ask_more(cloud, machine))
        elif what == "slow":
            for link in links:
                link.bytes_per_second = SLOW_BYTES
        else:
            for link in links:
                link.stall(True)
            asyncio.get_running_loop().call_later(2.0, _flow_again, links)

    async def _empty_account(self, cloud: Cloud) -> None:
        """Let the balance run out, so that the provider takes every machine back; somebody adds funds a moment later."""
        self.injected["empty account"] += 1
        self.struck.update(instance.id for instance in cloud.instances.values() if instance.alive)
        cloud.prepaid = cloud.ledger.total()
        await asyncio.sleep(1.0)
        cloud.prepaid = cloud.ledger.total() + 50.0

    async def _kill_app(self, seconds: float) -> None:
        """Run the real app in a terminal of its own, and end it by SIGKILL after ``seconds``, whatever it is doing."""
        ours, theirs = os.openpty()
        app = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "brightrun_tui",
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(theirs)
        reading = asyncio.create_task(asyncio.to_thread(_read_all, ours))
        await asyncio.sleep(seconds)
        with suppress(ProcessLookupError):
            app.kill()
        await app.wait()
        await reading
        self.app_kills += 1

    async def _kill_engine(self, down_seconds: float) -> None:
        paths = get_paths()
        async with open_database(paths.database) as db:
            status = await engine_status(db, paths)
            if status.running and status.pid:
                os.kill(status.pid, signal.SIGKILL)
                self.kills += 1
        await asyncio.sleep(down_seconds)
        await client.ensure_engine(paths)


def _flow_again(links: list[Link]) -> None:
    for link in links:
        link.stall(False)


async def _ask_more(cloud: Cloud, machine: Instance) -> None:
    cloud.ledger.rate(machine.id, "gpu", machine.gpu_rate)


def _read_all(terminal: int) -> None:
    """Take what an app paints until it is dead, so that it never waits for us."""
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass
    os.close(terminal)


FAST_WORKER = ROOT / "tests" / "clouds" / "fast_worker.py"


def make_interpreter(directory: Path, template: Path, worker: Path = FAST_WORKER) -> Path:
    """Write what the machines take for a Python with everything installed: it starts a worker that learns nothing."""
    script = directory / "python"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = "-c" ] && exit 0\n{GPU_CHECK}exec {sys.executable} -S {worker} {template} "$3"\n'
    )
    script.chmod(0o755)
    return script


async def submit(db: Database, number: int, chance: random.Random, toy: Toy, data: Path) -> Run:
    provider = chance.choice(("runpod", "vast"))
    tight = provider == "runpod" and chance.random() < 0.2
    budget = TIGHT_BUDGET if tight else 1.0
    spec = RunSpec(
        run_id=f"c{number:04d}-{chance.getrandbits(24):06x}",
        name=f"campaign-{number}",
        created_at=time.time(),
        base=BaseModelRef(id=str(toy.base)),
        provider=provider,
        limits=Limits(budget_usd=budget),
        dataset=DatasetRef(path=str(data), name="d", format="messages", fingerprint="", records=20, usable=20),
    )
    paths = get_paths()
    return await runs.create(db, spec, str(paths.run_directory(spec.run_id)), ESTIMATE)


async def play(campaign: Campaign, count: int, parallel: int, toy: Toy, data: Path) -> Result:
    paths = get_paths()
    async with open_database(paths.database) as db:
        await client.ensure_engine(paths)
        try:
            await play_runs(campaign, db, count, parallel, toy, data)
            return await judge(campaign, db)
        finally:
            await client.stop_engine(db, paths)


async def play_runs(campaign: Campaign, db: Database, count: int, parallel: int, toy: Toy, data: Path) -> None:
    """Start runs as others end, with trouble all the while, and wait until everything has been returned."""
    stop = asyncio.Event()
    trouble = asyncio.create_task(campaign.make_trouble(stop))
    chance, started = random.Random(f"{campaign.seed}/runs"), 0
    while True:
        everything = await runs.list_runs(db)
        waiting = [run for run in everything if run.state not in TERMINAL]
        if started == count and not waiting:
            break
        while started < count and len(waiting) < parallel:
            waiting.append(await submit(db, started, chance, toy, data))
            campaign.owed += TROUBLES
            started += 1
        if trouble.done():
            trouble.result()
        if sys.stderr.isatty():
            faults = sum(campaign.injected.values())
            print(
                f"\r{started - len(waiting)}/{count} runs ended, {faults} faults, {campaign.kills} kills ",
                end="",
                file=sys.stderr,
            )
        await asyncio.sleep(0.5)
    stop.set()
    await trouble
    for cloud in campaign.clouds.clouds:
        cloud.faults.clear()
    await client.ensure_engine(get_paths())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (
        any(c.alive() for c in campaign.clouds.clouds) or await leases.list_leases(db, open_only=True)
    ):
        await asyncio.sleep(0.5)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and any(
        lease.billed_usd is None for lease in await leases.list_leases(db) if lease.provider_id
    ):
        await asyncio.sleep(1.0)


async def judge(campaign: Campaign, db: Database) -> Result:
    """Check the promises against the clouds' own books."""
    everything = {run.id: run for run in await runs.list_runs(db)}
    over, doubled, late, off = 0.0, list[list[object]](), 0.0, dict[str, float]()
    for run in everything.values():
        mine = sorted((m for _cloud, m in campaign.machines() if f"-{run.id}-" in m.name), key=lambda m: m.created)
        cost = sum(cloud.ledger.total(m.id) for cloud, m in campaign.machines() if f"-{run.id}-" in m.name)
        off[run.id] = abs(run.cost_usd - cost)
        over = max(over, cost - (run.spec.limits.budget_usd or 0.0))
        if off[run.id] > FAR:
            print(f"{run.id} costs ${run.cost_usd:.5f}, by the clouds' books ${cost:.5f}:", file=sys.stderr)
            for lease in await leases.list_leases(db, run_id=run.id):
                print(f"  {lease.model_dump_json(exclude_defaults=True)}", file=sys.stderr)
            for cloud, machine in campaign.machines():
                if f"-{run.id}-" in machine.name:
                    print(f"  {machine.name} {cloud.ledger.total(machine.id):.5f} {machine!r}", file=sys.stderr)
        for earlier, later in pairwise(mine):
            if (earlier.gone_at or time.time()) > later.created:
                doubled.append(
                    [run.id, earlier.id, later.id, round((earlier.gone_at or time.time()) - later.created, 1)]
                )
        ends = [m.gone_at for m in mine if m.gone_at]
        if run.finished_at and ends:
            late = max(late, max(ends) - run.finished_at)
    tight = [run for run in everything.values() if run.spec.limits.budget_usd == TIGHT_BUDGET]
    poor = [run for run in everything.values() if run.failure and run.failure.error == "no_funds"]
    roomy = [run for run in everything.values() if run not in tight and run not in poor]
    return Result(
        runs=len(everything),
        engine_kills=campaign.kills,
        app_kills=campaign.app_kills,
        nights=campaign.nights,
        leases=len(campaign.machines()),
        leaked=sum(len(cloud.alive()) for cloud in campaign.clouds.clouds),
        doubled=len(doubled),
        over_usd=max(0.0, over),
        lost=len(campaign.lost),
        trusted=len(campaign.trusted),
        off_usd=max(off.values()),
        far=sum(each > FAR for each in off.values()),
        completed=sum(run.state == "completed" for run in roomy),
        roomy=len(roomy),
        poor=len(poor),
        foreign=sum(m.touched for c in campaign.clouds.clouds for m in c.instances.values() if m.foreign),
        late_seconds=late,
        tight=Counter(_how_it_ended(run) for run in tight),
        failures=Counter(_how_it_ended(run) for run in roomy if run.state != "completed"),
        faults=campaign.injected,
        double=doubled,
    )


def _how_it_ended(run: Run) -> str:
    return str(run.failure.error) if run.failure else run.state


def campaign_of(seed: str, count: int, parallel: int, keep: str) -> Result:
    """Run one campaign in a world of its own (clouds, machines, home), and return its result."""
    toy = make_toy()
    with tempfile.TemporaryDirectory() as scratch, CloudServer() as clouds:
        home = Path(keep or scratch) / "home"
        data = Path(scratch) / "data.jsonl"
        data.write_text("".join(json.dumps({"prompt": f"q{i}", "completion": f"a{i}"}) + "\n" for i in range(20)))
        os.environ.update(
            {
                **clouds.environment,
                **SETTINGS,
                "BRIGHTRUN_HOME": str(home),
                "BRIGHTRUN_ENGINE_REMOTE_PYTHON": str(make_interpreter(Path(scratch), toy.run)),
            }
        )
        for cloud in clouds.clouds:
            cloud.add_foreign("somebody-elses-machine")
        campaign = Campaign(clouds, seed)
        campaign.watch()
        began = time.monotonic()
        result = asyncio.run(play(campaign, count, parallel, toy, data))
        result.minutes = (time.monotonic() - began) / 60
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="8 runs")
    parser.add_argument("--parts", type=int, default=0, help="play it in so many parts, each kept once it is through")
    parser.add_argument("--into", type=Path, default=Path("campaign"), help="directory of the parts; those in it count")
    parser.add_argument("--at-most", type=int, default=0, help="so many parts in this call; the next call goes on")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", default="", help="leave the home directory here")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # the clouds and their machines end with us
    count, left = 8 if arguments.quick else arguments.runs, 0
    if arguments.parts:
        parts = Parts(arguments.into, arguments.seed, count, min(arguments.parts, count), arguments.parallel)
        for seed, runs_of_it in parts.open()[: arguments.at_most or None]:
            print(f"part {seed}: {runs_of_it} runs", file=sys.stderr)
            parts.keep(seed, runs_of_it, campaign_of(seed, runs_of_it, arguments.parallel, arguments.keep))
        left, result = len(parts.open()), Result.total(parts.results())
    else:
        result = campaign_of(str(arguments.seed), count, arguments.parallel, arguments.keep)
    table = {**result.table(), **({"parts to be played": left} if arguments.parts else {})}
    if arguments.json:
        print(json.dumps({"name": "campaign", "seed": arguments.seed, **table}))
    else:
        for what, value in table.items():
            print(f"{what:54} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
