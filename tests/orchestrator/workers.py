"""A run on this machine with a worker that behaves as a test wants: real processes, files and store; nothing is trained."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from brightrun_tui.domain.money import Limits
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.run_directory import WORKER
from brightrun_tui.orchestrator.lifecycle import Signal
from brightrun_tui.orchestrator.run_commands import RunCommand
from brightrun_tui.orchestrator.runner import Runner
from brightrun_tui.orchestrator.targets import LocalTarget
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.troubles import Troubles
from brightrun_tui.orchestrator.warm_worker import WarmWorker
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, open_database, runs

SCRIPT = """
import json, os, pathlib, signal, sys, time
log = open("events.jsonl", "ab", 0)
seq = len(open("events.jsonl", "rb").read().splitlines())
def tell(kind, **fields):
    global seq
    log.write(json.dumps({"seq": seq, "time": time.time(), "kind": kind, **fields}).encode() + b"\\n")
    seq += 1
def steps(first, last):
    for step in range(first, last + 1):
        tell("metric", step=step, values={"train_loss": 1.0})
        tell("progress", step=step, total_steps=100)
def save(step):
    pathlib.Path(f"checkpoints/step-{step}").mkdir(parents=True, exist_ok=True)
def leave(number, frame):
    tell("done", outcome="paused", step=1)
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
tell("phase", phase="training", detail="")
"""
DEAF = "steps(1, 3); save(2)\nwhile True: time.sleep(60)"
"""Hangs, and no request or SIGTERM gets through."""
BUSY = "steps(1, 3)\nwhile True: sum(range(10_000))"
"""Computes for ever, and hears nothing."""
POLITE = "steps(1, 3); signal.signal(signal.SIGTERM, leave)\nwhile True: time.sleep(60)"
"""Hangs, but leaves on SIGTERM."""
STEADY = "step = 0\nwhile True:\n    step += 1; steps(step, step); time.sleep(0.02)"
SHORT = {"poll_seconds": 0.05, "answer_seconds": 0.8, "stop_seconds": 0.5, "stuck_seconds": 60.0}


class Scripted(LocalTarget):
    """This machine, with another worker."""

    def __init__(self, directory: Path, paths: Paths, worker: str) -> None:
        super().__init__(directory, 0.05, WarmWorker(paths, 0))
        self.worker_script, self.starts = worker, 0
        self.pids: list[int] = []

    async def start(self) -> None:
        self.starts += 1
        words = [sys.executable, "-c", SCRIPT + self.worker_script]
        self.pids.append(await self.host.start(WORKER, words, environment={}))


@dataclass
class Stage:
    """One run that is being driven."""

    db: Database
    paths: Paths
    runner: Runner
    target: Scripted
    task: asyncio.Task[None]
    troubles: Troubles

    async def run(self) -> Run:
        return await runs.get(self.db, "r")

    async def ask(self, signal: Signal) -> Run:
        command = RunCommand(signal)
        self.runner.commands.add(command)
        return await asyncio.wait_for(command.answer, 60)

    async def until(self, fact: Callable[[Run], object], what: str, seconds: float = 60) -> Run:
        deadline = time.monotonic() + seconds
        while not fact(run := await self.run()):
            assert time.monotonic() < deadline, f"it did not become true that {what}; the run is {run!r}"
            await asyncio.sleep(0.02)
        return run

    def pid(self) -> int:
        return int((self.target.directory / "worker.pid").read_text())

    def send(self, number: int) -> None:
        os.kill(self.pid(), number)

    def alive(self) -> bool:
        with suppress(psutil.Error, OSError, ValueError):
            return bool(psutil.Process(self.pid()).status() != psutil.STATUS_ZOMBIE)
        return False


@asynccontextmanager
async def on_stage(
    home: Path, worker: str, *, max_hours: float | None = None, **timings: float
) -> AsyncIterator[Stage]:
    """A run whose worker is started at once."""
    paths = Paths(home / "config", home / "data", home / "cache", home / "logs")
    async with open_database(paths.database) as db:
        data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
        spec = RunSpec(
            run_id="r",
            name="demo",
            created_at=time.time(),
            base=BaseModelRef(id="b"),
            dataset=data,
            limits=Limits(max_hours=max_hours),
        )
        directory = paths.run_directory("r")
        directory.mkdir(parents=True)
        run = await runs.create(db, spec, str(directory))
        await runs.transition(db, "r", "preparing")
        run = await runs.transition(db, "r", "launching")
        target, troubles = Scripted(directory, paths, worker), Troubles()
        runner = Runner(db, paths, EngineTimings(**{**SHORT, **timings}), run, target, troubles)
        task = asyncio.create_task(runner.drive())
        stage = Stage(db, paths, runner, target, task, troubles)
        try:
            yield stage
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for pid in target.pids:  # its file may have been taken away
                with suppress(OSError):
                    os.killpg(pid, 9)
