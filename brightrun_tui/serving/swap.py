"""The version that an endpoint serves, and the one that is loaded beside it to take its place: see `places`."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brightrun_tui.serving.long_prompts import LongPrompts
from brightrun_tui.serving.places import CANDIDATE, LAST_ANSWER_SECONDS, read_place, remove_left, serving_place
from brightrun_tui.serving.plan import EndpointPlan, read_plan
from brightrun_tui.serving.prompts import Prompts
from brightrun_tui.serving.room import Room, room_for
from brightrun_tui.serving.supervision import Supervision
from brightrun_tui.serving.supervisor import Supervisor
from brightrun_tui.serving.view import generation_defaults

LOOK_SECONDS = 0.3


@dataclass
class ServedVersion:
    """One version with all that answers for it."""

    place: str
    plan: EndpointPlan
    supervisor: Supervision
    prompts: Prompts
    defaults: dict[str, Any]
    room: Room
    answering: int = 0
    long_prompts: LongPrompts = field(default_factory=LongPrompts)
    last_use: float = field(default_factory=time.monotonic)
    running: asyncio.Task[None] | None = field(default=None, repr=False)


class Services:
    """The version that serves, and the one that may take its place. The current directory must be the endpoint's.

    ``secret``: the key of the account whose workers answer, where they do.
    """

    def __init__(self, directory: Path, port: int, ended: Callable[[], None], secret: str = "") -> None:
        self._directory, self._port, self._ended, self._secret = directory, port, ended, secret
        self._leaving: dict[asyncio.Task[None], ServedVersion] = {}
        self.candidate: ServedVersion | None = None
        self.current = self._load(serving_place(directory), directory)
        if isinstance(self.current.supervisor, Supervisor):  # of a machine elsewhere they tell who is to be ended there
            remove_left(directory)

    def named(self, model: str) -> ServedVersion:
        """Say which of them answers to this name in a request."""
        beside = self.candidate
        return beside if beside is not None and beside.supervisor.ready and model == beside.plan.ref else self.current

    def begin(self) -> None:
        """Start the version that serves. When it cannot be kept alive, `ended` is called."""
        self._run(self.current)

    async def watch(self) -> None:
        """Do what ``candidate`` and ``current`` say, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._let_sleep(self.current)
            wanted, serving = read_place(self._directory / CANDIDATE), serving_place(self._directory)
            if self.candidate is not None and serving == self.candidate.place:
                self._switch(self.candidate)
            elif self.candidate is not None and wanted != self.candidate.place:
                given_up, self.candidate = self.candidate, None
                self._leave(given_up)
            elif self.candidate is None and wanted and wanted != self.current.place:
                with suppress(
                    Exception
                ):  # what is not prepared is not loaded; whoever asked for it sees no state and gives up
                    self.candidate = self._load(wanted, self._directory / wanted)
                    self._run(self.candidate)

    async def _let_sleep(self, service: ServedVersion) -> None:
        """Let it sleep once nobody has asked for the agreed time, counted from when it was loaded."""
        if service.answering or not service.supervisor.ready:
            service.last_use = time.monotonic()
        elif 0 < service.plan.idle_unload < time.monotonic() - service.last_use:
            await service.supervisor.sleep()

    async def stop(self) -> None:
        """End all of them."""
        leaving = dict(self._leaving)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        for service in (self.current, self.candidate, *leaving.values()):
            if service is not None:
                await self._end(service)

    def _load(self, place: str, home: Path) -> ServedVersion:
        root = self._directory / place
        prompts = Prompts(root)
        plan = read_plan(root)
        url = plan.url(self._port)
        supervisor: Supervision
        if plan.serverless is not None:
            from brightrun_tui.serving.serverless_supervisor import ServerlessSupervisor

            supervisor = ServerlessSupervisor(home, url, self._port, prompts, self._secret)
        elif plan.remote:
            from brightrun_tui.serving.remote_supervisor import RemoteSupervisor  # SSH is loaded where it is needed

            supervisor = RemoteSupervisor(root, home, url, self._port, prompts)
        else:
            supervisor = Supervisor(Path(place), home, url, self._port, prompts)
        return ServedVersion(
            place, plan, supervisor, prompts, generation_defaults(root), Room(room_for(plan.context_length))
        )

    def _run(self, service: ServedVersion) -> None:
        service.running = asyncio.create_task(service.supervisor.run())
        service.running.add_done_callback(lambda _: self._ended() if service is self.current else None)

    def _switch(self, candidate: ServedVersion) -> None:
        before, self.current, self.candidate = self.current, candidate, None
        before.supervisor.speak_at(None)
        candidate.supervisor.speak_at(self._directory)
        self._leave(before)

    def _leave(self, service: ServedVersion) -> None:
        task = asyncio.create_task(self._after_last_answer(service))
        self._leaving[task] = service
        task.add_done_callback(lambda done: self._leaving.pop(done, None))

    async def _after_last_answer(self, service: ServedVersion) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWER_SECONDS):
                while service.answering:
                    await asyncio.sleep(LOOK_SECONDS)
        await self._end(service)
        if service.place != "." and isinstance(service.supervisor, Supervisor):
            await asyncio.to_thread(shutil.rmtree, self._directory / service.place, ignore_errors=True)

    async def _end(self, service: ServedVersion) -> None:
        await service.supervisor.stop()
        if service.running is not None:
            await service.running
