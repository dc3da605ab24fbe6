"""This machine as a host: the run's directory is used where it lies."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal as signals
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import psutil

from brightrun_tui.domain.errors import MachineLiesError
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.arrivals import is_whole
from brightrun_tui.hosts.host import JobStatus
from brightrun_tui.lines import read_span
from brightrun_tui.process import lives

_LAUNCHER = 'echo $$ > "$0.tmp" && mv "$0.tmp" "$0" && exec "$@"'
"""The command writes its own pid before it becomes the command, so a crash of ours cannot lose it."""


class LocalHost:
    """Processes are detached: they run on when the engine dies, and are found again by pid file and command line."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        """Run commands in ``directory`` with ``environment``; with our own where none is given."""
        self._directory = directory
        self._environment = os.environ if environment is None else environment
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._found: dict[str, psutil.Process] = {}

    @property
    def directory(self) -> PurePosixPath:
        return PurePosixPath(self._directory)

    async def put(self, source: Path, target: str) -> None:
        await asyncio.to_thread(_copy, source, self._directory / target)

    async def get(self, source: str, target: Path, facts: FileFacts) -> None:
        if not await asyncio.to_thread(is_whole, self._directory / source, facts.bytes, facts.sha256):
            raise MachineLiesError(f"{source} is not the file of its manifest", where=str(self._directory))
        if (self._directory / source).resolve() != target.resolve():
            await asyncio.to_thread(_copy, self._directory / source, target)

    async def start(self, name: str, argv: list[str], *, environment: dict[str, str]) -> int:
        pid_file = self._directory / f"{name}.pid"
        pid_file.unlink(missing_ok=True)
        with (self._directory / f"{name}.log").open("ab") as log:
            child = await asyncio.to_thread(
                subprocess.Popen,
                ["sh", "-c", _LAUNCHER, str(pid_file), *argv],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**self._environment, **environment},
            )
        self._children[name] = child
        return child.pid

    async def hand_over(self, name: str, child: subprocess.Popen[bytes]) -> bool:
        """Give this directory to a command that waits for one on its standard input; False when it has died meanwhile.

        The pid file comes first: whoever finds it there after a crash of ours sees by the working directory whether
        the command had taken the directory.
        """
        await asyncio.to_thread(write_atomic, self._directory / f"{name}.pid", f"{child.pid}\n")
        try:
            assert child.stdin is not None
            with child.stdin as stdin:
                stdin.write(f"{self._directory}\n".encode())
        except BrokenPipeError:
            return False
        self._children[name] = child
        return True

    async def status(self, name: str) -> JobStatus:
        child = self._children.get(name)
        if child is not None:
            code = child.poll()
            return JobStatus(running=code is None, exit_code=code, pid=child.pid)
        process = self._find(name) or self._found_before(name)
        return JobStatus(running=process is not None, pid=process.pid if process else None)

    async def signal(self, name: str, number: int) -> None:
        status = await self.status(name)
        if status.running and status.pid:
            try:
                os.killpg(status.pid, number)
            except (ProcessLookupError, PermissionError):
                return

    async def read(self, path: str, offset: int, limit: int = 4 << 20) -> bytes:
        return await asyncio.to_thread(read_span, self._directory / path, offset, offset + limit)

    async def close(self) -> None:
        self._children.clear()

    async def stop(self, name: str, grace: float) -> None:
        """Ask the command to end, and kill its process group when it has not after ``grace`` seconds."""
        await self.signal(name, signals.SIGTERM)
        for _ in range(max(1, int(grace / 0.1))):
            if not (await self.status(name)).running:
                return
            await asyncio.sleep(0.1)
        await self.signal(name, signals.SIGKILL)

    def _find(self, name: str) -> psutil.Process | None:
        """Return the process of an earlier engine: the pid in the file, if it still works in our directory."""
        try:
            pid = int((self._directory / f"{name}.pid").read_text())
            process = psutil.Process(pid)
            ours = lives(pid) and Path(process.cwd()) == self._directory.resolve()
        except (OSError, ValueError, psutil.Error):
            return None
        if ours:
            self._found[name] = process
        return process if ours else None

    def _found_before(self, name: str) -> psutil.Process | None:
        """Return the process that was found while its directory was still here, unless it has ended since."""
        process = self._found.get(name)
        return process if process and process.is_running() and lives(process.pid) else None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    if source.is_dir():
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(source, aside)
        shutil.rmtree(target, ignore_errors=True)
    else:
        shutil.copyfile(source, aside)
    os.replace(aside, target)
