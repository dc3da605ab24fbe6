"""Lengths counted by ranges, so that one sees how they spread, and which part lies beyond a limit."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import count, pairwise
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

MOST_RANGES = 10
_WIDE = 8
"""From so many times the shortest on the ranges double."""


class Range(BaseModel):
    """``share`` (0–1) of the lengths are above ``low`` and at most ``high``."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    low: int
    high: int
    share: float


def ranges(lengths: Sequence[int], marks: Sequence[int] = ()) -> tuple[Range, ...]:
    """Return ranges from the shortest to the longest; each of ``marks`` in between ends one. Empty without lengths."""
    ordered = sorted(lengths)
    if not ordered:
        return ()
    ends = _ends(ordered[0], ordered[-1])
    marked = sorted({*ends, *(mark for mark in marks if ends[0] < mark < ends[-1])})
    return tuple(
        Range(low=low, high=high, share=(bisect_right(ordered, high) - bisect_right(ordered, low)) / len(ordered))
        for low, high in pairwise(marked)
    )


def _ends(shortest: int, longest: int) -> list[int]:
    """Return round numbers, the first below the shortest: evenly spaced, or doubling where the lengths are far apart."""
    if longest > _WIDE * max(1, shortest):
        doubling = [0, *(1 << power for power in range(3, longest.bit_length() + 1))]
        first = max(0, bisect_left(doubling, max(shortest, longest >> MOST_RANGES)) - 1)
        below = doubling[first] if doubling[first] < shortest else 0
        return [below, *doubling[first + 1 : bisect_left(doubling, longest) + 1]]
    step = next(
        size
        for power in count()
        for size in (10**power, 2 * 10**power, 5 * 10**power)
        if -(-longest // size) - (shortest - 1) // size <= MOST_RANGES
    )
    first = max(0, (shortest - 1) // step)
    return [number * step for number in range(first, max(first + 1, -(-longest // step)) + 1)]


class HistogramLine(NamedTuple):
    """One line of a drawn histogram: a range with its share, or, without a share, a mark."""

    label: str
    share: float | None


def rows(found: Sequence[Range], marks: Sequence[tuple[int, str]] = ()) -> list[HistogramLine]:
    """Return the ranges in lines, with each mark where it lies between two of them; labels of ranges are equally wide."""
    texts = [(f"{each.low + 1:,} –" if each.high - each.low > 1 else "", f"{each.high:,}") for each in found]
    left, right = (max((len(text[side]) for text in texts), default=0) for side in (0, 1))
    lines: list[HistogramLine] = []
    for each, (low, high) in zip(found, texts, strict=True):
        lines.append(HistogramLine(f"{low:>{left}} {high:>{right}}", each.share))
        lines += [HistogramLine(said, None) for at, said in marks if at == each.high != found[-1].high]
    return lines
