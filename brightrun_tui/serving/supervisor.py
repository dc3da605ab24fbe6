"""Keeps the worker alive: starts it, waits until it can answer, starts it again when it dies, within bounds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from brightrun_tui.process import python
from brightrun_tui.serving.engine_client import EngineClient, EngineGone, at_socket
from brightrun_tui.serving.liveness import until_ended_or_hung
from brightrun_tui.serving.process import environment
from brightrun_tui.serving.prompts import Prompts
from brightrun_tui.serving.supervision import Supervision
from brightrun_tui.serving.worker_files import NOTE, REPORT, SOCKET

MAX_DEATHS = 5
DEATH_WINDOW_SECONDS = 600.0
WAKE_LOOK_SECONDS = 0.05


class Supervisor(Supervision):
    """One worker process and what is known of it. The current directory must be the endpoint's.

    ``place`` is where the version lies, relative to it.
    """

    def __init__(self, place: Path, home: Path, url: str, port: int, prompts: Prompts) -> None:
        super().__init__(home, url, port, prompts)
        self._place = place
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: int | None = None
        self._stopping = False
        self._served = False
        self._warming: asyncio.Task[str] | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self._deaths: deque[float] = deque()
        self._engine = EngineClient(at_socket(str(place / SOCKET)))

    @property
    def engine(self) -> EngineClient:
        return self._engine

    async def sleep(self) -> None:
        if not self.ready or self._process is None:
            return
        self._awake.clear()
        self._say("asleep", worker_pid=None)
        await self._end_worker(self._process, grace=5.0)
        await self._prompts.rest()

    async def wake(self) -> bool:
        if not self._awake.is_set():
            self._warming = asyncio.create_task(self._prompts.fault())  # its process loads beside the model
            self._awake.set()
        while self.state.status == "asleep" and not self._stopping:
            await asyncio.sleep(WAKE_LOOK_SECONDS)
        return self.ready

    async def run(self) -> None:
        """Do as `Supervision.run`; it fails where the worker cannot be kept alive."""
        looking = asyncio.create_task(self._prompts.fault())
        while not self._stopping:
            process = await self._spawn()
            was_ready = await self._wait_until_ready(process, looking)
            if looking.done() and (fault := looking.result()) and not self._stopping:
                await self._end_worker(process, grace=0.0)
                self._say("failed", worker_pid=None, error=f"the model cannot be served: {fault}")
                return
            if was_ready:
                self._served = True
                report = self._report()
                self._say(
                    "ready",
                    worker_pid=process.pid,
                    device=str(report.get("device", "")),
                    engine=str(report.get("engine", "")),
                    engine_note=_text(self._place / NOTE),
                    error="",
                )
                code = await until_ended_or_hung(process, self._answers)
            else:
                code = await process.wait()
            if self._stopping:
                return
            if not self._awake.is_set():
                await self._awake.wait()
                if self._stopping:
                    return
                continue
            if code is None:
                await self._end_worker(process, grace=0.0)
            cause = self._cause(code)
            self._deaths.append(time.monotonic())
            while self._deaths[0] < time.monotonic() - DEATH_WINDOW_SECONDS:
                self._deaths.popleft()
            if not (was_ready or self._served) or len(self._deaths) > MAX_DEATHS:
                self._say("failed", worker_pid=None, error=cause)
                return
            self._say("restarting", worker_pid=None, error=cause, restarts=self.state.restarts + 1)
            await asyncio.sleep(min(8.0, 0.25 * 2 ** len(self._deaths)))

    async def stop(self, *, grace: float = 5.0) -> None:
        """End the worker; after ``grace`` seconds without mercy."""
        self._stopping = True
        self._awake.set()
        if self._process is not None:
            await self._end_worker(self._process, grace)
        self._close_pipe()
        await self._prompts.close()
        await self.engine.close()
        (self._place / SOCKET).unlink(missing_ok=True)
        if self.state.status != "failed":
            self._say("stopped", worker_pid=None)

    async def _end_worker(self, process: asyncio.subprocess.Process, grace: float) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), grace)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._close_pipe()
        ours, self._pipe = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *python("-m", "brightrun_tui.serving.worker", str(self._place.absolute()), str(ours)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(ours,),
                env=environment(),
            )
        finally:
            os.close(ours)
        self._say(self.state.status, worker_pid=self._process.pid)
        return self._process

    async def _wait_until_ready(self, process: asyncio.subprocess.Process, looking: asyncio.Task[str]) -> bool:
        """Wait until it is loaded, for seconds or many minutes; give up only when the process ends, or the chat
        template turns out bad.
        """
        while process.returncode is None and not self._stopping and not (looking.done() and looking.result()):
            try:
                # llama.cpp answers before its answers have been compared; the report comes after that.
                if (
                    looking.done()
                    and self._report().get("engine")
                    and await self.engine.status("/health", timeout=5.0) == 200
                ):
                    return True
            except EngineGone:
                pass
            if (doing := _text(self._place / NOTE)) != self.state.engine_note:
                self._say(self.state.status, engine_note=doing)
            await asyncio.sleep(0.1)
        return False

    def _report(self) -> dict[str, object]:
        try:
            document = json.loads((self._place / REPORT).read_bytes())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    async def _answers(self, within: float) -> bool:
        try:
            async with asyncio.timeout(within):
                await self.engine.status("/health", timeout=within)
        except (EngineGone, TimeoutError):
            return False
        return True

    def _cause(self, code: int | None) -> str:
        if code is None:
            return "the model server did not answer any more, and was ended"
        said = self._report().get("error")
        if said:
            return f"the model server ended: {said}"
        if code == -signal.SIGKILL:
            return "the model server was killed (out of memory?)"
        return f"the model server ended with {'signal' if code < 0 else 'exit code'} {abs(code)}; see server.log"

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
