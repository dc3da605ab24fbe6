"""For what is red in a plan: the smallest single change that makes it green, found by planning with that change."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.settings import Overrides, SettingValue
from brightrun_tui.paths import Paths
from brightrun_tui.planning.check import Check, CheckName
from brightrun_tui.planning.draft import Draft, DraftFields
from brightrun_tui.planning.levers import LEVERS, Lever, PlanChange
from brightrun_tui.planning.plan import Plan, make_plan
from brightrun_tui.planning.remedy_words import brief, effect, option, words
from brightrun_tui.providers.base import Account

MENDED_WARNINGS = (CheckName.LANGUAGE,)
"""Checks that only warn, and for which a change is looked for all the same."""
_OPEN = (ErrorKind.NO_OFFER,)
"""A check that fails so is answered by the next question, not by another change: which machine, at which price."""


class Remedy(BaseModel):
    """One change of a draft that makes the check ``check`` pass and breaks no other.

    ``overrides``: settings by dotted key, None takes back what the person set; ``fields``: of the draft itself. ``words``: the
    change, as ``Max length 4,096 → 2,048``; ``brief``: what it comes to, as ``max length 2,048``; ``effect``: what
    becomes of memory, time, cost and records; ``option``: the same for the command line.
    """

    model_config = ConfigDict(frozen=True)

    check: CheckName
    overrides: dict[str, SettingValue] = {}
    fields: DraftFields = {}
    words: str
    brief: str
    effect: str
    option: str


class _Tried(NamedTuple):
    change: PlanChange
    plan: Plan


def find_remedies(
    plan: Plan, paths: Paths, *, account: Account | BrightrunError | None = None, refusal: BrightrunError | None = None
) -> tuple[Remedy, ...]:
    """Find at most one remedy for each failed check, in the order of the checks, then for each of `MENDED_WARNINGS`.
    What no single change can mend has none.

    ``account`` and ``refusal`` as for `make_plan`. Blocking: plans some dozens of times, a few milliseconds each.
    """

    def attempt(change: PlanChange) -> Plan:
        keeps = "gpu" not in change.fields
        return make_plan(
            changed(plan.draft, change.overrides, change.fields),
            paths,
            offer=plan.offer if keeps else None,
            account=account if keeps else None,
            refusal=refusal if keeps else None,
        )

    red = [check for check in plan.checks if check.error is not None and check.error.kind not in _OPEN]
    red += [check for check in plan.checks if _is_warning(check)]
    found = (_remedy(plan, check, LEVERS.get(check.name, ()), attempt, paths) for check in red)
    return tuple(remedy for remedy in found if remedy is not None)


def fit_with(plan: Plan, base: str, paths: Paths, *, rest: float = 0.0) -> Remedy | None:
    """Return the smallest single change with which the run of ``plan`` would fit on its machine with another base, where it
    does not, or is tight; the same as `find_remedies` would find for its memory, but never another base still.

    Blocking: plans some dozens of times. Asks no network for a base of `list_bases`.

    Args:
        rest: seconds between two plans, in which a thread that draws has the interpreter to itself.
    """
    offer = plan.offer

    def attempt(change: PlanChange) -> Plan:
        time.sleep(rest)
        return make_plan(
            changed(plan.draft, change.overrides, {"base": base, **change.fields}),
            paths,
            offer=None if "gpu" in change.fields else offer,
        )

    chosen = attempt(PlanChange())
    check = next((check for check in chosen.checks if check.name == CheckName.MEMORY), None)
    if check is None or chosen.estimate is None or chosen.estimate.fits == "safe":
        return None
    levers = [lever for lever in LEVERS[check.name] if not lever.other_base]
    return _remedy(chosen, check, levers, attempt, paths)


def changed(draft: Draft, overrides: Overrides, fields: DraftFields) -> Draft:
    """Return the draft with a remedy's ``overrides`` and ``fields`` in it."""
    merged = {**draft.overrides, **overrides}
    kept = {key: value for key, value in merged.items() if value is not None}
    return draft.model_copy(update={"overrides": kept, **fields})


def _remedy(
    plan: Plan, check: Check, levers: Sequence[Lever], attempt: Callable[[PlanChange], Plan], paths: Paths
) -> Remedy | None:
    for lever in levers:
        best = _first_that_mends(plan, check, lever, attempt, paths)
        if best is None:
            continue
        return Remedy(
            check=check.name,
            overrides=dict(best.change.overrides),
            fields=best.change.fields,
            words=words(plan, best.plan, best.change),
            brief=brief(best.change),
            effect=effect(plan, best.plan),
            option=option(best.change),
        )
    return None


def _first_that_mends(
    plan: Plan, check: Check, lever: Lever, attempt: Callable[[PlanChange], Plan], paths: Paths
) -> _Tried | None:
    """Return the first of a lever's changes that mends. Where they go from the least to the most they are halved, not walked."""
    changes = lever.changes(plan, check, paths)
    if lever.apart:
        return next(
            (tried for change in changes if (tried := _mended(plan, check, lever, change, attempt)) is not None), None
        )
    best = _mended(plan, check, lever, changes[-1], attempt) if changes else None
    low, high = 0, len(changes) - 1
    while best is not None and low < high:
        middle = (low + high) // 2
        tried = _mended(plan, check, lever, changes[middle], attempt)
        if tried is None:
            low = middle + 1
        else:
            best, high = tried, middle
    return best


def _mended(
    plan: Plan, check: Check, lever: Lever, change: PlanChange, attempt: Callable[[PlanChange], Plan]
) -> _Tried | None:
    """Return the plan with this change, where it mends the check, breaks nothing, and costs no more than the lever may."""
    tried = attempt(change)
    red = {other.name for other in plan.checks if other.state == "failed"}
    still = {
        other.name
        for other in tried.checks
        if (other.state == "failed" and (other.error is None or other.error.kind not in _OPEN))
        or (_is_warning(other) and _is_warning(check))
    }
    if check.name in still or not still <= red or not lever.accepts(tried):
        return None
    return _Tried(change, tried)


def _is_warning(check: Check) -> bool:
    return check.state == "warning" and check.name in MENDED_WARNINGS
