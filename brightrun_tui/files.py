"""Writing and copying files so that a crash at any moment leaves the old state or the new one, never half of it.

What lies in our own directories is for the user alone; what is written where the user asked for it has the user's modes.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from brightrun_tui.domain.disk import disk_full, is_disk_full
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError

_ASIDE = re.compile(r"\..+\.[0-9a-f]{8}")


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of the file at ``path``, which another one in its place does not have; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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


def target_taken(path: Path) -> UsageError:
    """Return the error for a place that a person named, where something is already."""
    return UsageError(
        "there is something already", where=str(path), fix="choose another name", kind=ErrorKind.TARGET_TAKEN
    )


def remove_unfinished(directory: Path) -> None:
    """Remove what `write_atomic` left unfinished below ``directory`` when it was killed. Nobody may be writing there."""
    for path in directory.rglob(".*"):
        if _ASIDE.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def bytes_below(directory: Path) -> int:
    """Return the size of all files below it, links excepted. Others may be writing and removing files there meanwhile."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                found = os.lstat(os.path.join(parent, name))
                total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def copy_synced(source: Path, target: Path) -> None:
    """Copy one regular file's content and wait until it is on the disk. Raises ``OSError``."""
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())


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


def private_directory(directory: Path) -> None:
    """Make sure that there is such a directory of ours, mode 0700 whatever the umask. Raises ``OSError``."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    close_to_others(directory)


def close_to_others(path: Path) -> None:
    """Take every right on a file or directory from everybody but its owner, if it is this user's; a link is left alone."""
    with suppress(OSError):
        facts = path.lstat()
        if facts.st_uid == os.geteuid() and facts.st_mode & 0o077 and not stat.S_ISLNK(facts.st_mode):
            path.chmod(stat.S_IMODE(facts.st_mode) & ~0o077)


def close_tree_to_others(top: Path) -> None:
    """Close all that lies below, too; a file that has another name elsewhere is left alone, as that may not be ours."""
    for directory, names, files in os.walk(top):
        for name in names:
            close_to_others(Path(directory, name))
        for name in files:
            with suppress(OSError):
                if Path(directory, name).lstat().st_nlink == 1:
                    close_to_others(Path(directory, name))


def users_directory(directory: Path, umask: int) -> None:
    """Make sure that there is a directory where the user asked for one; what is made has the modes of ``umask``."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o777 & ~umask)


def give_users_modes(path: Path, umask: int) -> None:
    """Give a file, or a directory and all that lies in it, the modes that the user's own programs would have given."""
    for directory, names, files in os.walk(path):
        for name in names:
            Path(directory, name).chmod(0o777 & ~umask)
        for name in files:
            Path(directory, name).chmod(0o666 & ~umask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)


def write_for_user(path: Path, content: str | bytes, umask: int) -> None:
    """Write, as `write_atomic` does, a file that the user asked for: with the modes of ``umask``. Raises ``OSError``."""
    write_atomic(path, content)
    give_users_modes(path, umask)


def sync_directory(directory: Path) -> None:
    """Make renames and new names in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def plain_disk_errors(where: Path) -> Iterator[None]:
    """Say a full or unwritable disk in one sentence."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(where, fix="free some space and try again") from None
        raise BrightrunError(
            f"cannot write here ({error.strerror or error})",
            where=str(where),
            fix="check the permissions of this directory",
            kind=ErrorKind.NOT_WRITABLE,
        ) from None
