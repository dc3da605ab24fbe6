"""A machine reached over SSH: put, start, read, get on one shared connection that comes back when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import secrets
import shlex
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import asyncssh

from brightrun_tui.domain.errors import HostError, HostUnreachableError
from brightrun_tui.hosts.base import JobStatus
from brightrun_tui.hosts.connection import LOST, SshAddress, SshConnection, SshTimings

CHUNK = 4 << 20
SMALL = 1 << 20
"""A file of at least this size that is already there with the same size and time is not sent again."""
COMMANDS_AT_ONCE = 5
"""An sshd allows ten sessions on a connection; one is the SFTP session."""

Progress = Callable[[int, int], None]

_START = """
cd {directory} || exit 9
if [ "$(cat {name}.token 2>/dev/null)" != {token} ]; then
  {exports}
  setsid nohup sh -c '
    trap : TERM INT HUP USR1 USR2
    mkdir "$0.claim-{token}" 2>/dev/null || exit 0
    rm -f "$0.pid" "$0.rc"
    echo "$$ $(cut -d" " -f22 /proc/$$/stat)" > "$0.pid.part" && mv "$0.pid.part" "$0.pid"
    echo {token} > "$0.token.part" && mv "$0.token.part" "$0.token"
    for old in "$0".claim-*; do [ "$old" = "$0.claim-{token}" ] || rmdir "$old"; done
    "$@"; code=$?
    echo $code > "$0.rc.part" && mv "$0.rc.part" "$0.rc"
  ' {name} {argv} </dev/null >>{name}.log 2>&1 &
