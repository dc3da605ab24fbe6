"""One metric of one run as Monitor keeps it: of any length in the same room."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from brightrun_tui.store.metrics import CurveEntry

MOST_ENTRIES = 8_192
"""Beyond this neighbours are put together, so that a million points cost what a few thousand do."""
MOST_GAPS = 1_000


class Curve:
    """Values by step. Points only ever get added or replaced; ``version`` counts the changes.

    Every entry stands for one point, or for several neighbours of a long run: ``steps`` has its first step, ``times`` the
    moment of it, ``values`` their mean, ``lows`` and ``highs`` the extremes, ``counts`` how many. NaN is an entry of its own.
    ``behind`` has what was learnt behind the step that the run went back to, until those steps are taken again.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.times: list[float] = []
        self.values: list[float] = []
        self.lows: list[float] = []
        self.highs: list[float] = []
        self.counts: list[int] = []
        self.gaps: list[int] = []
        self.behind: list[CurveEntry] = []
        self.last = math.nan
        self.version = 0

    @property
    def coarse(self) -> bool:
        """Whether some entries stand for several points."""
        return bool(self.counts) and max(self.counts[0], self.counts[len(self.counts) // 2]) > 1

    def copy(self) -> Curve:
        """Return it as it is now, for a thread."""
        other = Curve()
        for name in ("steps", "times", "values", "lows", "highs", "counts", "gaps", "behind"):
            setattr(other, name, list(getattr(self, name)))
        other.last, other.version = self.last, self.version
        return other

    def add(self, step: int, value: float | None, time: float = 0.0) -> None:
        """Add a point. ``value`` None (the worker saw NaN or infinity) is kept as NaN and its step among ``gaps``."""
        number = math.nan if value is None or not math.isfinite(value) else value
        if self.steps and step <= self.steps[-1]:
            self._replace(step, number, time)
        else:
            self._append(step, number, number, number, 1, time)
            self.last = number
        if step in self.gaps:
            self.gaps.remove(step)
        if math.isnan(number) and len(self.gaps) < MOST_GAPS:
            self.gaps.append(step)
        self.version += 1
        if len(self.steps) > MOST_ENTRIES:
            self._halve()

    def extend(self, entries: Iterable[CurveEntry]) -> None:
        """Add entries behind the last one."""
        for step, low, high, mean, count, time in entries:
            self._append(step, low, high, mean, count, time)
            self.last = mean
            if len(self.steps) > MOST_ENTRIES:
                self._halve()
        self.version += 1

    def go_back(self, reached: int) -> None:
        """Put aside what is beyond ``reached``, the run's position; of what was put aside before, what was computed
        again is dropped.
        """
        before = len(self.steps), len(self.behind)
        columns = (self.steps, self.lows, self.highs, self.values, self.counts, self.times)
        first = bisect_right(self.steps, reached)
        aside = [*zip(*(column[first:] for column in columns), strict=True), *self.behind]
        self.behind = [entry for entry in aside if entry[0] > reached]
        for column in columns:
            del column[first:]
        if before != (len(self.steps), len(self.behind)):
            self.gaps = [step for step in self.gaps if step <= reached]
            self.last = self.values[-1] if self.values else math.nan
            self.version += 1

    def _append(self, step: int, low: float, high: float, mean: float, count: int, time: float) -> None:
        self.steps.append(step)
        self.lows.append(low)
        self.highs.append(high)
        self.values.append(mean)
        self.counts.append(count)
        self.times.append(time)

    def _replace(self, step: int, value: float, time: float) -> None:
        index = bisect_left(self.steps, step)
        if index < len(self.steps) and self.steps[index] == step and self.counts[index] == 1:
            self.values[index] = self.lows[index] = self.highs[index] = value
            self.times[index] = time
            if index == len(self.steps) - 1:
                self.last = value
        elif index and self.counts[index - 1] > 1:
            if value == value:
                self.lows[index - 1] = min(self.lows[index - 1], value)
                self.highs[index - 1] = max(self.highs[index - 1], value)
        else:
            self.steps.insert(index, step)
            self.counts.insert(index, 1)
            self.times.insert(index, time)
            for column in (self.values, self.lows, self.highs):
                column.insert(index, value)

    def _halve(self) -> None:
        """Put neighbours together in pairs; a gap stays alone."""
        old = list(zip(self.steps, self.lows, self.highs, self.values, self.counts, self.times, strict=True))
        self.steps, self.lows, self.highs, self.values, self.counts, self.times = [], [], [], [], [], []
        index = 0
        while index < len(old):
            step, low, high, mean, count, time = old[index]
            index += 1
            if index < len(old) and mean == mean and old[index][3] == old[index][3]:
                _, other_low, other_high, other_mean, other_count, _ = old[index]
                low, high = min(low, other_low), max(high, other_high)
                mean = (mean * count + other_mean * other_count) / (count + other_count)
                count += other_count
                index += 1
            self._append(step, low, high, mean, count, time)
