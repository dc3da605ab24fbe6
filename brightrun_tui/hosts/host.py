"""A host is a machine in hand. Four verbs are all that a run needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from brightrun_tui.domain.manifest import FileFacts


@dataclass(frozen=True)
class JobStatus:
    """What became of a detached command. ``exit_code`` is None while it runs or when it vanished without a word."""

    running: bool
    exit_code: int | None = None
    pid: int | None = None


class Host(Protocol):
    """Paths given to a host are relative to the run's directory there, or absolute on that machine."""

    @property
    def directory(self) -> PurePosixPath:
        """The run's directory on the host."""
        ...

    async def put(self, source: Path, target: str) -> None:
        """Copy a file or directory there; a broken transfer is resumed, and nothing half-written gets the final name."""
        ...

    async def start(self, name: str, argv: list[str], *, environment: dict[str, str]) -> int:
        """Start a detached command that outlives this process and connection; returns its pid.

        Its output goes to ``<name>.log``; ``<name>.pid`` and, when it ends, ``<name>.rc`` are written beside it.
        """
        ...

    async def status(self, name: str) -> JobStatus:
        """Say whether the command started under ``name`` still runs, and how it ended."""
        ...

    async def signal(self, name: str, number: int) -> None:
        """Send a signal to the command's whole process group; nothing happens when it is gone."""
        ...

    async def read(self, path: str, offset: int, limit: int = 4 << 20) -> bytes:
        """Return up to ``limit`` bytes from ``offset``; empty at the end of the file or when there is none yet."""
        ...

    async def get(self, source: str, target: Path, facts: FileFacts) -> None:
        """Copy the file that ``facts`` describes from there, into a directory that exists.

        Raises:
            FileNotFoundError: there is none.
            MachineLiesError: it is another one; nothing has its final name then.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection; whatever was started runs on."""
        ...