fi
n=0
while [ "$(cat {name}.token 2>/dev/null)" != {token} ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
[ "$(cat {name}.token 2>/dev/null)" = {token} ] && cat {name}.pid
"""
"""The token makes a start that is repeated over a broken connection happen once: the command itself claims it."""


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

    def __init__(self, addresses: Sequence[SshAddress], directory: str, *, private_key: str | Path | None,
                 host_key: str = "", timings: SshTimings | None = None) -> None:
        self.connection = SshConnection(addresses, private_key, host_key, timings or SshTimings())
        self._directory = directory
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self._made: set[str] = set()

    @property
    def directory(self) -> PurePosixPath:
        """Absolute once connected."""
        return PurePosixPath(self.connection.home) / self._directory

    @property
    def host_key(self) -> str:
        """The host key that this machine is pinned to; empty before the first connection."""
        return self.connection.host_key

    async def put(self, source: Path, target: str, progress: Progress | None = None) -> None:
        """See `Host.put`; ``progress`` is told the bytes sent and the bytes in all of each file.

        Raises:
            FileNotFoundError: there is no such source.
            HostError: no progress for too long; calling again resumes.
        """
        if not source.is_dir():
            await self.connection.insist(partial(self._put_file, source, target, progress))
            return
        final = await self._path(target)
        self._made.clear()
        aside = posixpath.join(posixpath.dirname(final), f".{posixpath.basename(final)}.part")
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            inside = posixpath.join(aside, file.relative_to(source).as_posix())
            await self.connection.insist(partial(self._put_file, file, inside, progress, keep=True))
        new, old = shlex.quote(aside), shlex.quote(f"{aside}-old")
        await self.run(f"[ ! -d {new} ] || {{ rm -rf {old}; mv -T {shlex.quote(final)} {old} 2>/dev/null; "
                       f"mv -T {new} {shlex.quote(final)}; }} && rm -rf {old}", repeat=True, check=True)
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

    async def get(self, source: str, target: Path, progress: Progress | None = None) -> None:
        """See `Host.get`; a broken transfer is resumed, also by a later call.

        Raises:
            FileNotFoundError: there is no such source.
            HostError: no progress for too long; calling again resumes.
        """
        path = await self._path(source)
        attributes = await self.connection.insist(partial(self._stat, path))
        if attributes is None:
            raise FileNotFoundError(source)
        if not stat.S_ISDIR(attributes.permissions or 0):
            await self.connection.insist(partial(self._get_file, path, target, progress))
            return
        aside = target.with_name(f".{target.name}.part")
        files = await self.connection.insist(partial(self._files, path))
        wanted = {aside / inside for inside in files}
        for inside in files:
            await self.connection.insist(partial(self._get_file, f"{path}/{inside}", aside / inside, progress, keep=True))
        await asyncio.to_thread(_swap_in, aside, target, wanted)

    async def read(self, path: str, offset: int, limit: int = CHUNK) -> bytes:
        async def work() -> bytes:
            sftp = await self.connection.sftp()
            try:
                async with sftp.open(await self._path(path), "rb") as file:
                    # never past the present end: asyncssh fills with zeros where a growing file was still short
                    size = (await file.stat()).size or 0
                    return bytes(await file.read(max(0, min(limit, size - offset)), offset)) if size > offset else b""
            except asyncssh.SFTPNoSuchFile:
                return b""

        return await self.connection.insist(work)

    async def start(self, name: str, argv: list[str], *, environment: dict[str, str]) -> int:
        exports = "\n  ".join(f"export {key}={shlex.quote(value)}" for key, value in environment.items())
        await self.connection.insist(partial(self._parent, await self._path(name)))
        script = _START.format(directory=shlex.quote(await self._path(".")), name=shlex.quote(name), token=secrets.token_hex(8),
                               exports=exports or ":", argv=shlex.join(argv))
        done = await self.run("exec sh -s", stdin=script.encode(), repeat=True)
        words = done.output.split()
        if done.exit_code or not words:
            raise HostError(f"could not start {name} ({done.errors.strip()[-200:] or done.exit_code})",
                            where=self.connection.where, fix="see the log in the run's directory there", kind="start_failed")
        return int(words[0])

    async def status(self, name: str) -> JobStatus:
        ended = await self._ended(name)
        pid, born = await self._pid(name)
        if ended is not None or not pid:
            return JobStatus(running=False, exit_code=ended, pid=pid or None)
        if await self._alive(pid, born):
            return JobStatus(running=True, pid=pid)
        return JobStatus(running=False, exit_code=await self._ended(name), pid=pid)

    async def signal(self, name: str, number: int) -> None:
        pid, born = await self._pid(name)
        if pid and await self._alive(pid, born):
            await self.run(f"kill -{number} -- -{pid}", repeat=True)

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60.0, repeat: bool = False,
                  check: bool = False) -> Finished:
        """A short command in the login shell. With ``repeat`` it is run again when the connection broke meanwhile.

        Raises:
            HostError: with ``check``, an exit code other than 0; or the machine cannot be reached.
        """

        async def work() -> Finished:
            shell = await self.connection.shell()
            async with self._commands:
                done = await asyncio.wait_for(shell.run(command, input=stdin, encoding=None), timeout)
            if done.returncode is None or (done.returncode == -1 and done.exit_signal is None):
                raise ConnectionResetError("the connection broke before the command ended")
            return Finished(done.returncode, _text(done.stdout), _text(done.stderr))

        try:
            done = await (self.connection.insist(work) if repeat else work())
        except LOST as error:
            raise HostUnreachableError(f"the command did not end ({error or 'no answer in time'})", where=self.connection.where,
                                       fix="check that the machine is up", kind="host_unreachable") from None
        if check and done.exit_code:
            raise HostError(f"a command failed there ({done.errors.strip()[-200:] or done.exit_code})",
                            where=self.connection.where, kind="command_failed")
        return done

    async def close(self) -> None:
        await self.connection.close()

    # -- transfers --------------------------------------------------------------------------------------------

    async def _put_file(self, source: Path, target: str, progress: Progress | None, keep: bool = False) -> None:
        """Send in chunks to a part file named after size and time of the source; continue what such a file holds.

        With ``keep`` even a small file that is there already is kept, as it lies in a directory not yet in place.
        """
        facts = await asyncio.to_thread(source.stat)
        path = await self._path(target)
        sftp = await self.connection.sftp()
        there = await self._stat(path)
        same = there is not None and (there.size, there.mtime) == (facts.st_size, int(facts.st_mtime))
        if same and (keep or facts.st_size >= SMALL):
            return
        await self._parent(path)
        part = f"{path}.{facts.st_size:x}-{facts.st_mtime_ns:x}.part"
        begun = await self._stat(part)
        # the chunk in which the part file ends may have holes: its blocks travelled side by side
        offset = max(0, (begun.size or 0) - 1) // CHUNK * CHUNK if begun is not None else 0
        async with sftp.open(part, "r+b" if begun is not None else "wb") as file:
            with source.open("rb") as data:
                data.seek(offset)
                while chunk := await asyncio.to_thread(data.read, CHUNK):
                    await file.write(chunk, offset)
                    offset += len(chunk)
                    self.connection.progressed()
                    if progress:
                        progress(offset, facts.st_size)
            if offset != facts.st_size:
                raise HostError(f"{source.name} changed while it was sent", where=str(source), fix="send it again",
                                kind="file_changed")
            await file.truncate(offset)
            await file.utime((facts.st_atime, int(facts.st_mtime)))
        await sftp.chmod(part, facts.st_mode & 0o777)
        await sftp.posix_rename(part, path)

    async def _get_file(self, path: str, target: Path, progress: Progress | None, keep: bool = False) -> None:
        sftp = await self.connection.sftp()
        try:
            async with sftp.open(path, "rb") as file:
                facts = await file.stat()
                size, modified = facts.size or 0, int(facts.mtime or 0)
                if keep and await asyncio.to_thread(_same, target, size, modified):
                    return
                part = target.with_name(f".{target.name}.{size:x}-{modified:x}.part")
                target.parent.mkdir(parents=True, exist_ok=True)
                with part.open("ab") as data:
                    offset = data.tell()
                    if offset > size:
                        data.truncate(offset := 0)
                    while offset < size:
                        chunk = bytes(await file.read(min(CHUNK, size - offset), offset))
                        if not chunk:
                            raise HostError(f"{posixpath.basename(path)} became shorter while it was fetched", where=path,
                                            kind="file_changed")
                        await asyncio.to_thread(data.write, chunk)
                        offset += len(chunk)
                        self.connection.progressed()
                        if progress:
                            progress(offset, size)
                    data.flush()
                    await asyncio.to_thread(os.fsync, data.fileno())
                os.utime(part, (modified, modified))
                os.replace(part, target)
        except asyncssh.SFTPNoSuchFile:
            raise FileNotFoundError(path) from None

    async def _files(self, path: str, inside: str = "") -> list[str]:
        """Every file below a directory, by its path from there."""
        sftp = await self.connection.sftp()
        found: list[str] = []
        for entry in await sftp.readdir(posixpath.join(path, inside)):
            name = str(entry.filename)
            if name in (".", "..") or name.endswith(".part"):
                continue
            if stat.S_ISDIR(entry.attrs.permissions or 0):
                found += await self._files(path, posixpath.join(inside, name))
            else:
                found.append(posixpath.join(inside, name))
        return sorted(found)

    # -- small things -----------------------------------------------------------------------------------------

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

    async def _stat(self, path: str) -> asyncssh.SFTPAttrs | None:
        with contextlib.suppress(asyncssh.SFTPNoSuchFile):
            return await (await self.connection.sftp()).stat(path)
        return None

    async def _ended(self, name: str) -> int | None:
        """The exit code as Python's subprocess gives it (negative: the signal), when the command has ended."""
        words = (await self.read(f"{name}.rc", 0)).split()
        if not words:
            return None
        code = int(words[0])
        return 128 - code if code > 128 else code

    async def _pid(self, name: str) -> tuple[int, str]:
        words = (await self.read(f"{name}.pid", 0)).decode().split()
        return (int(words[0]), words[1] if len(words) > 1 else "") if words else (0, "")

    async def _alive(self, pid: int, born: str) -> bool:
        """Whether that very process lives: a zombie does not, nor one that got the same number later."""

        async def work() -> str:
            sftp = await self.connection.sftp()
            try:
                async with sftp.open(f"/proc/{pid}/stat", "rb") as file:
                    return bytes(await file.read(1024, 0)).decode(errors="replace")
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPFailure):
                return ""

        fields = (await self.connection.insist(work)).rpartition(")")[2].split()
        return len(fields) > 19 and fields[0] != "Z" and born in ("", fields[19])


def _text(data: object) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else str(data or "")


def _same(path: Path, size: int, modified: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        facts = path.stat()
        return (facts.st_size, int(facts.st_mtime)) == (size, modified)
    return False


def _swap_in(aside: Path, target: Path, wanted: set[Path]) -> None:
    """Give a complete directory its final name; leftovers of earlier attempts do not come along."""
    aside.mkdir(parents=True, exist_ok=True)
    for path in list(aside.rglob("*")):
        if path.is_file() and path not in wanted:
            path.unlink()
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(aside, target)
