"""Checkpoints of a run elsewhere that are kept at home: which are wanted, which may go. The machine has no say in either.

Wanted are the newest that the worker has spoken of, and the best, as many as the worker itself keeps. What is home goes when
enough newer ones are home, never because a machine does not have it.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable
from functools import partial

from brightrun_tui.domain.events import Checkpoint, Event, read_line
from brightrun_tui.domain.manifest import files_of_checkpoint
from brightrun_tui.domain.run_directory import CHECKPOINTS, RunDirectory, checkpoint_name
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator.bringing import bring_directory, read_manifest

log = logging.getLogger(__name__)

LONGEST_MEMORY = 1000
"""Steps remembered at most; a worker keeps a few checkpoints, and a machine may speak of millions."""


class CheckpointCopies:
    """``keep``: how many the worker keeps beside the best one."""

    def __init__(self, home: RunDirectory, keep: int) -> None:
        self._home, self._keep = home, keep
        self._told: set[int] = set()
        self._gone: set[int] = set()
        self._best: int | None = None

    def hear(self, lines: Iterable[bytes]) -> bool:
        """Take in what events say of checkpoints; returns whether they say anything. Lines that are not events are
        passed over.
        """
        found = [event for event in map(_checkpoint_in, lines) if event is not None]
        for step, best in found:
            self._told.add(step)
            self._gone.discard(step)
            self._best = step if best else self._best
        if len(self._told) > 2 * LONGEST_MEMORY:
            self._told = set(sorted(self._told)[-LONGEST_MEMORY:])
        return bool(found)

    async def pull(self, host: SshHost) -> None:
        """Bring what is wanted and not home yet, newest first.

        Raises:
            MachineLiesError: a checkpoint is not what its manifest says.
            HostError, OSError: the machine cannot be reached, or the disk is full; calling again goes on.
        """
        kept = 0
        for step in sorted(self._told, reverse=True):
            if step in self._gone or (kept >= self._keep and step != self._best):
                continue
            if self._home.checkpoint(step).exists() or await self._bring(host, step):
                kept += 1
        await asyncio.to_thread(self._tidy)

    async def _bring(self, host: SshHost, step: int) -> bool:
        folder = f"{CHECKPOINTS}/{checkpoint_name(step)}"
        document, files = await read_manifest(host, folder, partial(files_of_checkpoint, step=step))
        try:
            if not document:
                raise FileNotFoundError(folder)
            await bring_directory(host, self._home.root, folder, files, document)
        except FileNotFoundError:
            log.info("%s: %s is no longer there", self._home.root.name, folder)
            self._gone.add(step)
            return False
        return True

    def _tidy(self) -> None:
        """Delete checkpoints that enough newer ones at home replace, and what was begun and is no longer wanted."""
        for step in self._home.steps()[: -self._keep]:
            if step != self._best:
                shutil.rmtree(self._home.checkpoint(step), ignore_errors=True)
        if self._home.checkpoints.is_dir():
            for path in self._home.checkpoints.glob(".*.part"):
                shutil.rmtree(path, ignore_errors=True)


def _checkpoint_in(line: bytes) -> tuple[int, bool] | None:
    """Return the step, and whether it is the best so far, from an event that tells of a checkpoint."""
    event = read_line(line)
    if isinstance(event, Event) and isinstance(event.body, Checkpoint):
        return event.body.step, event.body.best
    return None
