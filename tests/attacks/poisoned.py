"""One installation, one engine, and a rented machine for each kind of line that no reader should believe.

python -m tests.attacks.poisoned          every kind, as a table
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui.domain.money import Estimate, Lease, Limits
from brightrun_tui.domain.requests import DeleteRun, StopRun
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import get_paths
from brightrun_tui.store import Database, leases, open_database, runs
from brightrun_tui.tui.snapshot import SnapshotReader
from tests import preloaded
from tests.attacks import poison
from tests.clouds.machine import GPU_CHECK
from tests.clouds.server import CloudServer

SETTINGS = {
    "BRIGHTRUN_ENGINE_REMOTE_POLL_SECONDS": "0.4",
    "BRIGHTRUN_ENGINE_LEASE_POLL_SECONDS": "0.4",
    "BRIGHTRUN_ENGINE_VERIFY_SECONDS": "0.5",
    "BRIGHTRUN_ENGINE_FINISH_SECONDS": "8",
    "BRIGHTRUN_ENGINE_RELEASE_SECONDS": "5",
    "BRIGHTRUN_ENGINE_IDLE_SECONDS": "300",
    "BRIGHTRUN_SSH_RETRY_SECONDS": "0.3",
    "BRIGHTRUN_SSH_PATIENCE_SECONDS": "20",
}
VERBS = (("runs",), ("runs", "show", "last"), ("costs",), ("reconcile",))


@dataclass(frozen=True)
class Aftermath:
    """What is true when all of it is over. ``verbs``: their exit codes; ``left``: runs that could not be deleted."""

    ended: dict[str, tuple[Run, list[Lease]]]
    verbs: list[int]
    left: list[str]
    alive: int
    seconds: float


def poison_all(scratch: Path, clouds: CloudServer, names: list[str]) -> Aftermath:
    """Let it all happen at once. ``scratch`` is an empty directory; the environment is the caller's to restore."""
    began = time.monotonic()
    python = scratch / "python"
    worker = Path(poison.__file__)
    python.write_text(f'#!/bin/sh\n[ "$1" = "-c" ] && exit 0\n{GPU_CHECK}exec {sys.executable} -S {worker} "$3"\n')
    python.chmod(0o755)
    os.environ.update(
        {
            **clouds.environment,
            **SETTINGS,
            "BRIGHTRUN_HOME": str(scratch / "home"),
            "BRIGHTRUN_ENGINE_REMOTE_PYTHON": str(python),
        }
    )
    ended, verbs, left = asyncio.run(_play(names))
    return Aftermath(ended, verbs, left, sum(len(cloud.alive()) for cloud in clouds.clouds), time.monotonic() - began)


async def _play(names: list[str]) -> tuple[dict[str, tuple[Run, list[Lease]]], list[int], list[str]]:
    paths = get_paths()
    async with open_database(paths.database) as db:
        for number, name in enumerate(names):
            await _submit(db, f"p{number:02}", name)
        await client.ensure_engine(paths)
        deadline = time.monotonic() + 240
        while waiting := [run for run in (await runs.list_all(db))[0] if run.state not in TERMINAL]:
            assert time.monotonic() < deadline, (
                f"not ended: {[(run.name, run.state, run.phase_detail) for run in waiting]}"
            )
            for run in waiting:
                if run.name in poison.BORNE and run.step == 4 and run.state == "running":
                    await client.ask(db, paths, StopRun(target=run.id), wait=30)
            await asyncio.sleep(0.3)
        while await leases.list_leases(db, open_only=True) and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
        verbs = [await asyncio.to_thread(_verb, *words) for words in VERBS]
        snapshot = await SnapshotReader(db, paths).read("p00")
        ended = {run.name: (run, await leases.list_leases(db, run_id=run.id)) for run in snapshot.runs}
        for run in snapshot.runs:
            await client.ask(db, paths, DeleteRun(target=run.id), wait=30)
        left = [run.name for run in (await runs.list_all(db))[0]]
        await client.stop_engine(db, paths)
        return ended, verbs, left


def _verb(*words: str) -> int:
    return preloaded.brightrun([*words, "--json"], os.environ, timeout=60).returncode


async def _submit(db: Database, run_id: str, name: str) -> None:
    """A run whose directory is ready, so that nothing but the machine has a part in what comes."""
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(
        run_id=run_id,
        name=name,
        created_at=time.time(),
        base=BaseModelRef(id="base", revision="r" * 40),
        dataset=data,
        provider="runpod",
        limits=Limits(budget_usd=5.0),
    )
    directory = get_paths().run_directory(run_id)
    (directory / "data").mkdir(parents=True)
    (directory / "control").mkdir()
    (directory / "spec.json").write_text(spec.model_dump_json())
    (directory / "data" / "train.jsonl").write_text("{}\n")
    await runs.create(db, spec, str(directory), Estimate(memory=1 << 30, seconds_high=60.0))


def verdict(name: str, run: Run, rented: list[Lease]) -> str:
    """Nothing when it ended as it must, else what is wrong."""
    expected = {"bad_events"} if name in poison.BAD else {"events_gap"} if name in poison.BREAKING else {""}
    if name == "ten megabytes":
        expected.add("machine_lies")  # the mirror, or the reader behind it: whoever meets it first
    error = run.failure.error if run.failure else ""
    wrong = (
        [] if error in expected and run.state == ("failed" if error else "stopped") else [f"it is {run.state}: {error}"]
    )
    wrong += [f"lease {lease.name} is {lease.state}" for lease in rented if lease.state != "released"]
    wrong += ["no machine was rented"] if not rented else []
    if error == "bad_events" and not any(
        notice.code == "bad_event" and notice.message.isprintable() for notice in run.notices
    ):
        wrong.append("nobody is told of the lines")
    return "; ".join(wrong)


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch, CloudServer() as clouds:
        found = poison_all(Path(scratch), clouds, list(poison.ALL))
    faults = 0
    for name, (run, rented) in sorted(found.ended.items()):
        wrong = verdict(name, run, rented)
        faults += bool(wrong)
        told = run.notices[-1].message if run.notices else ""
        print(
            f"{'✗' if wrong else '✓'} {name:28} {run.state:8} {run.failure.error if run.failure else '':10} "
            f"{rented[-1].state if rented else '':9} {wrong or told[:110]}"
        )
    print(
        f"{len(found.ended)} kinds, {faults} faults, verbs {found.verbs}, runs left {len(found.left)}, "
        f"machines alive {found.alive}, {found.seconds:.0f} s"
    )
    return int(bool(faults or any(found.verbs) or found.left or found.alive))


if __name__ == "__main__":
    sys.exit(main())
