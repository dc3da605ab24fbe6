"""The one place that decides where on this computer what another machine hands over is written.

The machine chooses neither a name nor a place: our own code names every file (`domain.run_directory`). Here it is seen to
that such a name leads nowhere else: every directory on the way is a real one, the file itself is a plain one, no link is
followed, and the disk keeps a reserve. Blocking.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.files import sha256, sync_directory

RESERVE_BYTES = 256 << 20
"""Kept free on the disk, whatever a machine has for us."""


def require_room(directory: Path, size: int) -> None:
    """Raise ``OSError`` (ENOSPC) when ``size`` more bytes would leave less than the reserve."""
    if shutil.disk_usage(directory).free - size < RESERVE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def make_directory(root: Path, directory: Path) -> Path:
    """Make ``directory``, which lies below ``root``, with those on the way to it.

    Raises:
        BrightrunError: something else is in its place, a link for example.
    """
    place = root
    for part in directory.relative_to(root).parts:
        place = place / part
        if part == ".." or place.is_symlink() or (place.exists() and not place.is_dir()):
            raise _in_the_way(place)
        place.mkdir(mode=0o700, exist_ok=True)
    return directory


def open_file(path: Path, *, append: bool = False) -> BinaryIO:
    """Open a plain file for reading and writing; it is made where it is missing. Its directory must be there.

    Raises:
        BrightrunError: something else is in its place: a link, a directory, a pipe.
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_APPEND if append else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _in_the_way(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _in_the_way(path)
    return os.fdopen(descriptor, "a+b" if append else "r+b")


def append(path: Path, data: bytes) -> None:
    """Add to a file and wait until it is on the disk; raises as `open_file` and `require_room`."""
    require_room(path.parent, len(data))
    with open_file(path, append=True) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def is_whole(path: Path, size: int, digest: str) -> bool:
    """Say whether a plain file of that size and SHA-256 is there."""
    return not path.is_symlink() and path.is_file() and path.stat().st_size == size and sha256(path) == digest


def swap_in(aside: Path, target: Path, wanted: set[str]) -> None:
    """Give a complete directory its final name; only the files named in ``wanted`` come along."""
    for path in aside.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    sync_directory(aside)
    outgoing = target.with_name(f".{target.name}.old")
    shutil.rmtree(outgoing, ignore_errors=True)
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise _in_the_way(target)
    if target.exists():
        os.rename(target, outgoing)
    os.rename(aside, target)
    sync_directory(target.parent)
    shutil.rmtree(outgoing, ignore_errors=True)


def _in_the_way(path: Path) -> BrightrunError:
    return BrightrunError(
        "something else is where a file of the run belongs",
        where=str(path),
        kind=ErrorKind.IN_THE_WAY,
        fix="move it away; nothing was written to it",
    )
