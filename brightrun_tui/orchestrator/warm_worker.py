"""A worker in waiting on this machine: what it imports is loaded while a person still fills in the form."""

from __future__ import annotations

import asyncio
import subprocess
import time

import psutil

from brightrun_tui.paths import Paths
from brightrun_tui.process import environment_without_secrets, python

ROOM_BYTES = 2 << 30
"""With less free memory than this no worker is kept in waiting; one takes about 0.4 GB."""


class WarmWorker:
    """At most one; it waits for its run on standard input, and ends when that closes, as it does when the engine dies."""

    def __init__(self, paths: Paths, seconds: float) -> None:
        self._log = paths.engine_log
        self._seconds = seconds
        self._starting = asyncio.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._gpu_id = ""
        self._needed_until = 0.0

    async def want(self, gpu_id: str) -> bool:
        """Have one from now on and for ``seconds``, for the GPU of that UUID where it is given. Returns whether there is one.

        Which GPU a process sees is settled when it starts: its imports may ask the driver already.
        """
        if not self._seconds:
            return False
        self._needed_until = time.monotonic() + self._seconds
        async with self._starting:
            if self._alive() and self._gpu_id != gpu_id:
                await asyncio.to_thread(self.close)
            if not self._alive():
                self._gpu_id = gpu_id
                self._child = await asyncio.to_thread(self._start)
        return self._child is not None

    def take(self, gpu_id: str) -> subprocess.Popen[bytes] | None:
        """Hand it over to a run that has that GPU, if there is one for it."""
        if gpu_id != self._gpu_id:
            return None
        child, self._child = (self._child if self._alive() else None), None
        return child

    def waiting(self) -> bool:
        """Say whether one is kept; sends one home that has waited in vain."""
        if self._child is not None and (not self._alive() or time.monotonic() > self._needed_until):
            self.close()
        return self._child is not None

    def close(self) -> None:
        """Send it home; it may still be importing."""
        child, self._child = self._child, None
        if child is not None and child.stdin is not None:
            child.stdin.close()
            child.kill()
            child.wait()

    def _alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _start(self) -> subprocess.Popen[bytes] | None:
        if psutil.virtual_memory().available < ROOM_BYTES:
            return None
        with self._log.open("ab") as log:
            return subprocess.Popen(
                worker_command("--spare"),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                env={**environment_without_secrets(), **only_gpu(self._gpu_id)},
            )


def only_gpu(gpu_id: str) -> dict[str, str]:
    """Return the environment of a process that is to see one GPU, or one part of one; empty: what it sees is left as it is."""
    return {"CUDA_VISIBLE_DEVICES": gpu_id} if gpu_id else {}


def worker_command(argument: str) -> list[str]:
    """Return the command line of a worker on this machine: one that gives way to what a person does meanwhile."""
    return ["nice", "-n", "5", *python("-m", "brightrun_tui.trainer", argument)]
