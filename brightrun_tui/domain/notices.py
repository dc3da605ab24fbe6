"""What a notice of a run or an endpoint is about, as programs know it: its ``code`` in JSON and in the store. Values are API."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class NoticeCode(StrEnum):
    """What the engine has to say. What a run's own numbers say is an `AlertCode`, what its worker says has the worker's words."""

    BAD_EVENT = "bad_event"
    BUDGET_WARN_80 = "budget_warn_80"
    BUDGET_WARN_95 = "budget_warn_95"
    BUDGET_FINISH = "budget_finish"
    BUDGET_RELEASE = "budget_release"
    BUDGET_SPENT = "budget_spent"
    CLOCK = "clock"
    DEARER = "dearer"
    ENDPOINT_FAILED = "endpoint_failed"
    FIRST_STEP = "first_step"
    MACHINE_GIVEN_UP = "machine_given_up"
    MACHINE_GONE = "machine_gone"
    MACHINE_IDLE = "machine_idle"
    MACHINE_KEPT = "machine_kept"
    MACHINE_LIES = "machine_lies"
    MACHINE_UNATTENDED = "machine_unattended"
    MANY_CURVES = "many_curves"
    NOT_JUDGED = "not_judged"
    PRICE_CHANGED = "price_changed"
    STOPPED_EARLY = "stopped_early"
    STUCK = "stuck"
    TIME_LIMIT = "time_limit"
    VERSION_REFUSED = "version_refused"

    def told_apart(self, *by: object) -> str:
        """Return the code of one of several of its kind: ``clock_1764550000``."""
        return "_".join(map(str, (self, *by)))

    def covers(self, code: str) -> bool:
        """Say whether a code is this one, or one of several of its kind."""
        return code == self or code.startswith(f"{self}_")


BUDGET_WARNINGS = frozenset({NoticeCode.BUDGET_WARN_80, NoticeCode.BUDGET_WARN_95})
"""So much of the money is spent, and nothing is done about it yet."""
