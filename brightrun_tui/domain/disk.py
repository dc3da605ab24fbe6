"""The disk is full: how that is recognised, and what is said of it."""

from __future__ import annotations

import errno
import os
import shutil
from os import PathLike
from typing import TypeVar

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError

DISK_IS_FULL = "the disk is full"
WRITABLE_HOME = "set BRIGHTRUN_HOME to a directory you can write"
LARGER_HOME = "free some space, or set BRIGHTRUN_HOME to a larger disk"

LOW_BYTES = 1 << 20
"""With less free space than this a store can hardly be written."""

Error = TypeVar("Error", bound=BrightrunError)


def is_disk_full(error: BaseException) -> bool:
    """Say whether the system refused a write for want of space, or of the user's share of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def nearly_full(directory: str | PathLike[str]) -> bool:
    """Say whether there is so little room that a store can hardly be written. One that cannot be asked is not full."""
    try:
        return shutil.disk_usage(directory).free < LOW_BYTES
    except OSError:
        return False


def no_temporary_place(error: BaseException) -> BrightrunError | None:
    """Return the error to raise where Python found no directory for temporary files in which it may write; None for any other."""
    if (
        not isinstance(error, FileNotFoundError)
        or error.filename is not None
        or "temporary" not in (error.strerror or "")
    ):
        return None
    return BrightrunError(
        "there is no directory for temporary files that can be written",
        where=os.environ.get("TMPDIR", "/tmp"),
        fix="free some space there, or let TMPDIR name another one",
        kind=ErrorKind.DISK_FULL,
    )


def disk_full(where: str | PathLike[str], *, fix: str = LARGER_HOME) -> BrightrunError:
    """Return the error to raise."""
    return disk_full_as(BrightrunError, where, fix=fix)


def disk_full_as(kind: type[Error], where: str | PathLike[str], *, fix: str = LARGER_HOME) -> Error:
    """Return the same, as an error of a class that callers wait for."""
    return kind(DISK_IS_FULL, where=str(where), fix=fix, kind=ErrorKind.DISK_FULL)
