"""Writing and copying files so that a crash at any moment leaves the old state or the new one, never half of it."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brightrun_tui.domain.errors import BrightrunError


def write_atomic(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` by ``content``: written aside, synced, renamed. Raises ``OSError``."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def copy_synced(source: Path, target: Path, *, mode: int = 0o644) -> None:
    """Copy one regular file's content and wait until it is on the disk. Raises ``OSError``."""
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
    target.chmod(mode)


def fsync_tree(directory: Path) -> None:
    """Flush every file below ``directory``, then the directories themselves. Raises ``OSError``."""
    for folder, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(Path(folder) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(folder))


def move_into_place(finished: Path, target: Path) -> None:
    """Give a finished directory its final name, durably. Raises ``OSError`` when ``target`` exists and is not empty."""
    sync_directory(finished)
    os.rename(finished, target)
    sync_directory(target.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and new names in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def plain_disk_errors(where: Path) -> Iterator[None]:
    """Says a full or unwritable disk in one sentence."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise BrightrunError("the disk is full" if full else f"cannot write here ({error.strerror or error})", where=str(where),
                             fix="free some space and try again" if full else "check the permissions of this directory",
                             kind="disk_full" if full else "not_writable") from None
