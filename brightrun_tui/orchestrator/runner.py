"""One task per active run: performs the effects that the lifecycle decides, and listens to people meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from brightrun_tui import registry
from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import WorkerExit
from brightrun_tui.domain.run import DISK_FULL, Failure, Notice, Run, RunSpec
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.hosts.base import JobStatus
from brightrun_tui.hosts.local import read_from
from brightrun_tui.orchestrator import budget, follow, lifecycle, purse
from brightrun_tui.orchestrator.judging import judge_if_wished
from brightrun_tui.orchestrator.lifecycle import Decision, Effect, Signal
from brightrun_tui.orchestrator.places import MachineLostError, Place, Say
from brightrun_tui.orchestrator.prepare import prepare
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.tokens import keep_tokens
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, runs

log = logging.getLogger(__name__)

T = TypeVar("T")

COUNT_SECONDS = 1.0


@dataclass
class Wish:
    """What a person asked of a run, and where the answer goes."""

    signal: Signal
    answer: asyncio.Future[Run] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Runner:
    """Drives one run until it rests (paused or ended). Cancelling it changes nothing: the next one adopts the run."""

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, run: Run, place: Place,
                 money: MoneyLimits | None = None) -> None:
        self.money = purse.MoneyWatch(paths, money or MoneyLimits())
        self.db, self.paths, self.timings, self.run_id = db, paths, timings, run.id
        self.place = place
        self._counted_at = 0.0
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
            except MachineLostError as error:
                log.warning("run %s: %s", self.run_id, error)
                signal = "worker_lost"
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
        await self.place.close()
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
            return await self._prepare(run), None
        if effect == "launch":
            return await self._launch(run), None
        if effect == "follow":
            return await self._follow(run)
        if effect == "ask_stop":
            await self.place.ask("stop")
        elif effect == "ask_pause":
            await self.place.ask("pause")
        elif effect == "collect":
            await self.place.collect(run)
            complete = RunDirectory(Path(run.directory)).manifest.exists()
            return ("collected" if complete else "nothing_to_collect"), None
        elif effect == "release":
            await self.place.release(run)
        elif effect == "register":
            version = await registry.register(self.db, self.paths, run, Path(run.directory))
            await runs.update(self.db, run.id, model=version.name, model_version=version.version)
            await judge_if_wished(self.db, self.paths, run.id, version)
            await asyncio.to_thread(keep_tokens, Path(run.directory), run.spec, self.paths)
            return "registered", None
        return None, None

    async def _prepare(self, run: Run) -> Signal | Wish:
        def work(say: Say) -> asyncio.Future[RunSpec]:
            return asyncio.ensure_future(asyncio.to_thread(prepare, run, self.paths, say))

        done = await self._while_listening(run, work)
        if isinstance(done, Wish):
            return done
        await runs.update(self.db, run.id, spec=done, phase_detail="")
        return "prepared"

    async def _launch(self, run: Run) -> Signal | Wish:
        """Have a machine and start the worker on it, unless one is at work already."""
        def work(say: Say) -> asyncio.Future[None]:
            return asyncio.ensure_future(self.place.take(run, say))

        done = await self._while_listening(run, work)
        if isinstance(done, Wish):
            return done
        await self.place.sync(run)
        run = await follow.drain(self.db, await runs.get(self.db, run.id))
        if not (await self.place.worker()).running:
            if await follow.last_word(self.db, run) is not None:
                return "launched"  # it had ended in order when the link to it broke
            if run.state == "launching":
                await self.place.withdraw()
            await runs.update(self.db, run.id, attempts=run.attempts + 1, launch_step=run.step, launch_seq=run.events_seq,
                              phase_detail="")
            await self.place.start()
        return "launched"

    async def _while_listening(self, run: Run, begin: Callable[[Say], asyncio.Future[T]]) -> T | Wish:
        """Do something long; show what it says; stop it when a person wants something else."""
        said: list[str] = [""]
        work, shown = begin(said.append), ""
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=self.timings.poll_seconds)
                if not work.done() and not self.wishes.empty():
                    return self.wishes.get_nowait()
                if said[-1] != shown:
                    shown = said[-1]
                    await runs.update(self.db, run.id, phase=run.state, phase_detail=shown)
                if not work.done() and (demand := await self._count(await runs.get(self.db, run.id))) is not None:
                    return Wish(demand)
            return work.result()
        finally:
            work.cancel()

    async def _follow(self, run: Run) -> tuple[Signal | Wish | None, Failure | None]:
        while True:
            worker = await self.place.worker()
            await self.place.sync(run)
            run = await follow.drain(self.db, run)
            if not worker.running:
                return await follow.last_word(self.db, run) or await self._silent_death(run, worker)
            if _overtime(run) and run.state == "running":
                return "stop_asked", None
            demand = await self._count(run)
            if demand is not None:
                return demand, None
            if not self.wishes.empty():
                return self.wishes.get_nowait(), None
            await asyncio.sleep(self.place.poll_seconds)

    async def _count(self, run: Run) -> Signal | None:
        """Put the cost so far on record, and do what the budget demands."""
        if time.monotonic() - self._counted_at < COUNT_SECONDS:
            return None
        self._counted_at = time.monotonic()
        spent, per_hour = await self.place.spent(), await self.place.price_per_hour()
        if not per_hour and spent == run.cost_usd:
            return None
        now = await purse.look(self.db, self.money.now(), run)
        verdict = budget.judge(now.spent, per_hour, now.ceiling,
                               finish_seconds=self.timings.finish_seconds, release_seconds=self.timings.release_seconds)
        notices = _with_notice(run, verdict, now)
        await runs.update(self.db, run.id, cost_usd=spent, notices=notices)
        if verdict == "release":
            return "budget_spent"
        return "stop_asked" if verdict == "finish" and run.state in ("running", "pausing") else None

    async def _silent_death(self, run: Run, worker: JobStatus) -> tuple[Signal, Failure | None]:
        """The worker ended without its last word: killed (worth another try), or crashed by itself (not worth one)."""
        if worker.exit_code == WorkerExit.ANOTHER_AT_WORK:
            await asyncio.sleep(self.timings.stop_seconds)
            return "worker_lost", None
        if worker.exit_code is None or worker.exit_code <= 0 or worker.exit_code > 128:
            return "worker_lost", None
        if worker.exit_code == WorkerExit.DISK_FULL:
            return "worker_failed", DISK_FULL
        lines = (await asyncio.to_thread(_tail, RunDirectory(Path(run.directory)).log)).splitlines() or [""]
        here = run.spec.provider == "local"
        look = "brightrun doctor tells whether the training packages are complete" if here else \
            "the fault is on the machine of the run, not on this one"
        return "worker_failed", Failure(error="worker_crashed", cause=f"the worker ended with: {lines[-1][:300]}",
                                        fix=f"see its log; {look}")


def _tail(path: Path) -> str:
    return read_from(path, max(0, path.stat().st_size - 4000)).decode("utf-8", "replace").strip()


def _overtime(run: Run) -> bool:
    limit = run.spec.limits.max_hours
    return bool(limit and run.started_at and time.time() - run.started_at > limit * 3600)


def _with_notice(run: Run, verdict: budget.Verdict, now: purse.Purse) -> tuple[Notice, ...]:
    """The run's notices with one about the money, the first time a verdict is passed."""
    what = "what this month's limit leaves to the run" if now.monthly else "the budget"
    words = {"warn_80": f"80 % of {what} is spent", "warn_95": f"95 % of {what} is spent",
             "finish": f"{what} is nearly spent: the run is ended in order", "release": f"{what} is spent"}
    code = f"budget_{verdict}"
    if verdict == "go" or any(notice.code == code for notice in run.notices):
        return run.notices
    message = f"{words[verdict]} (${now.spent:.2f} of ${now.ceiling or 0:.2f})"
    return (*run.notices, Notice(time=time.time(), level="warning", code=code, message=message))
