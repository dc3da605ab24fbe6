"""The copy at home of a run directory on another machine: what the worker says, its checkpoints, its results."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from brightrun_tui.domain.errors import BrightrunError, MachineLiesError
from brightrun_tui.domain.manifest import files_of_run
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.run_directory import (
    ADAPTER,
    BASE,
    CHECKPOINTS,
    DATA,
    EVENTS,
    EVENTS_LIMIT,
    LOG,
    MANIFEST,
    REPORT,
    SPEC,
    RunDirectory,
    checkpoint_name,
)
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.arrivals import append, open_file
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.lines import cut, split
from brightrun_tui.orchestrator.bringing import bring_directory, read_manifest
from brightrun_tui.orchestrator.checkpoint_copies import CheckpointCopies
from brightrun_tui.orchestrator.log_copy import LogCopy
from brightrun_tui.orchestrator.machine_notes import note_machine
from brightrun_tui.orchestrator.targets import Say

log = logging.getLogger(__name__)

EVENTS_PIECE = 4 << 20
"""Bytes of events taken home in one round. No event is longer."""


class Mirror:
    """``home`` is the run directory on this disk. Nothing half-fetched ever has its final name there.

    Nothing that the machine says decides what is written where, or what is deleted. What cannot come from a worker of ours
    is a `MachineLiesError`; one that was met in the background is raised by the next `follow`.

    Args:
        keep: how many checkpoints the worker keeps beside the best one.
    """

    def __init__(self, home: Path, keep: int) -> None:
        self.home = RunDirectory(home)
        self._log = LogCopy(self.home)
        self._checkpoints = CheckpointCopies(self.home, keep)
        self._pulling: asyncio.Task[None] | None = None
        self._checkpoint_waits = True
        self._heard_home = False
        self._lie: MachineLiesError | None = None

    async def follow(self, host: SshHost) -> bool:
        """Take home one piece of what is new of the events, and one of the log; returns whether no event is left there.

        Raises:
            MachineLiesError: the machine is not to be worked with any more.
            HostError: it cannot be reached.
            OSError: the disk is full but for its reserve.
        """
        if self._lie is not None:
            raise self._lie
        if not self._heard_home:
            await asyncio.to_thread(self._hear_home)
        complete = await self._follow_events(host)
        await self._log.follow(host)
        return complete

    async def _follow_events(self, host: SshHost) -> bool:
        """Fetch new events in whole lines. The offset is the size of the copy at home, which keeps every byte."""
        here = self.home.events.stat().st_size if self.home.events.exists() else 0
        piece = await host.read(EVENTS, here, EVENTS_PIECE)
        lines, _ = cut(piece)
        if (not lines and len(piece) == EVENTS_PIECE) or here + len(lines) > EVENTS_LIMIT:
            what = "an event has no end" if not lines else f"the worker's events are longer than {EVENTS_LIMIT:,} bytes"
            raise MachineLiesError(what, where=host.connection.where)
        if lines:
            self._checkpoint_waits = self._checkpoints.hear(split(lines)) or self._checkpoint_waits
            await asyncio.to_thread(append, self.home.events, lines)
        return len(piece) < EVENTS_PIECE

    def _hear_home(self) -> None:
        """Hear what an earlier engine has brought home already."""
        if os.path.lexists(self.home.events):
            with open_file(self.home.events) as lines:
                self._checkpoints.hear(lines)
        self._heard_home = True

    def pull_in_background(self, host: SshHost) -> None:
        """Fetch checkpoints that the worker has spoken of, unless that is going on already."""
        if self._checkpoint_waits and (self._pulling is None or self._pulling.done()):
            self._checkpoint_waits = False
            self._pulling = asyncio.create_task(self._pull_checkpoints(host))

    async def pull_the_rest(self, host: SshHost, seconds: float) -> None:
        """Pull every checkpoint that is not home yet, as far as ``seconds`` allow. Nothing that goes wrong is raised."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._lie is None and (self._checkpoint_waits or (self._pulling and not self._pulling.done())):
                    self.pull_in_background(host)
                    assert self._pulling is not None
                    await asyncio.shield(self._pulling)
                    if self._checkpoint_waits:
                        await asyncio.sleep(0.2)

    def stop(self) -> None:
        """Leave off; what comes after begins with another look, at another machine perhaps."""
        if self._pulling is not None:
            self._pulling.cancel()
        self._pulling = self._lie = None
        self._checkpoint_waits = True

    async def _pull_checkpoints(self, host: SshHost) -> None:
        """Pull checkpoints that the events at home tell of. A newer one waits for the next time: a run that went on
        from it elsewhere would lack the steps between.
        """
        try:
            await self._checkpoints.pull(host)
        except MachineLiesError as error:
            self._lie = error
        except (BrightrunError, OSError) as error:
            log.info("%s: checkpoints: %s", self.home.root.name, error)
            self._checkpoint_waits = True
        except Exception:  # whatever it is, a machine is let go all the same
            log.exception("%s: checkpoints", self.home.root.name)

    async def send(self, host: SshHost, machine: str, spec: RunSpec, say: Say) -> None:
        """Send everything the worker needs to begin there, or to go on from the newest checkpoint at home. Raises `HostError`,
        and ``OSError`` when the disk is full but for its reserve.

        Args:
            machine: what the logs call it.
        """
        if spec.base.path:
            say("sending the base model")
            await host.put(Path(spec.base.path), BASE)
            spec = spec.model_copy(update={"base": spec.base.model_copy(update={"path": str(host.directory / BASE)})})
        say("sending the data")
        await host.put(self.home.data, DATA)
        newest = next(iter(reversed(self.home.steps())), None)
        if newest is not None and not await host.size(f"{CHECKPOINTS}/{checkpoint_name(newest)}/{MANIFEST}"):
            say(f"sending checkpoint {checkpoint_name(newest)}")
            await host.put(self.home.checkpoint(newest), f"{CHECKPOINTS}/{checkpoint_name(newest)}")
        if self.home.events.exists() and not await host.size(EVENTS):
            await asyncio.to_thread(_end_with_a_whole_line, self.home.events)
            await host.put(self.home.events, EVENTS)
        await asyncio.to_thread(note_machine, self.home, machine)
        if self.home.log.exists() and not await host.size(LOG):
            await host.put(self.home.log, LOG)
            await asyncio.to_thread(self._log.begin_anew)
        await host.write(SPEC, spec.model_dump_json(indent=2).encode(), 0o644)

    async def fetch_results(
        self, host: Callable[[], SshHost], patiently: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
    ) -> None:
        """Fetch adapter and report card as the manifest lists them, and the manifest last; nothing when there is none.

        Raises:
            MachineLiesError: they are not what the manifest says.
            OSError: the disk is full but for its reserve.
        """

        async def fetch() -> None:
            document, files = await read_manifest(host(), "", files_of_run)
            if not document:
                log.info("%s: there are no results to bring home", self.home.root.name)
                return
            adapter = {path: facts for path, facts in files.items() if path.startswith(f"{ADAPTER}/")}
            try:
                await bring_directory(host(), self.home.root, ADAPTER, adapter)
                if REPORT in files:
                    await host().get(REPORT, self.home.report, files[REPORT])
            except FileNotFoundError as error:
                raise MachineLiesError(
                    f"its manifest lists {error}, which is not there", where=host().connection.where
                ) from None
            await asyncio.to_thread(write_atomic, self.home.manifest, document)

        await patiently(fetch)


def _end_with_a_whole_line(path: Path) -> None:
    whole, _ = cut(path.read_bytes())
    os.truncate(path, len(whole))
