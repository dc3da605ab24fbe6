"""What most verbs need: the paths and the open store, inside one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from brightrun_tui.commands.shared.output import say
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.store import Database, open_database

Result = TypeVar("Result")

_look_only = False


@dataclass(frozen=True)
class Session:
    """One call of the command line."""

    paths: Paths
    db: Database


def with_store(action: Callable[[Session], Awaitable[Result]]) -> Result:
    """Run ``action`` with the store open.

    Raises:
        BrightrunError: the store cannot be opened, or whatever ``action`` raises.
    """

    async def main() -> Result:
        paths = get_paths()
        async with open_database(paths.database, waits=say) as db:
            return await action(Session(paths, db))

    return asyncio.run(main())


def forbid_changes() -> None:
    """Let `require_changes` refuse from now on: the person said ``--read-only``."""
    global _look_only
    _look_only = True


def changes_allowed() -> bool:
    """Say whether this call may change something."""
    return not _look_only


def require_changes() -> None:
    """Require that changes are allowed; called by every verb that starts, stops or changes something.

    Raises:
        UsageError: this call is read-only.
    """
    if _look_only:
        raise UsageError(
            "this would change something, and --read-only was given",
            fix="leave --read-only out",
            kind=ErrorKind.READ_ONLY,
        )
