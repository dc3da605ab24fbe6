"""From a curve of any length to what fits on the screen. Pure functions."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Segment = tuple[list[float], list[float]]
"""Steps and values of an unbroken stretch of a curve."""


def reduce(steps: Sequence[int], values: Sequence[float], low: float, high: float, columns: int) -> list[Segment]:
    """At most two points a column, its least and its greatest value; never a mean, which would hide spikes.

    Steps ascend. Only steps in ``low…high`` are taken; NaN ends a stretch, so it is drawn as a gap.
    """
    segments: list[Segment] = []
    xs: list[float] = []
    ys: list[float] = []
    first, last = bisect_left(steps, low), bisect_right(steps, high)
    scale = columns / ((high - low) or 1)
    column, best = -1, (0, math.inf, 0, -math.inf)

    def flush() -> None:
        nonlocal best
        if best[1] == math.inf:
            return
        for step, value in sorted({(best[0], best[1]), (best[2], best[3])}):
            xs.append(step)
            ys.append(value)
        best = (0, math.inf, 0, -math.inf)

    for index in range(first, last):
        value = values[index]
        step = steps[index]
        if value != value:
            flush()
            if xs:
                segments.append((xs, ys))
                xs, ys = [], []
            column = -1
            continue
        here = min(columns - 1, int((step - low) * scale))
        if here != column:
            flush()
            column = here
        if value < best[1]:
            best = (step, value, best[2], best[3])
        if value > best[3]:
            best = (best[0], best[1], step, value)
    flush()
    if xs:
        segments.append((xs, ys))
    return segments


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average without the bias towards zero at the start (Kingma & Ba 2015, §3); NaN stays NaN."""
    mean, share = 0.0, 0.0
    result = []
    for value in values:
        if value != value:
            result.append(value)
            continue
        mean = weight * mean + (1 - weight) * value
        share = weight * share + (1 - weight)
        result.append(mean / share)
    return result


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """About ``wanted`` round numbers between ``low`` and ``high``, at least two: 1, 2 or 5 times a power of ten apart."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / max(1, wanted)
    power = 10 ** math.floor(math.log10(raw))
    found: list[float] = []
    for factor in (10, 5, 2, 1, 0.5, 0.2):
        distance = factor * power
        if len(found) >= 2 and distance < raw:
            break
        first, last = math.ceil(low / distance - 1e-9), math.floor(high / distance + 1e-9)
        found = [index * distance for index in range(first, last + 1)]
    return found


def gap_words(gaps: Sequence[int], what: str = "loss") -> str:
    """“loss is NaN at step 12”, “… at steps 12–18 (7 points)”; empty when there is none."""
    if not gaps:
        return ""
    if len(gaps) == 1:
        return f"{what} is NaN at step {gaps[0]}"
    return f"{what} is NaN at steps {min(gaps)}–{max(gaps)} ({len(gaps)} points)"
