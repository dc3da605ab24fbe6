"""Which runs the list shows, and in what order. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from brightrun_tui.domain.run import Run
from brightrun_tui.tui.widgets.run_columns import GROUPS, SORTS
from brightrun_tui.tui.widgets.run_filter import matches

UNFOLDED = 3
"""Ended runs, the newest ones, that stay in sight while the past is folded away."""


@dataclass(frozen=True)
class RunOrder:
    """How the list is arranged; empty names mean: what moves first, not grouped."""

    filter: str = ""
    sort: str = ""
    reverse: bool = False
    group: str = ""
    folded: bool = False


@dataclass(frozen=True)
class RunGroup:
    """Runs below one caption; the caption is empty where nothing is grouped. ``hidden``: how many the fold holds back."""

    caption: str
    runs: tuple[Run, ...]
    hidden: int = 0


def arrange(runs: Sequence[Run], order: RunOrder, pinned: Collection[str], stays: str = "") -> list[RunGroup]:
    """Return the runs that fit the filter, pinned ones first, then by column, else by urgency; each in one group.

    ``stays``: the id of the chosen run where that was at work when it was chosen. Once it has ended it stays above the past, so
    that a list that nobody touches goes on showing what is at work.
    """
    shown = sorted(
        (run for run in runs if matches(order.filter, run)),
        key=lambda run: (2, math.inf) if run.id == stays and urgency(run)[0] > 2 else urgency(run),
    )
    if order.sort in SORTS:
        key = SORTS[order.sort][1]
        known = [run for run in shown if key(run) is not None]
        known.sort(key=lambda run: key(run), reverse=order.reverse)  # type: ignore[arg-type, return-value]
        shown = known + [run for run in shown if key(run) is None]
    shown.sort(key=lambda run: run.id not in pinned)
    hidden = 0
    if order.folded and not order.filter:
        past = [run for run in shown if not run.active and run.state != "paused" and run.id not in pinned]
        kept = {run.id for run in sorted(past, key=urgency)[:UNFOLDED]}
        folded = {run.id for run in past} - kept
        hidden = len(folded)
        shown = [run for run in shown if run.id not in folded]
    if order.group not in GROUPS:
        return [RunGroup("", tuple(shown), hidden)]
    name_of = GROUPS[order.group][1]
    groups: dict[str, list[Run]] = {}
    for run in shown:
        groups.setdefault(name_of(run), []).append(run)
    found = [RunGroup(name, tuple(members)) for name, members in groups.items()]
    return [*found, RunGroup("", (), hidden)] if hidden else found


def urgency(run: Run) -> tuple[int, float]:
    """Return a sort key: what moves comes first, then what waits for a person, then the past; newest first in each."""
    order = 0 if run.active and run.state != "queued" else 1 if run.active else 2 if run.state == "paused" else 3
    return order, run.waits_since if run.state == "queued" else -run.created_at
