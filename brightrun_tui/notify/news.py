"""What is new about a run between two looks at it. Pure."""

from __future__ import annotations

from brightrun_tui.domain.run import Notice, Run
from brightrun_tui.domain.text import one_line
from brightrun_tui.notify.channel import Level, Notification

ENDINGS = {"completed": Level.INFO, "stopped": Level.INFO, "failed": Level.ERROR}
"""States whose coming is worth a word."""


def news(before: Run | None, now: Run) -> tuple[Notification, ...]:
    """Notices that were not there before, and how the run has ended. ``before`` None: everything about it is new."""
    known = {_key(notice) for notice in before.notices} if before else set()
    found = [
        _told(now, notice.code, _level(notice), notice.message, notice.time)
        for notice in now.notices
        if _key(notice) not in known
    ]
    if now.state in ENDINGS and (before is None or before.state != now.state):
        found.append(
            _told(now, f"run_{now.state}", ENDINGS[now.state], _ending(now), now.finished_at or now.updated_at)
        )
    return tuple(found)


def _ending(run: Run) -> str:
    if run.state == "failed" and run.failure:
        return run.failure.cause
    if run.model and run.model_version is not None:
        return f"the run has {run.state}; its model is {run.model}:{run.model_version}"
    return f"the run has {run.state}"


def _told(run: Run, code: str, level: Level, message: str, time: float) -> Notification:
    return Notification(run.id, one_line(run.name), code, level, one_line(message), time)


def _key(notice: Notice) -> tuple[str, float]:
    return notice.code, notice.time


def _level(notice: Notice) -> Level:
    return Level(notice.level) if notice.level in set(Level) else Level.WARNING
