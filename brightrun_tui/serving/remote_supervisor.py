"""What the gate knows of a worker on another machine: it reaches it through SSH, and says whether it answers.

Starting it there, and the machine itself, are the business of whoever wrote ``machine.json``; the gate outlives them.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.errors import HostError
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.hosts.whereabouts import Whereabouts
from brightrun_tui.serving.engine_client import EngineClient, EngineGone, Wire
from brightrun_tui.serving.prompts import Prompts
from brightrun_tui.serving.remote import whereabouts
from brightrun_tui.serving.state import ServerState, ServerStatus
from brightrun_tui.serving.worker_files import NOTE, REPORT, SOCKET

LOOK_SECONDS = 0.5
"""Between two looks at a worker that does not answer yet."""
WATCH_SECONDS = 5.0
"""Between two looks at one that answers."""
ANSWER_SECONDS = 10.0
REPORT_LIMIT = 64 << 10
PATIENCE = SshTimings(patience_seconds=10.0)


class WorkerReport(BaseModel):
    """What a worker there says of itself once it has loaded the model."""

    model_config = ConfigDict(frozen=True)

    engine: str = Field("", max_length=80)
    device: str = Field("", max_length=200)


class RemoteSupervisor:
    """As `Supervisor`, of a worker that is not this process's child. ``home`` is the endpoint's directory."""

    def __init__(self, home: Path, url: str, port: int, prompts: Prompts) -> None:
        self._home, self._prompts = home, prompts
        self._stopping = asyncio.Event()
        self._host: SshHost | None = None
        self._where: Whereabouts | None = None
        self.engine = EngineClient(self._dial)
        self.state = ServerState(
            status="starting", url=url, port=port, pid=os.getpid(), pid_started=psutil.Process().create_time()
        )
        self.state.write(home)

    @property
    def ready(self) -> bool:
        return self.state.status == "ready"

    async def sleep(self) -> None:
        """Its memory is not ours to save: a machine that nobody uses is returned as a whole."""

    async def wake(self) -> bool:
        return self.ready

    def speak_at(self, home: Path | None) -> None:
        """A version on another machine takes no other's place."""

    async def run(self) -> None:
        """Returns when `stop` was called, or when the model's chat template is not to be used (then the state is ``failed``)."""
        looking = asyncio.create_task(self._prompts.fault())
        while not self._stopping.is_set():
            if looking.done() and (fault := looking.result()):
                self._say("failed", error=f"the model cannot be served: {fault}")
                return
            answers = looking.done() and await self._answers()
            if answers and not self.ready:
                await self._tell_ready()
            elif not answers and self.ready:
                self._say("restarting", error="the machine does not answer", restarts=self.state.restarts + 1)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), WATCH_SECONDS if self.ready else LOOK_SECONDS)

    async def stop(self, *, grace: float = 5.0) -> None:
        """Let go of the connection; the worker goes on until its machine is returned."""
        self._stopping.set()
        await self._prompts.close()
        await self.engine.close()
        await self._hang_up()
        if self.state.status != "failed":
            self._say("stopped")

    async def _answers(self) -> bool:
        try:
            return await self.engine.status("/health", ANSWER_SECONDS) == 200
        except EngineGone:
            return False

    async def _tell_ready(self) -> None:
        try:
            host = await self._machine()
            report = WorkerReport.model_validate_json(await host.read(REPORT, 0, REPORT_LIMIT))
            note = (await host.read(NOTE, 0, REPORT_LIMIT)).decode(errors="replace")
        except (HostError, OSError, ValidationError):
            return  # it has not written it yet, or is gone again
        if report.engine:
            self._say("ready", device=report.device, engine=report.engine, engine_note=note, error="")

    async def _dial(self) -> Wire:
        return await (await self._machine()).dial(SOCKET)

    async def _machine(self) -> SshHost:
        """The machine of this moment. Raises ``ConnectionError`` where there is none."""
        where = await asyncio.to_thread(whereabouts, self._home)
        if where != self._where:
            await self._hang_up()
            self._where = where
        if self._where is None:
            raise ConnectionRefusedError("there is no machine at present")
        if self._host is None:
            self._host = await asyncio.to_thread(self._where.host, PATIENCE)
        return self._host

    async def _hang_up(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            await host.close()

    def _say(self, status: ServerStatus, **facts: Any) -> None:
        self.state = self.state.model_copy(update={"status": status, **facts})
        self.state.write(self._home)
