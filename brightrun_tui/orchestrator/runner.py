"""One task per active run: performs the effects that the lifecycle decides, and listens to people meanwhile."""

from __future__ import annotations

import asyncio
import logging
import signal as signals
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from brightrun_tui import registry
from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain import humanize
from brightrun_tui.domain.disk import disk_full_as, is_disk_full
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, StoreError
from brightrun_tui.domain.events import PhaseName, WorkerExit
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.domain.run import Failure, Run, RunSpec
from brightrun_tui.domain.run_directory import ControlRequest, RunDirectory
from brightrun_tui.files import remove_unfinished
from brightrun_tui.orchestrator import deaths, follow, lifecycle, live_changes, watching
from brightrun_tui.orchestrator.allowance import Allowance
from brightrun_tui.orchestrator.halving import Halving
from brightrun_tui.orchestrator.judging import judge_if_asked
from brightrun_tui.orchestrator.kept_tokens import keep_tokens
from brightrun_tui.orchestrator.life import Life, Patience
from brightrun_tui.orchestrator.lifecycle import Decision, Effect, Signal
from brightrun_tui.orchestrator.notices import with_notice
from brightrun_tui.orchestrator.prepare import prepare, renew_paths
from brightrun_tui.orchestrator.quality import tell_quality
from brightrun_tui.orchestrator.run_commands import ENDINGS, RunCommand, RunCommands
from brightrun_tui.orchestrator.targets import MachineLostError, Say, Target
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.troubles import Troubles
from brightrun_tui.orchestrator.unless_cancelled import unless_cancelled
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, runs

log = logging.getLogger(__name__)

T = TypeVar("T")
WatchResult = tuple[Signal | RunCommand | None, Failure | None]

LAUNCH_PAUSE, LONGEST_LAUNCH_PAUSE = 0.5, 16.0
"""Seconds before a worker that died without progress is started again; twice as long with each death."""
UNREACHABLE = "the machine cannot be reached now; stop it again to wait no longer"
CALM_SECONDS = 1.0
"""A run that was followed for so long without trouble no longer has any."""
LOOK_SECONDS = 2.0
"""How long a look that is under way may still take once nobody wants it any longer."""
SURPRISES, SURPRISE_SECONDS = 3, 60.0
"""So many faults of our own within that time end a run; fewer are tried again."""


