"""What is wrong with a run, judged from its numbers: plain words, the stretch that shows it, and what to do about it.

Pure; whoever has the numbers asks `find_alerts`. What a worker or the engine say themselves are events and notices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from brightrun_tui.domain import humanize
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.run import Run, silence
from brightrun_tui.domain.run_states import RunAction

AlertCode = Literal[
    "silent",
    "diverging",
    "overfitting",
    "flat",
    "gradient_zero",
    "gradient_exploding",
    "budget",
    "budget_short",
    "still_billing",
    "memory_full",
    "hot",
    "throttled",
    "disk_filling",
    "idle",
    "starving",
]

ALERT_CODES: frozenset[str] = frozenset(get_args(AlertCode))

LOOKED_AT = 120
"""Newest points of a curve that whoever asks need give."""
RECENT = 60
"""Newest points that are judged."""
FEWEST = 20
DIVERGES = 1.5
"""Times the least mean loss that the newest mean must be."""
OVERFITS = 1.05
"""Times the best held-out loss that the newest must be, twice in a row, while the training loss still falls."""
FLAT = 0.002
EXPLODES = 10.0
"""Times the median gradient norm."""
BUDGET_SHARES = (0.95, 0.8)
MEMORY_SHARE = 0.97
SHORT = 1.05
"""Times its budget that a run must be expected to cost before that is said: times that are left are not exact."""
IDLE_SHARE, WAITING_SHARE = 0.1, 0.35
"""Load below which a paid machine does next to nothing, and below which a GPU waits more than it computes."""
HOT_MARGIN, HOT = 3.0, 90.0
"""Degrees Celsius below its own limit from which a GPU is hot, and where it does not tell its limit."""
DISK_SHARE, DISK_BYTES = 0.05, 2 << 30
"""A disk with less free space than both is filling up."""


@dataclass(frozen=True)
class Numbers:
    """What is known of a run. Points are (step, value), oldest first, NaN where the worker saw NaN; times in epoch seconds."""

    now: float
    heard_at: float | None = None
    train: Sequence[tuple[int, float]] = ()
    held_out: Sequence[tuple[int, float]] = ()
    gradient: Sequence[tuple[int, float]] = ()
    load: Sequence[float] = ()
    leases: Sequence[Lease] = ()


@dataclass(frozen=True)
class RunAlert:
    """One thing that a person should know.

    Args:
        level: a warning or an error.
        what: one sentence.
        evidence: the numbers that show it.
        steps: the stretch of the curves where it is seen, if any.
        advice: what to do; ``action`` is what the app can do of it at once.
    """

    run_id: str
    code: AlertCode
    level: Level
    what: str
    evidence: str
    advice: str
    action: RunAction | None = None
    steps: tuple[int, int] | None = None

    @property
    def key(self) -> str:
        """By which it is acknowledged: the same trouble of the same run is not said again."""
        return f"{self.run_id}:{self.code}"


def find_alerts(run: Run, numbers: Numbers) -> tuple[RunAlert, ...]:
    """Return everything that is wrong with a run now, the worst first. A run that has ended only has machines that did not."""
    found = [*_machines(run, numbers)]
    if run.active:
        found += [*_learning(run, numbers), *_gradient(run, numbers), *_resources(run, numbers)]
    return tuple(sorted(found, key=lambda alert: alert.level is not Level.ERROR))


def _learning(run: Run, numbers: Numbers) -> Iterator[RunAlert]:
    quiet = silence(run, numbers.heard_at, numbers.now)
    if quiet is not None:
        yield RunAlert(
            run.id,
            "silent",
            Level.WARNING,
            f"silent for {humanize.duration(quiet)}",
            f"the newest step is {run.step:,}",
            "look at its log; if the machine hangs, pause it: it goes on from its newest checkpoint",
            RunAction.PAUSE,
        )
    train = [(step, value) for step, value in numbers.train if value == value][-RECENT:]
    if len(train) < FEWEST:
        return
    quarter = len(train) // 4
    means = [_mean(train[start : start + quarter]) for start in range(0, len(train) - quarter + 1, quarter)]
    least, newest = min(means), means[-1]
    where = (train[0][0], train[-1][0])
    if newest > DIVERGES * least > 0:
        yield RunAlert(
            run.id,
            "diverging",
            Level.ERROR,
            "the training loss grows: it is diverging",
            f"from {humanize.loss(least)} to {humanize.loss(newest)} between the steps {where[0]:,} and {where[1]:,}",
            "stop it, and start again with a third of the learning rate",
            RunAction.STOP,
            where,
        )
    elif len(train) == RECENT and abs(means[-1] - means[0]) < FLAT * abs(means[0]) and run.fraction < 0.8:
        yield RunAlert(
            run.id,
            "flat",
            Level.WARNING,
            "the training loss has stopped falling",
            f"it is {humanize.loss(newest)} since step {where[0]:,}",
            "more steps will hardly help: stop it, or try a higher learning rate",
            RunAction.STOP,
            where,
        )
    held_out = [(step, value) for step, value in numbers.held_out if value == value and step > 0]
    if len(held_out) >= 3:
        best = min(held_out, key=lambda point: point[1])
        if all(value > OVERFITS * best[1] for _, value in held_out[-2:]) and means[-1] <= means[0]:
            yield RunAlert(
                run.id,
                "overfitting",
                Level.WARNING,
                "it learns its training records by heart: the held-out loss rises while the training loss falls",
                f"held out {humanize.loss(best[1])} at step {best[0]:,}, now {humanize.loss(held_out[-1][1])}",
                "stop it: the model is made from the best checkpoint",
                RunAction.STOP,
                (best[0], held_out[-1][0]),
            )


def _gradient(run: Run, numbers: Numbers) -> Iterator[RunAlert]:
    norms = [(step, value) for step, value in numbers.gradient if math.isfinite(value)][-RECENT:]
    if len(norms) < FEWEST:
        return
    middle = sorted(value for _, value in norms)[len(norms) // 2]
    last = norms[-5:]
    if all(value == 0 for _, value in norms[-FEWEST:]):
        yield RunAlert(
            run.id,
            "gradient_zero",
            Level.ERROR,
            "the gradient is 0: nothing is being learned",
            f"since step {norms[-FEWEST][0]:,} at least",
            "stop it; check that the records have answers to learn from",
            RunAction.STOP,
            (norms[-FEWEST][0], norms[-1][0]),
        )
    elif middle > 0 and all(value > EXPLODES * middle for _, value in last):
        yield RunAlert(
            run.id,
            "gradient_exploding",
            Level.ERROR,
            "the gradient explodes",
            f"its norm is {last[-1][1]:.3g}, usually {middle:.3g}",
            "stop it, and start again with a third of the learning rate",
            RunAction.STOP,
            (last[0][0], last[-1][0]),
        )


def _resources(run: Run, numbers: Numbers) -> Iterator[RunAlert]:
    budget = run.limits.budget_usd
    if budget:
        reached = next((share for share in BUDGET_SHARES if run.cost_usd >= share * budget), None)
        if reached is not None:
            yield RunAlert(
                run.id,
                "budget",
                Level.ERROR if reached == BUDGET_SHARES[0] else Level.WARNING,
                f"{humanize.percent(run.cost_usd / budget)} of its budget is spent",
                f"{humanize.money(run.cost_usd)} of {humanize.money(budget)}, {humanize.percent(run.fraction)} of the steps done",
                "before the budget is reached it is saved and its machine returned; pause it to decide later",
                RunAction.PAUSE,
            )
        elif (end := run.cost_at_end(sum(one.rate for one in numbers.leases))) is not None and end > SHORT * budget:
            yield RunAlert(
                run.id,
                "budget_short",
                Level.WARNING,
                "its budget will not last to its end",
                f"about {humanize.money(end)} at the end, {humanize.money(budget)} is its budget",
                "give it more, or fewer epochs; else it is saved and its machine returned before the budget is reached",
                RunAction.CHANGE,
            )
    used, total = run.hardware.memory_used, run.hardware.memory_total
    if used and total and used > MEMORY_SHARE * total:
        yield RunAlert(
            run.id,
            "memory_full",
            Level.WARNING,
            "the memory of its machine is nearly full",
            f"{humanize.size(used)} of {humanize.size(total)}",
            "if it fails, retry with a smaller batch",
        )
    yield from _hardware(run)
    load = max(numbers.load[-FEWEST:]) if len(numbers.load) >= FEWEST else 1.0
    if run.cost_usd and load < IDLE_SHARE:
        yield RunAlert(
            run.id,
            "idle",
            Level.WARNING,
            "a paid machine is doing next to nothing",
            f"its load is {humanize.percent(load)} at most",
            "look at its log, or pause the run",
            RunAction.PAUSE,
        )
    elif run.hardware.power is not None and load < WAITING_SHARE:
        yield RunAlert(
            run.id,
            "starving",
            Level.WARNING,
            "its GPU waits for data more than it computes",
            f"its load is {humanize.percent(load)} at most",
            "a larger micro-batch, or packing, gives it more to do at once: a new run from this one can have it",
        )


def _hardware(run: Run) -> Iterator[RunAlert]:
    facts = run.hardware
    degrees, limit = facts.temperature, facts.temperature_limit
    if degrees is not None and degrees >= (limit - HOT_MARGIN if limit else HOT):
        yield RunAlert(
            run.id,
            "hot",
            Level.WARNING,
            "its GPU is hot",
            f"{degrees:.0f} °C" + (f"; it slows down at {limit:.0f} °C" if limit else ""),
            "check its cooling; it slows down before it is damaged",
        )
    if facts.throttled:
        yield RunAlert(
            run.id,
            "throttled",
            Level.WARNING,
            "its GPU is throttling to protect itself",
            " at ".join(
                part
                for part in (
                    f"{degrees:.0f} °C" if degrees is not None else "heat or power",
                    f"{facts.power:.0f} W" if facts.power is not None else "",
                )
                if part
            ),
            "check its cooling and power; a rented machine that stays like this is worth replacing",
        )
    free, total = facts.disk_free, facts.disk_total
    if free is not None and total and free < min(DISK_BYTES, DISK_SHARE * total):
        yield RunAlert(
            run.id,
            "disk_filling",
            Level.ERROR,
            "the disk of its machine is nearly full",
            f"{humanize.size(free)} of {humanize.size(total)} are free",
            "make room before its next checkpoint, or pause it",
            RunAction.PAUSE,
        )


def _machines(run: Run, numbers: Numbers) -> Iterator[RunAlert]:
    for lease in numbers.leases:
        if lease.state in ("unclear", "releasing") and not run.active:
            yield RunAlert(
                run.id,
                "still_billing",
                Level.ERROR,
                "its machine is not proven gone and may still cost money",
                f"{lease.provider} {lease.provider_id or lease.name}",
                "brightrun reconcile shows every machine that carries our name",
            )


def _mean(points: Sequence[tuple[int, float]]) -> float:
    return sum(value for _, value in points) / max(1, len(points))
