"""A machine reached over SSH: put, start, read, get on one shared connection that comes back when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import asyncssh

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import HostError, HostUnreachableError, MachineLiesError
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.hosts import jobs, transfer
from brightrun_tui.hosts.connection import LOST, SshAddress, SshConnection, SshTimings
from brightrun_tui.hosts.host import JobStatus
from brightrun_tui.hosts.transfer import CHUNK, ByteProgress
from brightrun_tui.hosts.tunnel import Tunnel

COMMANDS_AT_ONCE = 5
"""An sshd allows ten sessions on a connection; one is the SFTP session."""

OUTPUT_LIMIT = 1 << 20
"""Bytes that a command may print to each of its two streams; ours print a few lines."""


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it said."""

    exit_code: int
    output: str
    errors: str


class SshHost:
    """Implements `hosts.base.Host`.

    Args:
        directory: the run's directory there, absolute or below the login's home.
        addresses, private_key, host_key: see `SshConnection`.
    """

    def __init__(
        self,
        addresses: Sequence[SshAddress],
        directory: str,
        *,
        private_key: str | Path | None,
        host_key: str = "",
        timings: SshTimings | None = None,
    ) -> None:
        self.connection = SshConnection(addresses, private_key, host_key, timings or SshTimings())
        self._directory = directory
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._made: set[str] = set()

    @property
    def directory(self) -> PurePosixPath:
        """Absolute once connected."""
        return PurePosixPath(self.connection.home) / self._directory

    @property
    def addresses(self) -> Sequence[SshAddress]:
        """All ways to it."""
        return self.connection.addresses

    @property
    def host_key(self) -> str:
        """The host key that this machine is pinned to; empty before the first connection."""
        return self.connection.host_key

    async def put(self, source: Path, target: str, progress: ByteProgress | None = None) -> None:
        """See `Host.put`; ``progress`` is told the bytes sent and the bytes in all of each file.

        Raises:
            FileNotFoundError: there is no such source.
            HostError: no progress for too long; calling again resumes.
        """
        if not source.is_dir():
            await self._send(source, await self._path(target), progress)
            return
        final = await self._path(target)
        self._made.clear()
        aside = posixpath.join(posixpath.dirname(final), f".{posixpath.basename(final)}.part")
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            inside = posixpath.join(aside, file.relative_to(source).as_posix())
            await self._send(file, inside, progress, keep=True)
        new, old = shlex.quote(aside), shlex.quote(f"{aside}-old")
        await self.run(
            f"[ ! -d {new} ] || {{ rm -rf {old}; mv -T {shlex.quote(final)} {old} 2>/dev/null; "
            f"mv -T {new} {shlex.quote(final)}; }} && rm -rf {old}",
            repeat=True,
            check=True,
        )
        self._made.clear()

    async def write(self, target: str, data: bytes, mode: int = 0o600) -> None:
        """Put a small file, whole or not at all. The way for secrets: nothing of it is in a command line or a log."""

        async def work() -> None:
            path = await self._path(target)
            sftp = await self.connection.sftp()
            await self._parent(path)
            aside = f"{path}.{secrets.token_hex(4)}.part"
            async with sftp.open(aside, "wb", asyncssh.SFTPAttrs(permissions=mode)) as file:
                await file.write(data)
            await sftp.posix_rename(aside, path)

        await self.connection.insist(work)

    async def get(self, source: str, target: Path, facts: FileFacts, progress: ByteProgress | None = None) -> None:
        """See `Host.get`; a broken transfer is resumed, also by a later call.

        Raises:
            FileNotFoundError: there is no such source.
            MachineLiesError: it is not the file that ``facts`` describes.
            HostError: no progress for too long; calling again resumes.
            OSError: the disk here is full but for its reserve.
        """
        path = await self._path(source)
        await self.connection.insist(partial(transfer.fetch, self.connection, path, target, facts, progress))

    async def size(self, path: str) -> int:
        """Return bytes of a file there; 0 when there is none. Raises as `read`."""
        there = await self.connection.insist(partial(transfer.look, self.connection, await self._path(path)))
        return (there.size or 0) if there else 0

    async def read(self, path: str, offset: int, limit: int = CHUNK) -> bytes:
        """See `Host.read`.

        Raises:
            MachineLiesError: it is not a plain file.
            HostError: the machine cannot be reached.
        """
        place = await self._path(path)

        async def work() -> bytes:
            there = await transfer.look(self.connection, place)
            length = max(0, min(limit, (there.size or 0) - offset)) if there else 0
            if not length:
                return b""
            try:
                async with (await self.connection.sftp()).open(place, "rb") as file:
                    return await transfer.piece(self.connection, file, offset, length)
            except asyncssh.SFTPNoSuchFile:
                return b""

        return await self.connection.insist(work)

    async def start(self, name: str, argv: list[str], *, environment: dict[str, str]) -> int:
        await self.connection.insist(partial(self._parent, await self._path(name)))
        script = jobs.start_script(await self._path("."), name, argv, environment)
        done = await self.run("exec sh -s", stdin=script.encode(), repeat=True)
        if done.exit_code or not done.output.strip():
            raise HostError(
                f"could not start {name} ({done.errors.strip()[-200:] or done.exit_code})",
                where=self.connection.where,
                fix="see the log in the run's directory there",
                kind=ErrorKind.START_FAILED,
            )
        return jobs.pid_and_birth(done.output.encode())[0]

    async def status(self, name: str) -> JobStatus:
        ended = jobs.exit_code(await self.read(f"{name}.rc", 0, jobs.FILE_LIMIT))
        pid, born = jobs.pid_and_birth(await self.read(f"{name}.pid", 0, jobs.FILE_LIMIT))
        if ended is not None or not pid:
            return JobStatus(running=False, exit_code=ended, pid=pid or None)
        if await self._alive(pid, born):
            return JobStatus(running=True, pid=pid)
        return JobStatus(
            running=False, exit_code=jobs.exit_code(await self.read(f"{name}.rc", 0, jobs.FILE_LIMIT)), pid=pid
        )

    async def signal(self, name: str, number: int) -> None:
        pid, born = jobs.pid_and_birth(await self.read(f"{name}.pid", 0, jobs.FILE_LIMIT))
        if pid and await self._alive(pid, born):
            await self.run(f"kill -{number} -- -{pid}", repeat=True)

    async def run(
        self, command: str, *, stdin: bytes = b"", timeout: float = 60.0, repeat: bool = False, check: bool = False
    ) -> Finished:
        """Run a short command in the login shell. With ``repeat`` it is run again when the connection broke meanwhile.

        Raises:
            HostError: with ``check``, an exit code other than 0; or the machine cannot be reached.
            MachineLiesError: it says more than `OUTPUT_LIMIT`.
        """

        async def work() -> Finished:
            shell = await self.connection.shell()
            async with self._commands, asyncio.timeout(timeout):
                return await _run(shell, command, stdin, self.connection.where)

        try:
            done = await (self.connection.insist(work, timeout) if repeat else work())
        except LOST as error:
            raise HostUnreachableError(
                f"the command did not end ({error or 'no answer in time'})",
                where=self.connection.where,
                fix="check that the machine is up",
                kind=ErrorKind.HOST_UNREACHABLE,
            ) from None
        if check and done.exit_code:
            raise HostError(
                f"a command failed there ({done.errors.strip()[-200:] or done.exit_code})",
                where=self.connection.where,
                kind=ErrorKind.COMMAND_FAILED,
            )
        return done

    async def dial(self, path: str) -> Tunnel:
        """Open a connection to the Unix socket at ``path`` there.

        Raises:
            HostError: the machine cannot be reached.
            ConnectionError: nobody listens at that socket.
        """
        shell = await self.connection.shell()
        try:
            return Tunnel(*await shell.open_unix_connection(await self._path(path), encoding=None))
        except (asyncssh.Error, OSError) as error:
            raise ConnectionRefusedError(str(error)) from None

    async def close(self) -> None:
        await self.connection.close()

    async def _alive(self, pid: int, born: str) -> bool:
        return await self.connection.insist(partial(jobs.alive, self.connection, pid, born))

    async def _send(self, source: Path, path: str, progress: ByteProgress | None, keep: bool = False) -> None:
        async def work() -> None:
            await self._parent(path)
            await transfer.send(self.connection, source, path, progress, keep)

        await self.connection.insist(work)

    async def _path(self, path: str) -> str:
        if not self.connection.home:
            await self.connection.insist(self.connection.connect)
        if path.startswith("~/"):
            return posixpath.join(self.connection.home, path[2:])
        return posixpath.normpath(str(self.directory / path))

    async def _parent(self, path: str) -> None:
        """Make the directory that a path lies in, once; over a long line every look costs a round trip."""
        directory = posixpath.dirname(path)
        if directory not in self._made:
            await (await self.connection.sftp()).makedirs(directory, exist_ok=True)
            self._made.add(directory)


async def _run(shell: asyncssh.SSHClientConnection, command: str, stdin: bytes, where: str) -> Finished:
    process: asyncssh.SSHClientProcess[bytes] = await shell.create_process(command, encoding=None)
    readers = [asyncio.create_task(_all_of(stream, where)) for stream in (process.stdout, process.stderr)]
    try:
        with contextlib.suppress(BrokenPipeError):  # it may have ended already, without wanting to hear anything
            if stdin:
                process.stdin.write(stdin)
            process.stdin.write_eof()
        output, errors = await asyncio.gather(*readers)
        await process.wait_closed()
    finally:
        for reader in readers:
            reader.cancel()
        process.close()
    if process.returncode is None or (process.returncode == -1 and process.exit_signal is None):
        raise ConnectionResetError("the connection broke before the command ended")
    return Finished(process.returncode, output.decode(errors="replace"), errors.decode(errors="replace"))


async def _all_of(stream: asyncssh.SSHReader[bytes], where: str) -> bytes:
    data = bytearray()
    while part := await stream.read(CHUNK):
        data += part
        if len(data) > OUTPUT_LIMIT:
            raise MachineLiesError("a command there does not stop printing", where=where)
    return bytes(data)
