"""Files over SFTP, one at a time: sent and fetched in chunks, resumed where a broken connection left them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import asyncssh

from brightrun_tui.domain.errors import HostError
from brightrun_tui.hosts.connection import SshConnection

CHUNK = 4 << 20
SMALL = 1 << 20
"""A file of at least this size that is already there with the same size and time is not sent again."""

Progress = Callable[[int, int], None]


async def attributes(connection: SshConnection, path: str) -> asyncssh.SFTPAttrs | None:
    """Size, time and kind of what lies at ``path``; None when nothing does."""
    with contextlib.suppress(asyncssh.SFTPNoSuchFile):
        return await (await connection.sftp()).stat(path)
    return None


async def send(connection: SshConnection, source: Path, path: str, progress: Progress | None, keep: bool = False) -> None:
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
                await file.write(chunk, offset)
                offset += len(chunk)
                connection.progressed()
                if progress:
                    progress(offset, facts.st_size)
        if offset != facts.st_size:
            raise HostError(f"{source.name} changed while it was sent", where=str(source), fix="send it again",
                            kind="file_changed")
        await file.truncate(offset)
        await file.utime((facts.st_atime, int(facts.st_mtime)))
    await sftp.chmod(part, facts.st_mode & 0o777)
    await sftp.posix_rename(part, path)


async def fetch(connection: SshConnection, path: str, target: Path, progress: Progress | None, keep: bool = False) -> None:
    """Fetch in chunks to a part file beside ``target``, and go on with one that lies there.

    Raises:
        FileNotFoundError: there is no such file.
    """
    sftp = await connection.sftp()
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
                    connection.progressed()
                    if progress:
                        progress(offset, size)
                data.flush()
                await asyncio.to_thread(os.fsync, data.fileno())
            os.utime(part, (modified, modified))
            os.replace(part, target)
    except asyncssh.SFTPNoSuchFile:
        raise FileNotFoundError(path) from None


async def files_below(connection: SshConnection, path: str, inside: str = "") -> list[str]:
    """Every file below a directory, by its path from there."""
    sftp = await connection.sftp()
    found: list[str] = []
    for entry in await sftp.readdir(posixpath.join(path, inside)):
        name = str(entry.filename)
        if name in (".", "..") or name.endswith(".part"):
            continue
        if stat.S_ISDIR(entry.attrs.permissions or 0):
            found += await files_below(connection, path, posixpath.join(inside, name))
        else:
            found.append(posixpath.join(inside, name))
    return sorted(found)


def _same(path: Path, size: int, modified: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        facts = path.stat()
        return (facts.st_size, int(facts.st_mtime)) == (size, modified)
    return False


def swap_in(aside: Path, target: Path, wanted: set[Path]) -> None:
    """Give a complete directory its final name; leftovers of earlier attempts do not come along."""
    aside.mkdir(parents=True, exist_ok=True)
    for path in list(aside.rglob("*")):
        if path.is_file() and path not in wanted:
            path.unlink()
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(aside, target)
