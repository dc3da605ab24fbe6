"""What is worth telling people: the kinds of news, and what is new about a run between two looks at it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from brightrun_tui.domain.alerts import ALERT_CODES
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.run import Notice, Run
from brightrun_tui.domain.text import one_line

if TYPE_CHECKING:
    from brightrun_tui.domain.endpoint import Endpoint


class NewsKind(StrEnum):
    """What a piece of news is about: by these people choose what a channel tells them."""

    DONE = "done"
    FAILED = "failed"
    NEEDS_YOU = "needs_you"
    BUDGET = "budget"
    MACHINE = "machine"
    QUALITY = "quality"
    SERVICE = "service"
    ALERT = "alert"

    @property
    def words(self) -> str:
        """What people read."""
        return _WORDS[self]


_WORDS = {
    NewsKind.DONE: "a run has ended",
    NewsKind.FAILED: "a run has failed",
    NewsKind.NEEDS_YOU: "a run needs you",
    NewsKind.BUDGET: "money",
    NewsKind.MACHINE: "a machine was replaced or returned",
    NewsKind.QUALITY: "better or worse than the champion",
    NewsKind.SERVICE: "a service does not work",
    NewsKind.ALERT: "other warnings",
}


@dataclass(frozen=True)
class Notification:
    """One thing worth knowing. ``code`` is machine-readable (``run_completed``, ``budget_warn_80`` …), ``message`` a sentence fit
    to be shown; ``time`` in seconds since the epoch. ``run_id`` and ``run_name`` are empty if it is about no run; ``model`` is
    ``name:version`` where it is about a model. ``key`` is the same however often one and the same thing is found out.
    """

    run_id: str
    run_name: str
    code: str
    level: Level
    message: str
    time: float
    kind: NewsKind = NewsKind.ALERT
    model: str = ""
    key: str = ""
    id: int = 0
    read_at: float | None = None

    @property
    def subject(self) -> str:
        """The run or the model that it is about; empty if it is about neither."""
        return self.run_name or self.model


_ENDINGS = {
    "completed": (Level.INFO, NewsKind.DONE),
    "stopped": (Level.INFO, NewsKind.DONE),
    "failed": (Level.ERROR, NewsKind.FAILED),
}
"""States whose coming is worth a word."""

_KINDS = {
    NoticeCode.BUDGET_WARN_80: NewsKind.BUDGET,
    NoticeCode.BUDGET_WARN_95: NewsKind.BUDGET,
    NoticeCode.BUDGET_FINISH: NewsKind.BUDGET,
    NoticeCode.BUDGET_RELEASE: NewsKind.BUDGET,
    NoticeCode.BUDGET_SPENT: NewsKind.BUDGET,
    NoticeCode.DEARER: NewsKind.BUDGET,
    NoticeCode.FIRST_STEP: NewsKind.BUDGET,
    NoticeCode.MACHINE_GIVEN_UP: NewsKind.MACHINE,
    NoticeCode.MACHINE_GONE: NewsKind.MACHINE,
    NoticeCode.MACHINE_IDLE: NewsKind.MACHINE,
    NoticeCode.MACHINE_KEPT: NewsKind.MACHINE,
    NoticeCode.MACHINE_LIES: NewsKind.MACHINE,
    NoticeCode.MACHINE_UNATTENDED: NewsKind.MACHINE,
    NoticeCode.STUCK: NewsKind.NEEDS_YOU,
    NoticeCode.STOPPED_EARLY: NewsKind.DONE,
}
"""What the other codes tell is an alert."""

_ONCE = (NoticeCode.BAD_EVENT,)
"""Codes of which the first is news, and all the others of a run are not."""


def news(before: Run, now: Run) -> tuple[Notification, ...]:
    """Return notices that were not there before, and how the run has ended. Who judges its numbers tells of that itself."""
    known = {_key(notice) for notice in before.notices}
    found = [
        told_of(now, notice.code, _level(notice.level), notice.message, notice.time)
        for notice in now.notices
        if _key(notice) not in known
        and notice.code not in ALERT_CODES
        and not (notice.code in _ONCE and any(notice.code == code for code, _ in known))
    ]
    if now.state in _ENDINGS and before.state != now.state:
        level, kind = _ENDINGS[now.state]
        moment = now.finished_at or now.updated_at
        found.append(told_of(now, f"run_{now.state}", level, _ending(now), moment, kind=kind))
    return tuple(found)


def told_of(
    run: Run, code: str, level: Level | str, message: str, time: float, *, kind: NewsKind | None = None
) -> Notification:
    """Return a piece of news about a run, its texts made fit to be shown; its kind is told by its code unless it is given."""
    model = f"{run.model}:{run.model_version}" if run.model and run.model_version is not None else ""
    return Notification(
        run_id=run.id,
        run_name=one_line(run.name),
        code=code,
        level=_level(level),
        message=one_line(message),
        time=time,
        kind=kind or _kind(code),
        model=model,
        key=f"run {run.id} {code} {time}",
    )


def told_of_endpoint(endpoint: Endpoint, code: str, level: Level | str, message: str, time: float) -> Notification:
    """Return a piece of news about an endpoint's machine, as `told_of` of a run."""
    return Notification(
        run_id="",
        run_name="",
        code=code,
        level=_level(level),
        message=one_line(f"endpoint {endpoint.id}: {message}"),
        time=time,
        kind=_kind(code),
        model=f"{endpoint.model}:{endpoint.model_version}",
        key=f"endpoint {endpoint.id} {endpoint.deployment} {code} {time}",
    )


def _ending(run: Run) -> str:
    if run.state == "failed" and run.failure:
        return run.failure.cause
    if run.spec.measures:
        return f"measuring {run.spec.measures.ref} on {run.spec.dataset.name} has {run.state}"
    if run.model and run.model_version is not None:
        return f"the run has {run.state}; its model is {run.model}:{run.model_version}"
    return f"the run has {run.state}"


def _kind(code: str) -> NewsKind:
    return next((kind for known, kind in _KINDS.items() if known.covers(code)), NewsKind.ALERT)


def _key(notice: Notice) -> tuple[str, float]:
    return notice.code, notice.time


def _level(level: str) -> Level:
    return Level(level) if level in set(Level) else Level.WARNING
