"""What a remedy changes, what becomes of the plan by it, and how the command line says it."""

from __future__ import annotations

from shlex import quote

from brightrun_tui.domain import humanize
from brightrun_tui.domain.settings import setting_title, show_value
from brightrun_tui.planning.estimate import FATES
from brightrun_tui.planning.levers import PlanChange, share_over
from brightrun_tui.planning.plan import Plan

NOTICEABLE = 0.02
"""A smaller change of time or cost is not worth a word."""
FIELDS = {
    "base": ("base model", "--base"),
    "budget_usd": ("budget", "--budget"),
    "max_hours": ("time limit", "--max-hours"),
    "gpu": ("GPU", "--gpu"),
    "name": ("name", "--name"),
}
"""Field of the draft → what people call it, and its option."""
OPTIONS = {"machine.gpus": "--gpus"}
"""Settings that have an option of their own."""
BRIEF = {
    "training.gradient_checkpointing": "checkpointing",
    "training.micro_batch_size": "micro-batch {}",
    "training.optim": "8-bit optimiser",
    "quantisation.method": "NF4",
    "data.max_length": "max length {:,}",
    "lora.r": "rank {}",
}
"""Settings that let a run fit, by what is set."""


def words(before: Plan, after: Plan, change: PlanChange) -> str:
    """Return ``Epochs 3 → 2.4``."""
    said = [
        f"{setting_title(key)} {show_value(before.settings.value(key))} → {show_value(after.settings.value(key))}"
        if value is not None
        else f"{setting_title(key)} as the template says: {show_value(after.settings.value(key))}"
        for key, value in change.overrides.items()
    ]
    for name, value in change.fields.items():
        title = FIELDS[name][0]
        if name == "base":
            said.append(f"{title} {after.base.title if after.base else value}")
        elif name == "gpu":
            said.append(f"any GPU that fits instead of {before.draft.gpu}, asked for anew")
        elif value is None:
            said.append(f"no {title}")
        else:
            was = getattr(before.draft, name)
            said.append(f"{title} {_amount(name, was)} → {_amount(name, value)}")
    return ", ".join(said)


def brief(change: PlanChange) -> str:
    """Return ``NF4`` or ``max length 1,024``: what fits into a column."""
    said = [
        BRIEF[key].format(value) if key in BRIEF else setting_title(key).lower()
        for key, value in change.overrides.items()
    ]
    return ", ".join([*said, *(f"another {FIELDS[name][0]}" for name in change.fields)])


def effect(before: Plan, after: Plan) -> str:
    """Return what becomes of memory, time, cost and records; empty where nothing of them changes."""
    old, new, said = before.estimate, after.estimate, []
    if new is None:
        return ""
    if old is None:
        return f"{humanize.size(new.memory)} of memory, {humanize.duration(new.seconds)}"
    pairs = [
        ("memory", humanize.size, old.memory, new.memory),
        ("time", humanize.duration, old.seconds, new.seconds),
        *([("cost", humanize.money, old.cost_usd, new.cost_usd)] if new.price_per_hour else []),
        ("disk", humanize.size, old.disk, new.disk),
    ]
    for title, said_as, was, will_be in pairs:
        if _differs(was, will_be) and said_as(was) != said_as(will_be):
            said.append(f"{title} {said_as(was)} → {said_as(will_be)}")
    over = share_over(after)
    if after.report and over and (over, _fate(after)) != (share_over(before), _fate(before)):
        about = max(1, round(after.report.usable * over))
        said.append(f"about {about:,} of {after.report.usable:,} records {_fate(after)}")
    return ", ".join(said)


def option(change: PlanChange) -> str:
    """Return the change as options of the command line; where an option is to be left out, that is said."""
    said = [
        f"--set {key}={quote(show_value(value))}"
        if value is not None
        else f"without {OPTIONS.get(key, f'--set {key}')}"
        for key, value in change.overrides.items()
    ]
    for name, value in change.fields.items():
        flag = FIELDS[name][1]
        said.append(f"{flag} {quote(show_value(value))}" if value not in (None, "") else f"without {flag}")
    return " ".join(said)


def _fate(plan: Plan) -> str:
    return FATES[plan.settings.data.over_length]


def _differs(old: float, new: float) -> bool:
    return abs(new - old) > NOTICEABLE * max(old, new)


def _amount(name: str, value: str | float | None) -> str:
    if value is None:
        return humanize.NOTHING
    if isinstance(value, str):
        return f"“{value}”"
    return humanize.money(value) if name == "budget_usd" else f"{value:g} h"
