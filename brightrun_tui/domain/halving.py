"""Successive halving: a run of a sweep that is clearly behind the others at the same point is stopped early. Pure.

Looked at at a quarter and at half of the steps, as each run comes there: it goes on while its held-out loss is among the better
half of all that have come as far, or at most `MARGIN` behind it. Runs may come one after the other or side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from brightrun_tui.domain.run import Run

RUNGS = (0.25, 0.5)
"""Parts of the run at which it is looked at."""
MARGIN = 0.01
"""By how much worse than the better half still counts as it: less is chance."""
RULE = (
    "At a quarter and at half of its steps a run is stopped when its held-out loss is more than "
    f"{100 * MARGIN:g}% worse than the better half of the runs that got that far. What it has learned is kept."
)
NOT_COMPARABLE = "All run to their end: their held-out losses cannot be compared, as their data settings differ."


class Entrant(NamedTuple):
    """``steps``: of the whole run. ``losses``: held-out loss by step, in their order; None where it was NaN or infinite."""

    steps: int
    losses: Sequence[tuple[int, float | None]]

    def loss_at(self, rung: float) -> float | None:
        """Return the first loss measured at or after that part of the run; infinite for NaN, None where it has not come
        so far.
        """
        found = next((loss for step, loss in self.losses if step > 0 and step >= rung * self.steps), math.nan)
        return None if found is not None and math.isnan(found) else math.inf if found is None else found


class Behind(NamedTuple):
    """At the part ``rung`` of the run its ``loss`` was worse than ``bar``, the worst of the better half of so many ``runs``."""

    rung: float
    loss: float
    bar: float
    runs: int

    @property
    def words(self) -> str:
        loss = f"{self.loss:.3f}" if math.isfinite(self.loss) else "not a number"
        return (
            f"stopped early: after {100 * self.rung:.0f}% of its steps the held-out loss is {loss}; the better half of the "
            f"{self.runs} runs of the sweep that got that far is at {self.bar:.3f} or below"
        )


def falls_behind(own: Entrant, others: Sequence[Entrant]) -> Behind | None:
    """Say whether a run is to be stopped, judged at the furthest point that it and another have reached."""
    for rung in reversed(RUNGS):
        loss = own.loss_at(rung)
        there = [found for other in others if (found := other.loss_at(rung)) is not None]
        if loss is None or not there:
            continue
        ranked = sorted([loss, *there])
        bar = ranked[math.ceil(len(ranked) / 2) - 1]
        behind = math.isfinite(bar) and loss > bar + MARGIN * abs(bar)
        return Behind(rung, loss, bar, len(ranked)) if behind else None
    return None


def comparable(one: Run, other: Run) -> bool:
    """Say whether the held-out losses of two runs mean the same: the same sweep, base, records and settings of the data."""
    a, b = one.spec, other.spec
    return (
        bool(a.group)
        and a.group == b.group
        and a.dataset.fingerprint == b.dataset.fingerprint
        and a.base.id == b.base.id
        and a.settings.data == b.settings.data
        and a.settings.training.objective == b.settings.training.objective
    )
