"""What the system lets a process have no more of: how that is recognised, and what is said of it.

Whoever opens a shell, a container or a service sets such limits; what meets one says so in as many ways as there are libraries.
"""

from __future__ import annotations

import errno
import resource
from dataclasses import dataclass
from typing import TypeVar

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError

Error = TypeVar("Error", bound=BrightrunError)
OTHERS = "end other programs"
_UNLIMITED = resource.RLIM_INFINITY


@dataclass(frozen=True)
class Shortage:
    """One thing of which there is no more."""

    what: str
    flag: str
    number: int

    @property
    def fix(self) -> str:
        """Return what to do: the limit is named if there is one, as the system itself may be at its end."""
        limited = resource.getrlimit(self.number)[0] != _UNLIMITED
        return f"raise the limit of this shell (ulimit {self.flag}), or {OTHERS}" if limited else OTHERS

    def error(self, kind: type[Error], where: str) -> Error:
        """Return the error to raise."""
        return kind(f"the system allows no more {self.what}", where=where, fix=self.fix, kind=ErrorKind.NOT_PERMITTED)


FILES = Shortage("open files", "-n", resource.RLIMIT_NOFILE)
PROCESSES = Shortage("processes or threads", "-u", resource.RLIMIT_NPROC)
MEMORY = Shortage("memory", "-v", resource.RLIMIT_AS)
LENGTH = Shortage("bytes in one file", "-f", resource.RLIMIT_FSIZE)
_BY_NUMBER = {
    errno.EMFILE: FILES,
    errno.ENFILE: FILES,
    errno.EFBIG: LENGTH,
    errno.EAGAIN: PROCESSES,
    errno.ENOMEM: MEMORY,
}


def shortage(error: BaseException) -> Shortage | None:
    """Return of what there was no more when it was raised; None for anything else."""
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0)
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        # the stack of a thread is memory, too: where that is limited, it is the likelier reason
        return MEMORY if resource.getrlimit(resource.RLIMIT_AS)[0] != _UNLIMITED else PROCESSES
    return None


def file_may_grow() -> bool:
    """Say whether files may be of any size here."""
    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] == _UNLIMITED
