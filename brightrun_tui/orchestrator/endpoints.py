"""Endpoints: started, proved by a canary, watched, restarted, ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, Unpack

from brightrun_tui import serving
from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import ENDED, Endpoint, EndpointChanges
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError, StoreError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.notification import told_of_endpoint
from brightrun_tui.orchestrator.new_endpoints import fetch_base, forget_key_of, prepare_place
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.process import lives
from brightrun_tui.serving.liveness import ANSWER_SECONDS, LOOK_EVERY_SECONDS, MOST_MISSES
from brightrun_tui.serving.places import give_up_candidate, let_serve, load_beside, new_place, serving_place
from brightrun_tui.serving.plan import read_plan
from brightrun_tui.serving.process import LOG
from brightrun_tui.store import Database, endpoints, models, notifications

log = logging.getLogger(__name__)

MAX_RESTARTS = 3
HUNG_GRACE_SECONDS = 2.0
"""For a server that does not answer to end by itself: what is stopped or hangs will not."""

Result = TypeVar("Result")


class EndpointWatcher:
    """Looks after one endpoint until it is undeployed or has failed for good. Cancelling it leaves the server running."""

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, endpoint: Endpoint) -> None:
        self.db, self.paths, self.timings, self.endpoint = db, paths, timings, endpoint
        self.directory = Path(endpoint.directory)
        self.leave = asyncio.Event()
        self._child: int | None = None
        self._asked_at = time.monotonic()
        self._missed = 0

    async def keep(self) -> None:
        starts = 0
        prepared = False
        while await self._wanted():
            if not prepared and not (prepared := await self._prepare()):
                continue
            if not await self._worker_is_there():
                continue
            if self._running():
                if self.endpoint.state == "ready" or await self._become_ready():
                    if not await self._still_answers():
                        continue
                    await self._count_requests()
                    await self._look_after()
                    await self._pause(self.timings.endpoint_poll_seconds)
                continue
            said = serving.read_state(self.directory)
            if said is not None and said.status == "failed":
                await self._fail(said.error)
            elif starts > MAX_RESTARTS:
                await self._fail(f"the server died {starts} times; see {self.directory / LOG}")
            else:
                starts += 1
                log.info("endpoint %s: starting the server (%d)", self.endpoint.id, starts)
                self._child = await self._start_server()
                await self._save(state="starting", pid=self._child)
        if self.leave.is_set() or self.endpoint.state in ("stopping", "stopped"):
            await self._end()

    async def _start_server(self) -> int:
        """Return the pid of the server process."""
        return await asyncio.to_thread(serving.start, self.directory)

    async def _worker_is_there(self) -> bool:
        """See to what the server of this machine does not see to itself: nothing. False when there is more to be done first."""
        return True

    async def _look_after(self) -> None:
        """Do what is due from time to time while it answers."""
        if (version := await self._version_to_take()) is not None:
            await self._take(version)

    async def _still_there(self) -> bool:
        """Say whether what `_worker_is_there` saw to is as it was, while the server is waited for."""
        return True

    async def _wanted(self) -> bool:
        """Say whether the endpoint is to go on. The store has the last word: others than this engine may end it too."""
        self.endpoint = await endpoints.as_stored(self.db, self.endpoint)
        return not self.leave.is_set() and self.endpoint.serving

    async def _prepare(self) -> bool:
        """See to the base model and to the endpoint's directory; False if that cannot be, or is no longer wanted."""
        if await asyncio.to_thread(self._is_prepared):
            return True
        try:
            version = await models.get(self.db, self.endpoint.model, self.endpoint.model_version)
            fetched = await self._unless_left(fetch_base(self.db, self.paths, version))
            if fetched is None:
                return False
            await asyncio.to_thread(prepare_place, self.paths, self.endpoint, fetched)
            await asyncio.to_thread(let_serve, self.directory, ".")
        except BrightrunError as error:
            await self._fail(str(error))
            return False
        return True

    def _is_prepared(self) -> bool:
        """Say whether the endpoint's plan is there, is what was asked for, and names what is there: not so once the data
        directory was moved, nor where an earlier version forgot the address."""
        try:
            plan = read_plan(self.directory / serving_place(self.directory))
        except UsageError:
            return False
        wanted = self.endpoint
        fits = plan.version == wanted.model_version and plan.remote == (wanted.rental is not None)
        return fits and plan.host == wanted.wanted_host and Path(plan.adapter).is_dir()

    def _running(self) -> bool:
        """Say whether the server lives: by its own word once it is up, until then by the child that was started."""
        return serving.alive(self.directory) or (self._child is not None and lives(self._child))

    async def _become_ready(self) -> bool:
        """Wait for the server to answer and for the canary to pass; False when it died meanwhile or must be left."""
        late = f"no answer within {humanize.span(self.timings.endpoint_ready_seconds)}"
        deadline = time.monotonic() + self.timings.endpoint_ready_seconds
        while not await serving.healthy(self.directory, 5.0):
            if not self._running() or not await self._wanted() or not await self._still_there():
                return False
            if time.monotonic() > deadline:
                await self._give_up(late)
                return False
            await self._pause(0.3)
        try:
            version = await models.get(self.db, self.endpoint.model, self.endpoint.model_version)
            asking = serving.canary(self.directory, version, base_alone=self.endpoint.base_alone)
            canary = await self._unless_left(asking, deadline - time.monotonic())
        except StoreError:
            raise
        except BrightrunError as error:
            await self._give_up(str(error))
            return False
        except Exception as error:  # what cannot be asked now cannot be asked later, and may be paid for meanwhile
            log.error("endpoint %s: cannot be asked", self.endpoint.id, exc_info=error)
            await self._give_up(f"brightrun itself failed to ask it: {type(error).__name__}")
            return False
        if canary is None or not canary.passed:
            if not self.leave.is_set():
                await self._give_up(late if canary is None else canary.statement)
            return False
        state = serving.read_state(self.directory)
        if state is not None:
            await self._save(
                state="ready",
                url=state.url,
                pid=state.pid,
                error="",
                engine=state.engine,
                engine_note=state.engine_note,
                doing="",
                ready_at=time.time(),
            )
        return True

    async def _still_answers(self) -> bool:
        """Say whether the server says how it is, well or not; one that hangs is ended, and started again by the next look."""
        if time.monotonic() - self._asked_at < LOOK_EVERY_SECONDS:
            return True
        heard = await self._unless_left(serving.reachable(self.directory, ANSWER_SECONDS))
        self._asked_at = time.monotonic()
        self._missed = 0 if heard is not False else self._missed + 1
        if self._missed < MOST_MISSES:
            return True
        self._missed = 0
        log.warning("endpoint %s: its server does not answer; it is ended and started again", self.endpoint.id)
        await serving.stop(self.directory, grace=HUNG_GRACE_SECONDS)
        return False

    async def _count_requests(self) -> None:
        requests = serving.read_usage(self.directory).requests
        if requests != self.endpoint.requests:
            await self._save(requests=requests)

    async def _version_to_take(self) -> ModelVersion | None:
        """Return the version that is to serve in the place of the present one; None while that is the right one."""
        endpoint = self.endpoint
        wanted = endpoint.wanted_version
        if not wanted and endpoint.follows:
            try:
                wanted = (await models.locate(self.db, f"{endpoint.model}:{endpoint.follows}"))[1]
            except BrightrunError:
                return None  # nobody holds the alias: whoever serves stays
        if wanted in (0, endpoint.model_version, endpoint.refused_version):
            return None
        try:
            return await models.get(self.db, endpoint.model, wanted)
        except BrightrunError as error:
            await self._refuse(wanted, str(error))
            return None

    async def _take(self, version: ModelVersion) -> None:
        """Load another version beside the one that serves, ask it, and only then let it serve, at the same address and key."""
        place = new_place(version.version)
        home = self.directory / place
        log.info("endpoint %s: loading %s beside the version that serves", self.endpoint.id, version.ref)
        try:
            if not (await self._load_beside(home, version) and await self._candidate_is_ready(home)):
                return
            canary = await self._unless_left(serving.canary(home, version), self.timings.endpoint_ready_seconds)
            if canary is None or not canary.passed:
                raise EngineError(
                    "it does not answer in time" if canary is None else canary.statement, kind=ErrorKind.DEPLOY_FAILED
                )
        except BrightrunError as error:
            await asyncio.to_thread(give_up_candidate, self.directory)
            await self._give_up_beside(version, error)
            return
        finally:
            await asyncio.to_thread(
                serving.forget_key, home
            )  # it was asked with it; from now on the endpoint's own counts
        before = serving_place(self.directory)
        await asyncio.to_thread(let_serve, self.directory, place)
        state = serving.read_state(home)
        await self._save(
            model_version=version.version,
            wanted_version=0,
            refused_version=0,
            error="",
            engine=state.engine if state else "",
            engine_note=state.engine_note if state else "",
        )
        log.info("endpoint %s: serves %s instead of what lies in %s", self.endpoint.id, version.ref, before)

    async def _load_beside(self, home: Path, version: ModelVersion) -> bool:
        """Have the server load ``version`` from ``home``; False if that is no longer wanted. Raises `BrightrunError`."""
        fetched = await fetch_base(self.db, self.paths, version)
        await asyncio.to_thread(self._prepare_beside, home, fetched)
        return True

    def _prepare_beside(self, home: Path, version: ModelVersion) -> None:
        serving.put_key(home, serving.read_key(self.directory))
        prepare_place(self.paths, self.endpoint, version, home)
        load_beside(self.directory, home.name)

    async def _look_at_candidate(self) -> None:
        """Raise `BrightrunError` with why it cannot be loaded, where the server does not find that out itself."""

    async def _give_up_beside(self, version: ModelVersion, error: BrightrunError) -> None:
        await self._refuse(version.version, error.what)

    async def _candidate_is_ready(self, home: Path) -> bool:
        """Wait until the candidate is ready; False when the endpoint is no longer wanted. Raises ``EngineError`` where
        it cannot be loaded.
        """
        deadline = time.monotonic() + self.timings.endpoint_ready_seconds
        while (state := serving.read_state(home)) is None or state.status != "ready":
            if state is not None and state.status == "failed":
                raise EngineError(state.error, kind=ErrorKind.DEPLOY_FAILED)
            if time.monotonic() > deadline:
                raise EngineError("it was not loaded in time", kind=ErrorKind.DEPLOY_FAILED)
            if not self._running() or not await self._wanted():
                return False
            await self._look_at_candidate()
            await self._pause(0.3)
        return True

    async def _refuse(self, number: int, why: str) -> None:
        """Stay with the version that serves, and say why the other one does not."""
        error = f"version {number} does not serve: {why}"
        if (
            self.endpoint.rental is None and self.endpoint.wanted_version != number
        ):  # who asked for it is told by the verb
            await self._tell(NoticeCode.VERSION_REFUSED, error, Level.WARNING)
        await self._save(wanted_version=0, refused_version=number, error=error)

    async def _give_up(self, why: str) -> None:
        await serving.stop(self.directory, grace=self.timings.stop_seconds)
        await self._fail(f"{why}; see {self.directory / LOG}")

    async def _end(self) -> None:
        await self._save(state="stopping")
        await serving.stop(self.directory, grace=self.timings.stop_seconds)
        await self._save(state="stopped", pid=None)

    async def _fail(self, why: str) -> None:
        if self.endpoint.rental is None and self.endpoint.ready_at and not self.endpoint.base_alone:
            await self._tell(NoticeCode.ENDPOINT_FAILED, f"it no longer answers: {why}", Level.ERROR)
        await self._save(state="failed", error=why, pid=None)

    async def _tell(self, code: NoticeCode, message: str, level: Level) -> None:
        """Add it as news: nobody may be looking."""
        await notifications.add(self.db, told_of_endpoint(self.endpoint, code, level, message, time.time()))

    async def _save(self, **changes: Unpack[EndpointChanges]) -> None:
        if changes.get("state") in ENDED and not self.endpoint.keeps_key:
            await asyncio.to_thread(forget_key_of, self.endpoint)
        self.endpoint = await endpoints.advance(self.db, self.endpoint, **changes)
        if "state" in changes:
            log.info("endpoint %s: %s %s", self.endpoint.id, self.endpoint.state, self.endpoint.error)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.leave.wait(), seconds)
        except TimeoutError:
            return

    async def _unless_left(self, work: Coroutine[Any, Any, Result], seconds: float | None = None) -> Result | None:
        """Return what ``work`` comes to; None when it is given up, because this endpoint must be left, or after ``seconds``."""
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self.leave.wait())
        try:
            await asyncio.wait((working, leaving), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return await working if working.done() else None
        finally:
            working.cancel()
            leaving.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)
