"""From a curve of any length to what fits on the screen. Pure functions."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Segment = tuple[list[float], list[float]]
"""Steps and values of an unbroken stretch of a curve."""


def reduce(
    steps: Sequence[float],
    values: Sequence[float],
    low: float,
    high: float,
    columns: int,
    *,
    highs: Sequence[float] | None = None,
    log: bool = False,
) -> list[Segment]:
    """Return at most two points a column, its least and its greatest value; never a mean, which would hide spikes.

    Steps ascend. Only steps in ``low…high`` are taken; NaN ends a stretch, so it is drawn as a gap. ``highs``: the
    greatest values of entries that stand for several points; ``values`` are the least then. ``log``: columns on a
    logarithmic axis.
    """
    greatest = values if highs is None else highs
    segments: list[Segment] = []
    xs: list[float] = []
    ys: list[float] = []
    first, last = bisect_left(steps, low), bisect_right(steps, high)
    origin = math.log1p(max(0.0, low)) if log else low
    scale = columns / (((math.log1p(max(0.0, high)) if log else high) - origin) or 1)
    column, best = -1, (0.0, math.inf, 0.0, -math.inf)

    def flush() -> None:
        nonlocal best
        if best[1] == math.inf:
            return
        for step, value in sorted({(best[0], best[1]), (best[2], best[3])}):
            xs.append(step)
            ys.append(bounded(value))
        best = (0.0, math.inf, 0.0, -math.inf)

    for index in range(first, last):
        value, top = values[index], greatest[index]
        step = steps[index]
        if value != value:
            flush()
            if xs:
                segments.append((xs, ys))
                xs, ys = [], []
            column = -1
            continue
        here = min(columns - 1, int(((math.log1p(max(0.0, step)) if log else step) - origin) * scale))
        if here != column:
            flush()
            column = here
        if value < best[1]:
            best = (step, value, best[2], best[3])
        if top > best[3]:
            best = (best[0], best[1], step, top)
    flush()
    if xs:
        segments.append((xs, ys))
    return segments


LARGEST = 1e200
"""What is beyond is drawn there: with larger ones there is no reckoning."""
FINE = 1 << 80
"""Parts of one in which means are summed up."""


def bounded(value: float) -> float:
    """Return the value as far as it can be reckoned with."""
    return max(-LARGEST, min(LARGEST, value))


FEWEST_TO_SMOOTH = 60
"""Points below which a curve is drawn as it is: a mean over so few would tell another story than the points."""


def smooth(values: Sequence[float]) -> list[float]:
    """Return the mean of a window around every point, a twentieth of the curve wide; at the ends it narrows on both sides alike.

    It does not lag: where the values fall, the mean is not above them for long, as a moving average of the past would be. NaN
    stays NaN and does not count. A curve of fewer than `FEWEST_TO_SMOOTH` points comes back as it is.
    """
    if len(values) < FEWEST_TO_SMOOTH:
        return list(values)
    widest = max(2, len(values) // 40)
    sums, counts = (
        [0],
        [0],
    )  # whole numbers: behind a huge value a sum of floats knows nothing of the small ones any more
    for value in values:
        known = value == value
        sums.append(sums[-1] + (int(bounded(value) * FINE) if known else 0))
        counts.append(counts[-1] + known)
    result = []
    for index, value in enumerate(values):
        if value != value:
            result.append(value)
            continue
        half = min(widest, index, len(values) - 1 - index)
        first, last = index - half, index + half + 1
        result.append((sums[last] - sums[first]) / (FINE * (counts[last] - counts[first])))
    return result


def ticks(low: float, high: float, wanted: int) -> list[float]:
    """Return about ``wanted`` round numbers between ``low`` and ``high``, at least two: 1, 2 or 5 times a power of ten
    apart.
    """
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
    """Return “loss is NaN at step 12” or “… at steps 12–18 (7 points)”; empty when there is none."""
    if not gaps:
        return ""
    if len(gaps) == 1:
        return f"{what} is NaN at step {gaps[0]}"
    return f"{what} is NaN at steps {min(gaps)}–{max(gaps)} ({len(gaps)} points)"
