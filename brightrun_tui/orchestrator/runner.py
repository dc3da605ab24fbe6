"""One task per active run: performs the effects that the lifecycle decides, and listens to people meanwhile."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from brightrun_tui import registry
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run import Failure, Run
from brightrun_tui.hosts.base import JobStatus
from brightrun_tui.hosts.local import LocalHost
from brightrun_tui.orchestrator import follow, lifecycle
from brightrun_tui.orchestrator.lifecycle import Decision, Effect, Signal
from brightrun_tui.orchestrator.prepare import prepare
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, runs

log = logging.getLogger(__name__)

WORKER = "worker"
WORKER_COMMAND = ["nice", "-n", "5", sys.executable, "-m", "brightrun_tui.trainer"]


@dataclass
class Wish:
    """What a person asked of a run, and where the answer goes."""

    signal: Signal
    answer: asyncio.Future[Run] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Runner:
    """Drives one run until it rests (paused or ended). Cancelling it changes nothing: the next one adopts the run."""

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, run: Run) -> None:
        self.db, self.paths, self.timings, self.run_id = db, paths, timings, run.id
        self.host = LocalHost(Path(run.directory))
        self.wishes: asyncio.Queue[Wish] = asyncio.Queue()

    async def drive(self) -> None:
        run = await runs.get(self.db, self.run_id)
        effects = list(lifecycle.adopt(run.state))
        if run.state == "queued":
            run, effects = await self._enter(run, lifecycle.step(run, "start"))
        while effects:
            signal, failure = None, None
            try:
                signal, failure = await self._perform(run, effects.pop(0))
            except BrightrunError as error:
                signal, failure = "broken", Failure(error=error.kind, cause=str(error), fix=error.fix)
            except Exception as error:  # a bug of ours ends this run with a word, not the engine
                log.exception("run %s: %s failed", self.run_id, run.state)
                signal, failure = "broken", Failure(error="internal", cause=f"brightrun itself failed: {type(error).__name__}",
                                                    fix="see the engine's log: brightrun engine logs")
            run = await runs.get(self.db, self.run_id)
            if isinstance(signal, Wish):
                run, effects = await self._grant(run, signal, effects)
            elif signal is not None:
                run, effects = await self._enter(run, lifecycle.step(run, signal, failure))
        await self.host.close()
        while not self.wishes.empty():
            await self._grant(run, self.wishes.get_nowait(), [])

    async def _grant(self, run: Run, wish: Wish, effects: list[Effect]) -> tuple[Run, list[Effect]]:
        try:
            run, effects = await self._enter(run, lifecycle.step(run, wish.signal))
            wish.answer.set_result(run)
        except BrightrunError as error:
            wish.answer.set_exception(error)
            effects = effects or list(lifecycle.adopt(run.state))
        return run, effects

    async def _enter(self, run: Run, decision: Decision) -> tuple[Run, list[Effect]]:
        run = await runs.transition(self.db, run.id, decision.state, **decision.changes)
        log.info("run %s (%s): %s", run.name, run.id, run.state)
        return run, list(decision.effects)

    async def _perform(self, run: Run, effect: Effect) -> tuple[Signal | Wish | None, Failure | None]:
        if effect == "prepare":
            return await self._prepare(run)
        if effect == "launch":
            return await self._launch(run), None
        if effect == "follow":
            return await self._follow(run)
        if effect in ("ask_stop", "ask_pause"):
            await asyncio.to_thread(_request, Path(run.directory), effect.removeprefix("ask_"))
        elif effect == "collect":
            complete = (Path(run.directory) / "manifest.json").exists()
            return ("collected" if complete else "nothing_to_collect"), None
        elif effect == "register":
            version = await registry.register(self.db, self.paths, run, Path(run.directory))
            await runs.update(self.db, run.id, model=version.name, model_version=version.version)
            return "registered", None
        return None, None

    async def _prepare(self, run: Run) -> tuple[Signal | Wish | None, Failure | None]:
        said: list[str] = [""]
        work = asyncio.create_task(asyncio.to_thread(prepare, run, self.paths, said.append))
        shown = ""
        while True:
            await asyncio.wait({work}, timeout=self.timings.poll_seconds)
            if work.done():
                await runs.update(self.db, run.id, spec=work.result(), phase_detail="")
                return "prepared", None
            if not self.wishes.empty():
                return self.wishes.get_nowait(), None
            if said[-1] != shown:
                shown = said[-1]
                await runs.update(self.db, run.id, phase="preparing", phase_detail=shown)

    async def _launch(self, run: Run) -> Signal:
        """Start the worker, unless one is at work already; it continues from its newest checkpoint by itself."""
        run = await follow.drain(self.db, run, self.host)
        if not (await self.host.status(WORKER)).running:
            if run.state == "launching":
                await asyncio.to_thread(_withdraw_requests, Path(run.directory))
            await runs.update(self.db, run.id, attempts=run.attempts + 1, launch_step=run.step, launch_seq=run.events_seq)
            await self.host.start(WORKER, [*WORKER_COMMAND, run.directory], environment={})
        return "launched"

    async def _follow(self, run: Run) -> tuple[Signal | Wish | None, Failure | None]:
        while True:
            worker = await self.host.status(WORKER)
            run = await follow.drain(self.db, run, self.host)
            if not worker.running:
                return await follow.last_word(self.db, run) or await self._silent_death(worker)
            if _overtime(run):
                return "stop_asked", None
            if not self.wishes.empty():
                return self.wishes.get_nowait(), None
            await asyncio.sleep(self.timings.poll_seconds)

    async def _silent_death(self, worker: JobStatus) -> tuple[Signal, Failure | None]:
        """The worker ended without its last word: killed (worth another try), or crashed by itself (not worth one)."""
        if worker.exit_code is None or worker.exit_code <= 0 or worker.exit_code > 128:
            return "worker_lost", None
        lines = (await asyncio.to_thread(_tail, Path(str(self.host.directory)) / f"{WORKER}.log")).splitlines() or [""]
        return "worker_failed", Failure(error="worker_crashed", cause=f"the worker ended with: {lines[-1][:300]}",
                                        fix="see its log; brightrun doctor tells whether the training packages are complete")


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4000))
        return file.read().decode("utf-8", "replace").strip()


def _overtime(run: Run) -> bool:
    limit = run.spec.limits.max_hours
    return bool(limit and run.started_at and run.state == "running" and time.time() - run.started_at > limit * 3600)


def _request(directory: Path, name: str) -> None:
    (directory / "control").mkdir(exist_ok=True)
    (directory / "control" / name).touch()


def _withdraw_requests(directory: Path) -> None:
    for name in ("pause", "stop"):
        (directory / "control" / name).unlink(missing_ok=True)
