"""What the gate knows of whoever answers for a version, whether that is a child, a machine elsewhere or workers of a service."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Unpack

from brightrun_tui.process import born
from brightrun_tui.serving.engine_client import Reply
from brightrun_tui.serving.prompts import Prompts
from brightrun_tui.serving.state import ServerState, ServerStatus, StateChanges


class Answers(Protocol):
    """Whom the gate asks."""

    async def post(self, path: str, document: bytes) -> Reply:
        """Do as `EngineClient.post`."""
        ...


class Supervision(ABC):
    """What is known of one version is in ``state``, and on the disk in ``home`` whenever it changes.

    ``url`` and ``port`` are those of the endpoint; ``prompts`` makes the prompts of this version.
    """

    def __init__(self, home: Path, url: str, port: int, prompts: Prompts) -> None:
        self._home: Path | None = home
        self._prompts = prompts
        self.state = ServerState(status="starting", url=url, port=port, pid=os.getpid(), pid_started=born(os.getpid()))
        self.state.write(home)

    @property
    @abstractmethod
    def engine(self) -> Answers:
        """Whom the gate asks."""

    @property
    def ready(self) -> bool:
        return self.state.status == "ready"

    @abstractmethod
    async def run(self) -> None:
        """Serve until `stop` is called, or until the version cannot be served (then the state is ``failed``)."""

    @abstractmethod
    async def stop(self) -> None:
        """Let go of whoever answers, once nothing more is asked."""

    @abstractmethod
    async def sleep(self) -> None:
        """Let the model leave memory until `wake` is called, where that is ours to do. Nothing must be under way."""

    async def wake(self) -> bool:
        """Have the model back in memory where it slept; returns whether it answers now. It may take as long as loading
        did.
        """
        return self.ready

    def speak_at(self, home: Path | None) -> None:
        """Write what is known to another directory from now on, or nowhere: then another version has taken its place."""
        self._home = home
        if home is not None:
            self.state.write(home)

    def _say(self, status: ServerStatus, **facts: Unpack[StateChanges]) -> None:
        self.state = self.state.model_copy(update={"status": status, **facts})
        if self._home is not None:
            self.state.write(self._home)


class Watch(Supervision):
    """Of those that this process has not started: it looks at them again and again."""

    def __init__(self, home: Path, url: str, port: int, prompts: Prompts) -> None:
        super().__init__(home, url, port, prompts)
        self._stopping = asyncio.Event()

    @abstractmethod
    async def _look(self, presentable: bool) -> float:
        """Look once, say what has changed, and for how many seconds that will do. ``presentable``: prompts can be made."""

    @abstractmethod
    async def _let_go(self) -> None:
        """Drop every connection."""

    async def run(self) -> None:
        """Do as `Supervision.run`; it fails only over a chat template that cannot be used."""
        looking = asyncio.create_task(self._prompts.fault())
        while not self._stopping.is_set():
            if looking.done() and (fault := looking.result()):
                self._say("failed", error=f"the model cannot be served: {fault}")
                return
            seconds = await self._look(looking.done())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)

    async def stop(self) -> None:
        """Let go; whoever answers elsewhere goes on until somebody ends it there."""
        self._stopping.set()
        await self._prompts.close()
        await self._let_go()
        if self.state.status != "failed":
            self._say("stopped")
