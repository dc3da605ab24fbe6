"""One installation, one engine, and as many rented machines as there are attacks, each of them hostile in its own way."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui.domain.model import Lineage, Report, SplitScore, TrainingFacts, Verdict
from brightrun_tui.domain.money import Estimate, Lease, Limits
from brightrun_tui.domain.requests import StopRun
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.run_directory import LOG_LIMIT, RunDirectory
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import get_paths
from brightrun_tui.store import Database, leases, open_database, runs
from tests import preloaded
from tests.clouds.machine import GPU_CHECK
from tests.clouds.server import CloudServer
from tests.registry.conftest import rewrite_manifest

LIES, REFUSED, WORKS, STOPS = "machine_lies", "refused", "completed", "stopped"
EXPECTED = {
    "honest": (WORKS, "it is fetched whole"),
    "name-climbs-out": (LIES, "names are plain, and only those of a run directory"),
    "name-climbs-out-of-adapter": (LIES, "names are plain, and only those of a run directory"),
    "name-is-absolute": (LIES, "names are plain, and only those of a run directory"),
    "name-has-an-escape": (LIES, "names are plain, and only those of a run directory"),
    "name-has-a-newline": (LIES, "names are plain, and only those of a run directory"),
    "name-looks-like-a-slash": (LIES, "names are plain, and only those of a run directory"),
    "name-overwrites-our-key": (WORKS, "a name that no worker writes stays there"),
    "pickle-among-the-results": (REFUSED, "a name that no worker writes stays there; the registry refuses the model"),
    "files-that-nobody-listed": (WORKS, "no directory is listed"),
    "ten-thousand-files": (LIES, "a manifest lists 64 files at most"),
    "report-of-one-pebibyte": (LIES, "each file has its limit, before a byte is fetched"),
    "size-is-no-number": (LIES, "a manifest is checked by its model"),
    "another-file-than-listed": (LIES, "size and digest of the manifest"),
    "file-grows-after-listing": (LIES, "size and digest of the manifest"),
    "listed-file-is-missing": (LIES, "size and digest of the manifest"),
    "result-is-a-link": (LIES, "only plain files are opened there"),
    "result-is-a-pipe": (LIES, "only plain files are opened there"),
    "result-is-a-directory": (LIES, "only plain files are opened there"),
    "adapter-is-a-file": (LIES, "only plain files are opened there"),
    "manifest-nests-deeply": (LIES, "a manifest is checked by its model"),
    "manifest-is-endless": (LIES, "a manifest has 1 MiB at most"),
    "manifest-is-noise": (LIES, "a manifest is checked by its model"),
    "report-is-no-report": (REFUSED, "the registry checks what it takes"),
    "checkpoint-name-climbs-out": (LIES, "names are plain, and only those of a run directory"),
    "checkpoint-is-another": (LIES, "size and digest of the manifest"),
    "checkpoint-of-one-pebibyte": (LIES, "each file has its limit, before a byte is fetched"),
    "checkpoint-without-weights": (LIES, "a checkpoint is complete or none"),
    "event-without-an-end": (LIES, "no event has more than 4 MiB"),
    "exit-code-is-noise": (LIES, "the files of a job are matched whole"),
    "process-is-noise": (LIES, "the files of a job are matched whole"),
    "log-is-a-pipe": (LIES, "only plain files are opened there"),
    "log-is-a-link": (LIES, "only plain files are opened there"),
    "log-of-sixty-megabytes": (WORKS, "a piece of the log each round, its end when there is more"),
    "log-without-an-end": (STOPS, "a piece of the log each round: a stop is heard"),
}
"""By attack: how such a run ends, and what holds it."""

SETTINGS = {
    "BRIGHTRUN_ENGINE_REMOTE_POLL_SECONDS": "0.4",
    "BRIGHTRUN_ENGINE_LEASE_POLL_SECONDS": "0.4",
    "BRIGHTRUN_ENGINE_VERIFY_SECONDS": "0.5",
    "BRIGHTRUN_ENGINE_FINISH_SECONDS": "8",
    "BRIGHTRUN_ENGINE_RELEASE_SECONDS": "5",
    "BRIGHTRUN_ENGINE_IDLE_SECONDS": "300",
    "BRIGHTRUN_SSH_RETRY_SECONDS": "0.3",
    "BRIGHTRUN_SSH_PATIENCE_SECONDS": "90",
}
OURS = {
    "data",
    "adapter",
    "checkpoints",
    "control",
    "spec.json",
    "events.jsonl",
    "worker.log",
    ".worker.log.mark",
    "report.json",
    "manifest.json",
    "machines.jsonl",
    "setup.log",
    "ssh.json",
}
FACTS = {"path": "d", "name": "d", "format": "messages", "fingerprint": "f"}


@dataclass(frozen=True)
class Outcome:
    """What became of one attack. ``strays``: files in its run directory that do not belong there."""

    run: Run
    leases: list[Lease]
    strays: list[str]
    log_bytes: int

    @property
    def words(self) -> str:
        return self.run.failure.cause if self.run.failure else self.run.state


@dataclass(frozen=True)
class Aftermath:
    """What is true when all of it is over. ``outside``: what changed beside the installation."""

    outcomes: dict[str, Outcome]
    outside: list[str]
    alive: int
    verbs: dict[str, int]
    seconds: float


def fight(scratch: Path, clouds: CloudServer, names: list[str]) -> Aftermath:
    """Let every attack happen at once. ``scratch`` is an empty directory; the environment is the caller's to restore."""
    began = time.monotonic()
    os.environ.update(
        {
            **clouds.environment,
            **SETTINGS,
            "BRIGHTRUN_HOME": str(scratch / "home"),
            "BRIGHTRUN_ENGINE_REMOTE_PYTHON": str(_interpreter(scratch)),
        }
    )
    (scratch / "bashrc").write_text("mine")
    before = _beside(scratch)
    outcomes = asyncio.run(_play(names))
    verbs = {
        verb: preloaded.brightrun([verb, "--json"], os.environ, timeout=60).returncode
        for verb in ("runs", "costs", "reconcile")
    }
    asyncio.run(_end_engine())
    outside = sorted(
        path for path in before.keys() | _beside(scratch).keys() if before.get(path) != _beside(scratch).get(path)
    )
    alive = sum(len(cloud.alive()) for cloud in clouds.clouds)
    return Aftermath(outcomes, outside, alive, verbs, time.monotonic() - began)