class Runner:
    """Drives one run until it rests (paused or ended). Cancelling it changes nothing: the next one adopts the run."""

    def __init__(
        self,
        db: Database,
        paths: Paths,
        timings: EngineTimings,
        run: Run,
        target: Target,
        troubles: Troubles,
        money: MoneyLimits | None = None,
    ) -> None:
        self.db, self.paths, self.timings, self.run_id, self.name = db, paths, timings, run.id, f"run {run.id}"
        self.target = target
        self.commands = RunCommands()
        self._troubles = troubles
        self._allowance = Allowance(db, paths, timings, target, money or MoneyLimits())
        self._life = Life(target, timings)
        self._halving = Halving(db)
        self._looking: asyncio.Task[tuple[bool, int | None]] | None = None
        self._seen_alive = False
        self._memory_kills = deaths.memory_kills()
        self._surprised_at: list[float] = []

    async def drive(self) -> None:
        """Drive the run until it rests. What cannot be put on record now is done again when it can: no run fails by that."""
        effects: list[Effect] | None = None
        try:
            while effects is None or effects:
                try:
                    if effects is None:
                        effects = await self._begin()
                    effects = await self._advance(effects)
                    self._troubles.well(self.name)
                except StoreError as error:
                    await self._outlast(error)
        finally:
            await self._end_look()
            self._life.close()
            with suppress(BrightrunError):
                await self.target.close()
            await self._answer_the_rest()

    async def _begin(self) -> list[Effect]:
        run = await runs.get(self.db, self.run_id)
        if run.state == "queued":
            return await self._enter(run, lifecycle.step(run, "start"))
        return list(lifecycle.adopt(run))

    async def _advance(self, effects: list[Effect]) -> list[Effect]:
        """Perform the first effect, if there is one; returns what is left to do."""
        if not effects:
            return effects
        signal: Signal | RunCommand | None
        signal, failure = None, None
        try:
            signal, failure = await self._perform(await runs.get(self.db, self.run_id), effects[0])
        except StoreError:
            raise
        except MachineLostError as error:
            log.warning("%s: %s", self.name, error)
            signal, failure = "worker_lost", Failure(error=ErrorKind.WORKER_LOST, cause=error.what)
        except BrightrunError as error:
            signal, failure = "broken", Failure(error=error.kind, cause=error.statement, fix=error.fix)
        except Exception as error:
            signal, failure = await self._surprise(error)
            if signal is None:
                return effects
        run = await runs.get(self.db, self.run_id)
        if isinstance(signal, RunCommand):
            return await self._grant(run, signal, effects)
        if signal is not None:
            return await self._enter(run, lifecycle.step(run, signal, failure))
        return effects[1:]

    async def _surprise(self, error: Exception) -> tuple[Signal | None, Failure | None]:
        """Try again after an error that nobody foresaw; when that does not help, end this run, and no other, with a
        reason.
        """
        if is_disk_full(error):
            raise disk_full_as(StoreError, self.paths.data) from error
        log.error("%s: failed", self.name, exc_info=error)
        now = time.monotonic()
        self._surprised_at = [then for then in self._surprised_at if now - then < SURPRISE_SECONDS] + [now]
        if len(self._surprised_at) < SURPRISES:
            await asyncio.sleep(self._troubles.failed(self.name, error))
            return None, None
        return "broken", deaths.by_a_surprise(error, self.run_id)

    async def _outlast(self, error: StoreError) -> None:
        """Wait for the store. A stop is not put on record meanwhile, but the worker is told to end all the same."""
        pause = self._troubles.failed(self.name, error)
        if not await self.commands.heard(pause):
            return
        command = self.commands.first()
        if command is not None and command.signal in ENDINGS:
            with suppress(BrightrunError):
                await self.target.signal(signals.SIGKILL if command.signal == "force_asked" else signals.SIGTERM)
        await asyncio.sleep(pause)

    async def _answer_the_rest(self) -> None:
        while (command := self.commands.take()) is not None:
            try:
                run = await runs.get(self.db, self.run_id)
                if command.was_granted(run):
                    command.grant(run)
                    continue
                decision = command.noted_in(lifecycle.step(run, command.signal))
                command.grant(await runs.transition(self.db, run.id, decision.state, **decision.changes))
            except Exception as error:
                command.refuse(error)

    async def _grant(self, run: Run, command: RunCommand, effects: list[Effect]) -> list[Effect]:
        if command.was_granted(run):
            command.grant(run)
            return effects
        try:
            decision = command.noted_in(lifecycle.step(run, command.signal))
        except BrightrunError as error:
            command.refuse(error)
            return effects
        try:
            effects = await self._enter(run, decision)
        except StoreError:
            self.commands.put_back(command)
            raise
        command.grant(run.model_copy(update={"state": decision.state, **decision.changes}))
        return effects

    async def _enter(self, run: Run, decision: Decision) -> list[Effect]:
        run = await runs.transition(self.db, run.id, decision.state, **decision.changes)
        log.info("run %s (%s): %s %s", run.name, run.id, run.state, run.ending)
        return list(decision.effects)

    async def _perform(self, run: Run, effect: Effect) -> WatchResult:
        if effect == "prepare":
            return await self._prepare(run), None
        if effect == "launch":
            return await self._launch(run), None
        if effect == "follow":
            return await self._follow(run)
        if effect in ("ask_stop", "ask_pause"):
            request: ControlRequest = "stop" if effect == "ask_stop" else "pause"
            try:
                return await self._while_listening(run, lambda _: self.target.ask(request)), None
            except OSError as error:
                log.warning("%s: cannot be asked to end (%s)", self.name, error)
                return "unanswered", None
        if effect in ("terminate", "kill"):
            number = signals.SIGTERM if effect == "terminate" else signals.SIGKILL
            return await self._while_listening(run, lambda _: self.target.signal(number)), None
        if effect == "collect":
            if (command := await self._while_listening(run, lambda _: self.target.collect(run))) is not None:
                return command, None
            complete = RunDirectory(Path(run.directory)).manifest.exists()
            return ("collected" if complete else "nothing_to_collect"), None
        if effect == "release":
            await self._end_look()
            await self.target.release(run)
            await asyncio.to_thread(remove_unfinished, Path(run.directory))
        elif effect == "register" and run.spec.measures:
            found = await registry.keep_evaluation(self.db, run)
            await runs.update(self.db, run.id, model=found.name, model_version=found.model_version)
            return "registered", None
        elif effect == "register":
            version = await registry.register(self.db, self.paths, run, Path(run.directory))
            await runs.update(self.db, run.id, model=version.name, model_version=version.version)
            await tell_quality(self.db, version)
            await judge_if_asked(self.db, self.paths, run.id, version)
            await asyncio.to_thread(keep_tokens, Path(run.directory), run.spec, self.paths)
            return "registered", None
        return None, None

    async def _prepare(self, run: Run) -> Signal | RunCommand:
        def work(say: Say) -> Awaitable[RunSpec]:
            return unless_cancelled(partial(prepare, run, self.paths), say)

        done = await self._while_listening(run, work)
        if isinstance(done, RunCommand):
            return done
        await runs.update(self.db, run.id, spec=done, phase_detail="")
        return "prepared"

    async def _launch(self, run: Run) -> Signal | RunCommand:
        """Have a machine and start the worker on it, unless one is at work already."""
        await self._end_look()
        self._life.close()
        self._life = Life(self.target, self.timings)
        command = await self._while_listening(run, lambda say: self._take(run, say))
        if command is not None:
            return command
        await self.target.sync(run)
        run = await follow.drain(self.db, await runs.get(self.db, run.id))
        if not (await self.target.worker()).running:
            if await follow.last_word(self.db, run) is not None:
                return "launched"  # it had ended in order when the link to it broke
            await follow.see_that_it_is_there(self.db, run, at_work=False)
            run = await follow.begin_where_events_end(self.db, run)
            if run.state == "launching":
                await self.target.withdraw()
            await runs.update(
                self.db,
                run.id,
                attempts=run.attempts + 1,
                launch_step=max(run.launch_step, run.step),
                launch_seq=run.events_seq,
                bad_lines=0,
                phase=PhaseName.STARTING,
                phase_detail="",
            )
            self._memory_kills = deaths.memory_kills()
            await live_changes.tell_worker(self.target, await runs.get(self.db, run.id))
            await self.target.start()
        self._seen_alive = True
        return "launched"

    async def _take(self, run: Run, say: Say) -> None:
        if run.deaths:
            pause = min(LONGEST_LAUNCH_PAUSE, LAUNCH_PAUSE * 2 ** (run.deaths - 1))
            say(f"its worker died; started again in {humanize.span(pause)}")
            await asyncio.sleep(pause)
        await asyncio.to_thread(renew_paths, run)
        await self.target.take(run, say)

    async def _while_listening(self, run: Run, begin: Callable[[Say], Awaitable[T]]) -> T | RunCommand:
        """Do something long; show what it says; stop it when a person, or the money, wants something else."""
        said: list[str] = [""]
        work, shown = asyncio.ensure_future(begin(said.append)), ""
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=self.timings.poll_seconds)
                if not work.done() and (command := self.commands.take()) is not None:
                    return command
                if said[-1] != shown:
                    shown = said[-1]
                    await runs.update(self.db, run.id, phase=run.state, phase_detail=shown)
                if (
                    not work.done()
                    and (demand := await self._allowance.demand(await runs.get(self.db, run.id))) is not None
                ):
                    return RunCommand(demand)
            return work.result()
        finally:
            work.cancel()

    async def _follow(self, run: Run) -> WatchResult:
        patience = Patience(self.timings, run) if run.state in ("stopping", "pausing") else None
        while True:
            if (command := self.commands.take()) is not None:
                return command, None
            # a task of its own: what is being brought home is not cut off by a command, which does not wait for it either
            self._looking = self._looking or asyncio.create_task(self._look(run))
            await asyncio.wait({self._looking}, timeout=self.timings.poll_seconds)
            if self._looking.done():
                look, self._looking = self._looking, None
                running, exit_code = look.result()
                run = await follow.drain(self.db, await runs.get(self.db, run.id))
                if run.spec.here:
                    await follow.see_that_it_is_there(self.db, run, at_work=running)
                if not running:
                    return await follow.last_word(self.db, run) or await self._silent_death(run, exit_code)
                self._seen_alive = True
                counted = run.counted_at
                run = await watching.note_time(self.db, run)
                if run.state == "running" and run.counted_at != counted:
                    run = await watching.note_alerts(self.db, run)
                if run.state == "running" and watching.overtime(run):
                    limit = f"the time limit of {run.limits.max_hours:g} h is over: the run is ended in order"
                    await runs.update(self.db, run.id, notices=with_notice(run, NoticeCode.TIME_LIMIT, limit))
                    return "stop_asked", None
                if run.state == "running" and await self._halving.stops(run):
                    return "stop_asked", None
            if (demand := await self._allowance.demand(await runs.get(self.db, run.id))) is not None:
                return demand, None
            run = await runs.get(self.db, run.id)
            silent = await self._life.silent_seconds(run)
            if patience is None:
                run = await watching.note_stuck(self.db, run, silent, self.timings.stuck_seconds)
            else:
                words = patience.words(silent) if self.target.reachable else UNREACHABLE
                if words and words != run.phase_detail:
                    run = await runs.update(self.db, run.id, phase_detail=words)
                if patience.left(silent) <= 0:
                    return "unanswered", None
            self._troubles.well(self.name, calm=CALM_SECONDS)
            if self._looking is None:
                await self.commands.heard(self.target.poll_seconds)

    async def _look(self, run: Run) -> tuple[bool, int | None]:
        """Bring home what is new; returns whether the worker is at work, and else its exit code."""
        worker = await self.target.worker()
        await self.target.sync(run)
        return worker.running, worker.exit_code

    async def _end_look(self) -> None:
        look, self._looking = self._looking, None
        if look is not None:
            await asyncio.wait({look}, timeout=LOOK_SECONDS)
            look.cancel()
            await asyncio.gather(look, return_exceptions=True)

    async def _silent_death(self, run: Run, exit_code: int | None) -> tuple[Signal, Failure | None]:
        """Decide what follows when the worker ended without its last word."""
        if not self._seen_alive and exit_code is None:
            await runs.update(self.db, run.id, counted_at=None)  # nobody knows for how long nothing was at work
            return "worker_unseen", None
        if exit_code == WorkerExit.ANOTHER_AT_WORK:
            await self.commands.heard(self.timings.stop_seconds)  # it may be about to end
        return await deaths.judge_death(run, exit_code, memory_ran_out=deaths.memory_kills() > self._memory_kills)
