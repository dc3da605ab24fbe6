"""Files over SFTP, one at a time: sent and fetched in chunks, resumed where a broken connection left them.

What the other side says is not believed: only plain files are read, never more than was asked for, and no directory is listed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import stat
from collections.abc import Callable
from pathlib import Path

import asyncssh

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import HostError, MachineLiesError
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.hosts.arrivals import is_whole, open_file, require_room
from brightrun_tui.hosts.connection import SshConnection

CHUNK = 4 << 20
SMALL = 1 << 20
"""A file of at least this size that is already there with the same size and time is not sent again."""

ByteProgress = Callable[[int, int], None]


async def attributes(connection: SshConnection, path: str) -> asyncssh.SFTPAttrs | None:
    """Return size, time and kind of what is at ``path``; None where nothing is."""
    with contextlib.suppress(asyncssh.SFTPNoSuchFile):
        return await (await connection.sftp()).stat(path)
    return None


async def send(
    connection: SshConnection, source: Path, path: str, progress: ByteProgress | None, keep: bool = False
) -> None:
    """Send in chunks to a part file named after size and time of the source; continue what such a file holds.

    With ``keep`` even a small file that is there already is kept, as it lies in a directory not yet in place. The
    directory of ``path`` must be there.
    """
    facts = await asyncio.to_thread(source.stat)
    sftp = await connection.sftp()
    there = await attributes(connection, path)
    same = there is not None and (there.size, there.mtime) == (facts.st_size, int(facts.st_mtime))
    if same and (keep or facts.st_size >= SMALL):
        return
    part = f"{path}.{facts.st_size:x}-{facts.st_mtime_ns:x}.part"
    begun = await attributes(connection, part)
    # the chunk in which the part file ends may have holes: its blocks travelled side by side
    offset = max(0, (begun.size or 0) - 1) // CHUNK * CHUNK if begun is not None else 0
    async with sftp.open(part, "r+b" if begun is not None else "wb") as file:
        with source.open("rb") as data:
            data.seek(offset)
            while chunk := await asyncio.to_thread(data.read, CHUNK):
                connection.progressed(len(chunk))
                await file.write(chunk, offset)
                offset += len(chunk)
                connection.progressed()
                if progress:
                    progress(offset, facts.st_size)
        if offset != facts.st_size:
            raise HostError(
                f"{source.name} changed while it was sent",
                where=str(source),
                fix="send it again",
                kind=ErrorKind.FILE_CHANGED,
            )
        await file.truncate(offset)
        await file.utime((facts.st_atime, int(facts.st_mtime)))
    await sftp.chmod(part, facts.st_mode & 0o777)
    await sftp.posix_rename(part, path)


async def look(connection: SshConnection, path: str) -> asyncssh.SFTPAttrs | None:
    """Return size of the plain file at ``path``; None when nothing is there.

    Raises:
        MachineLiesError: it is a link, a directory, a pipe or a device, which no worker of ours leaves there.
    """
    try:
        found = await (await connection.sftp()).lstat(path)
    except asyncssh.SFTPNoSuchFile:
        return None
    if not stat.S_ISREG(found.permissions or 0) or found.size is None:
        raise MachineLiesError(f"{posixpath.basename(path)} is not a plain file there", where=connection.where)
    return found


async def piece(connection: SshConnection, file: asyncssh.SFTPClientFile[bytes], offset: int, length: int) -> bytes:
    """Return up to ``length`` bytes from ``offset``: those that came without a hole before them, as a growing file may have some.

    Raises:
        MachineLiesError: more is sent than was asked for.
    """
    blocks: dict[int, bytes] = {}
    received = 0
    async for start, block in await file.read_parallel(length, offset):
        received += len(block)
        if received > length:
            raise MachineLiesError("more is sent than was asked for", where=connection.where)
        blocks[start] = block
        connection.progressed()
    whole = bytearray()
    while block := blocks.get(offset + len(whole), b""):
        whole += block
    return bytes(whole)


async def fetch(
    connection: SshConnection, path: str, target: Path, facts: FileFacts, progress: ByteProgress | None
) -> None:
    """Fetch the very file that ``facts`` describes to a part file beside ``target``, and go on with one that lies there.

    Raises:
        FileNotFoundError: there is no such file.
        MachineLiesError: it is another file.
    """
    if await asyncio.to_thread(is_whole, target, facts.bytes, facts.sha256):
        return
    there = await look(connection, path)
    if there is None:
        raise FileNotFoundError(path)
    name = posixpath.basename(path)
    if there.size != facts.bytes:
        raise MachineLiesError(
            f"{name} has {there.size} bytes, and {facts.bytes} by its manifest", where=connection.where
        )
    part = target.with_name(f".{target.name}.{facts.sha256[:16]}.part")
    try:
        await _fill(connection, path, part, facts, progress)
        if not await asyncio.to_thread(is_whole, part, facts.bytes, facts.sha256):
            raise MachineLiesError(
                f"{name} is not the file of its manifest (its digest differs)", where=connection.where
            )
    except MachineLiesError:
        part.unlink()
        raise
    os.replace(part, target)


async def _fill(
    connection: SshConnection, path: str, part: Path, facts: FileFacts, progress: ByteProgress | None
) -> None:
    with open_file(part) as data:
        offset = data.seek(0, os.SEEK_END)
        if offset > facts.bytes:
            data.truncate(offset := data.seek(0))
        require_room(part.parent, facts.bytes - offset)
        async with (await connection.sftp()).open(path, "rb") as file:
            while offset < facts.bytes:
                chunk = await piece(connection, file, offset, min(CHUNK, facts.bytes - offset))
                if not chunk:
                    raise HostError(
                        f"{posixpath.basename(path)} became shorter while it was fetched",
                        where=path,
                        kind=ErrorKind.FILE_CHANGED,
                    )
                await asyncio.to_thread(data.write, chunk)
                offset += len(chunk)
                if progress:
                    progress(offset, facts.bytes)
        data.flush()
        await asyncio.to_thread(os.fsync, data.fileno())
