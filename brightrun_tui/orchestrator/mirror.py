"""The copy at home of a run directory on another machine: what the worker says, its checkpoints, its results."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from brightrun_tui.domain.errors import HostError
from brightrun_tui.domain.events import Event
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.run_directory import ADAPTER, BASE, CHECKPOINTS, DATA, EVENTS, LOG, MANIFEST, REPORT, SPEC, step_of
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator.places import Say

log = logging.getLogger(__name__)

MIRRORED = (EVENTS, LOG)
CHECKPOINT = b'"kind":"checkpoint"'
RESULTS = (ADAPTER, REPORT, MANIFEST)


class Mirror:
    """``home`` is the run directory on this disk. Nothing half-fetched ever has its final name there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._pulling: asyncio.Task[None] | None = None
        self._checkpoint_waits = True

    async def follow(self, host: SshHost) -> None:
        """Append what is new there; the size of the copy at home is the offset. Raises `HostError`."""
        for name in MIRRORED:
            copy = self.home / name
            while chunk := await host.read(name, copy.stat().st_size if copy.exists() else 0):
                if name == EVENTS:
                    chunk = chunk[: chunk.rfind(b"\n") + 1]
                    self._checkpoint_waits = self._checkpoint_waits or CHECKPOINT in chunk
                if not chunk:
                    break
                await asyncio.to_thread(_append, copy, chunk)

    def pull_in_background(self, host: SshHost) -> None:
        """Fetch checkpoints that the worker has spoken of, unless that is going on already."""
        if self._checkpoint_waits and (self._pulling is None or self._pulling.done()):
            self._checkpoint_waits = False
            self._pulling = asyncio.create_task(self._pull_checkpoints(host))

    async def pull_the_rest(self, host: SshHost, seconds: float) -> None:
        """Every checkpoint that is not home yet, as far as ``seconds`` allow."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._checkpoint_waits or (self._pulling is not None and not self._pulling.done()):
                    self.pull_in_background(host)
                    assert self._pulling is not None
                    await asyncio.shield(self._pulling)
                    if self._checkpoint_waits:
                        await asyncio.sleep(0.2)

    def stop(self) -> None:
        if self._pulling is not None:
            self._pulling.cancel()

    async def _pull_checkpoints(self, host: SshHost) -> None:
        """Every complete checkpoint that is not home yet, newest first; older ones at home go when they are gone there.

        One that the events at home do not tell of yet is left for the next time: a run that went on from it elsewhere would
        lack the steps between.
        """
        try:
            told = await asyncio.to_thread(_newest_told, self.home / EVENTS)
            done = await host.run(f"ls -1 {host.directory}/{CHECKPOINTS} 2>/dev/null", repeat=True)
            names = [word for word in done.output.split() if step_of(word) is not None]
            for name in sorted(names, key=_step_of, reverse=True):
                if _step_of(name) <= told and not (self.home / CHECKPOINTS / name).exists():
                    (self.home / CHECKPOINTS).mkdir(exist_ok=True)
                    await host.get(f"{CHECKPOINTS}/{name}", self.home / CHECKPOINTS / name)
            for path in self.checkpoints():
                if names and path.name not in names:
                    await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        except (HostError, FileNotFoundError, ValueError) as error:
            log.info("%s: checkpoints: %s", self.home.name, error)
            self._checkpoint_waits = True

    def checkpoints(self) -> list[Path]:
        """Complete ones at home, oldest first."""
        found = (self.home / CHECKPOINTS).glob("*")
        return sorted((path for path in found if step_of(path.name) is not None), key=lambda path: _step_of(path.name))

    async def send(self, host: SshHost, spec: RunSpec, say: Say) -> None:
        """Everything the worker needs to begin there, or to go on from the newest checkpoint at home. Raises `HostError`."""
        if spec.base.path:
            say("sending the base model")
            await host.put(Path(spec.base.path), BASE)
            spec = spec.model_copy(update={"base": spec.base.model_copy(update={"path": str(host.directory / BASE)})})
        say("sending the data")
        await host.put(self.home / DATA, DATA)
        newest = next(iter(reversed(self.checkpoints())), None)
        if newest is not None and not await host.read(f"{CHECKPOINTS}/{newest.name}/{MANIFEST}", 0, 1):
            say(f"sending checkpoint {newest.name}")
            await host.put(newest, f"{CHECKPOINTS}/{newest.name}")
        for name in MIRRORED:
            copy = self.home / name
            if copy.exists() and not await host.read(name, 0, 1):
                if name == EVENTS:
                    await asyncio.to_thread(_end_with_a_whole_line, copy)
                await host.put(copy, name)
        await host.write(SPEC, spec.model_dump_json(indent=2).encode(), 0o644)

    async def fetch_results(self, host: Callable[[], SshHost], patiently: Callable[[Callable[[], Awaitable[None]]],
                                                                                  Awaitable[None]]) -> None:
        """Adapter, report card and manifest; one that is not there is left out. Raises what ``patiently`` does."""
        for name in RESULTS:
            async def fetch(name: str = name) -> None:
                await host().get(name, self.home / name)

            try:
                await patiently(fetch)
            except FileNotFoundError:
                log.info("%s: there is no %s to bring home", self.home.name, name)


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _end_with_a_whole_line(path: Path) -> None:
    data = path.read_bytes()
    os.truncate(path, data.rfind(b"\n") + 1)


def _newest_told(events: Path) -> int:
    """The newest step whose checkpoint the worker has spoken of; 0 when there is none."""
    with suppress(FileNotFoundError), events.open("rb") as lines:
        return max((int(Event.from_line(line).data["step"]) for line in lines if CHECKPOINT in line), default=0)
    return 0


def _step_of(name: str) -> int:
    step = step_of(name)
    return -1 if step is None else step
