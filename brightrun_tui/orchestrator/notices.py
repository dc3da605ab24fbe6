"""What the engine has to say about a run: each thing once, and taken back when it is no longer so."""

from __future__ import annotations

import time

from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.run import Notice, Run

Notices = tuple[Notice, ...]


def with_notice(run: Run, code: str, message: str, level: Level = Level.WARNING) -> Notices:
    """Return the run's notices with this one, unless one of that code is there."""
    if any(notice.code == code for notice in run.notices):
        return run.notices
    return (*run.notices, Notice(time=time.time(), level=level, code=code, message=message))


def without_notice(run: Run, code: str) -> Notices:
    """Return the run's notices but this one."""
    return tuple(notice for notice in run.notices if notice.code != code)
