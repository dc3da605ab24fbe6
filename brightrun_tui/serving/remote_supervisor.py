"""What the gate knows of a worker on another machine: it reaches it through SSH, and says whether it answers.

Starting it there, and the machine itself, are the business of whoever wrote ``machine.json``; the gate outlives them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.errors import HostError
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.hosts.whereabouts import Whereabouts
from brightrun_tui.serving.engine_client import EngineClient, EngineGone, Wire
from brightrun_tui.serving.prompts import Prompts
from brightrun_tui.serving.remote import say_left, whereabouts
from brightrun_tui.serving.supervision import Watch
from brightrun_tui.serving.worker_files import NOTE, REPORT, REPORT_LIMIT, SOCKET

LOOK_SECONDS = 0.5
"""Between two looks at a worker that does not answer yet."""
WATCH_SECONDS = 5.0
"""Between two looks at one that answers."""
ANSWER_SECONDS = 10.0
PATIENCE = SshTimings(patience_seconds=10.0)


class WorkerReport(BaseModel):
    """What a worker there says of itself once it has loaded the model."""

    model_config = ConfigDict(frozen=True)

    engine: str = Field("", max_length=80)
    device: str = Field("", max_length=200)


class RemoteSupervisor(Watch):
    """As `Supervisor`, of a worker that is not this process's child. ``place`` has ``machine.json``."""

    def __init__(self, place: Path, home: Path, url: str, port: int, prompts: Prompts) -> None:
        super().__init__(home, url, port, prompts)
        self._place = place
        self._host: SshHost | None = None
        self._where: Whereabouts | None = None
        self._engine = EngineClient(self._dial)

    @property
    def engine(self) -> EngineClient:
        return self._engine

    async def sleep(self) -> None:
        """Do nothing: its memory is not ours to save, and a machine that nobody uses is returned as a whole."""

    async def _look(self, presentable: bool) -> float:
        answers = presentable and await self._answers()
        if answers and not self.ready:
            await self._tell_ready()
        elif not answers and self.ready:
            self._say("restarting", error="the machine does not answer", restarts=self.state.restarts + 1)
        return WATCH_SECONDS if self.ready else LOOK_SECONDS

    async def _let_go(self) -> None:
        await self.engine.close()
        await self._hang_up()
        if self._home is None:
            await asyncio.to_thread(say_left, self._place)

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
        """Return the machine of this moment. Raises ``ConnectionError`` where there is none."""
        where = await asyncio.to_thread(whereabouts, self._place)
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