def _beside(scratch: Path) -> dict[str, bytes]:
    """Everything in the scratch directory that is not a part of the installation."""
    watched = [path for path in scratch.rglob("*") if path.is_file() and scratch / "home" not in path.parents]
    return {str(path): path.read_bytes() for path in [*watched, *Path("/tmp").glob("brightrun-attack-*")]}


async def _play(names: list[str]) -> dict[str, Outcome]:
    paths = get_paths()
    async with open_database(paths.database) as db:
        for name in names:
            await _submit(db, name)
        await client.ensure_engine(paths)
        deadline = time.monotonic() + 240
        while waiting := [run for run in await runs.list_runs(db) if run.state not in TERMINAL]:
            assert time.monotonic() < deadline, (
                f"not ended: {[(run.name, run.state, run.phase_detail) for run in waiting]}"
            )
            for run in waiting:
                if run.name == "log-without-an-end" and run.step and run.state == "running":
                    await client.ask(db, paths, StopRun(target=run.id), wait=20)
            await asyncio.sleep(0.3)
        while await leases.list_leases(db, open_only=True) and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
        return {
            run.name: Outcome(run, await leases.list_leases(db, run_id=run.id), _strays(run), _size(run))
            for run in await runs.list_runs(db)
        }


async def _submit(db: Database, name: str) -> None:
    """A run whose directory is ready, so that nothing but the machine has a part in what comes."""
    spec = RunSpec(
        run_id=name,
        name=name,
        created_at=time.time(),
        base=BaseModelRef(id="base", revision="r" * 40),
        dataset=DatasetRef(**FACTS, records=1, usable=1),
        provider="runpod",
        limits=Limits(budget_usd=5.0),
    )
    directory = RunDirectory(get_paths().run_directory(name))
    directory.data.mkdir(parents=True)
    directory.control.mkdir()
    directory.spec.write_text(spec.model_dump_json())
    directory.train.write_text("{}\n")
    await runs.create(db, spec, str(directory.root), Estimate(memory=1 << 30, seconds_high=60.0))


def _strays(run: Run) -> list[str]:
    """Files that neither we nor a worker write, and adapters with code or pickles."""
    root = Path(run.directory)
    found = {path.relative_to(root) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}
    return sorted(
        str(path)
        for path in found
        if (path.parts[0] not in OURS and path.suffix != ".hostkey")
        or path.suffix in (".py", ".bin")
        or (root / path).is_symlink()
        or "evil" in path.name
    )


def _size(run: Run) -> int:
    log = RunDirectory(Path(run.directory)).log
    return log.stat().st_size if log.exists() else 0


async def _end_engine() -> None:
    async with open_database(get_paths().database) as db:
        await client.stop_engine(db, get_paths())


def _interpreter(scratch: Path) -> Path:
    """What the machines take for a Python with everything installed."""
    template, script = scratch / "template", scratch / "python"
    (template / "adapter").mkdir(parents=True)
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (template / "adapter" / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    (template / "adapter" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (template / "report.json").write_text(_report().model_dump_json())
    rewrite_manifest(template)
    worker = Path(__file__).with_name("hostile.py")
    script.write_text(
        f'#!/bin/sh\n[ "$1" = "-c" ] && exit 0\n{GPU_CHECK}exec {sys.executable} -S {worker} {template} "$3"\n'
    )
    script.chmod(0o755)
    return script


def _report() -> Report:
    score = SplitScore(loss=2.0, perplexity=7.4, tokens=10, records=2)
    return Report(
        name="honest",
        created_at=1.0,
        base=score,
        tuned=score,
        training=TrainingFacts(steps=6, epochs=1, train_records=1, eval_records=1, supervised_tokens=10, seconds=1),
        lineage=Lineage(run_id="r", dataset_name="d", dataset_fingerprint="f", base_id="base"),
        verdict=Verdict(grade="good", summary="honest"),
    )


def verdict(name: str, outcome: Outcome) -> str:
    """Nothing when the attack ended as it must, else what is wrong."""
    expected, _held_by = EXPECTED[name]
    failure = outcome.run.failure
    wrong = []
    if expected in (WORKS, STOPS):
        wrong += [] if outcome.run.state == expected else [f"it is {outcome.run.state}: {outcome.words}"]
    elif failure is None or (failure.error != LIES) != (expected == REFUSED) or failure.error == "internal":
        wrong.append(f"it ended with {failure.error if failure else outcome.run.state}: {outcome.words}")
    wrong += [f"{stray} is at home" for stray in outcome.strays]
    wrong += [f"lease {lease.name} is {lease.state}" for lease in outcome.leases if lease.state != "released"]
    if len(outcome.leases) > 2:
        reasons = [lease.reason or lease.note for lease in outcome.leases]
        wrong.append(f"{len(outcome.leases)} machines were rented: {reasons}")
    wrong += [f"{outcome.log_bytes} bytes of log are home"] if outcome.log_bytes > LOG_LIMIT else []
    return "; ".join(wrong)
