"""How many of a report card's answers are right, by the best word there is on each: a person's, a judge's, a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from brightrun_tui.domain.findings import Mark
from brightrun_tui.domain.model import Report

ENOUGH_TICKS = 5
"""Answers that people have looked at from which on only those count."""
Z95 = 1.96
"""Of a normal distribution, for 95 % on both sides."""
CREDIT: dict[Mark, float] = {"right": 1.0, "partly": 0.5, "wrong": 0.0, "unclear": 0.0}


@dataclass(frozen=True)
class Tally:
    """Marks of the answers that count, in the order of the samples, with each one's number.

    ``by_people``, ``by_judge``: how many of them people ticked, and a judge called right or wrong.
    """

    marks: tuple[Mark, ...] = ()
    numbers: tuple[int, ...] = ()
    by_people: int = 0
    by_judge: int = 0

    def count(self, mark: Mark) -> int:
        return self.marks.count(mark)

    @property
    def known(self) -> int:
        """Answers that could be compared."""
        return len(self.marks) - self.count("unclear")

    @property
    def credit(self) -> float:
        """Share of the answers that are right, 0 to 1; half for those that are partly, none where it is not clear."""
        return credit_of(self.marks)


def tally(report: Report) -> Tally:
    """Count each answer by the most reliable word on it. From `ENOUGH_TICKS` ticks on, only the ticked answers count."""
    ticked = {tick.sample: tick.right for tick in report.ticks if tick.sample < len(report.samples)}
    rulings = report.judgement.rulings if report.judgement else ()
    marks: dict[int, Mark] = {}
    by_people = by_judge = 0
    for number, sample in enumerate(report.samples):
        ruled = rulings[number].right if number < len(rulings) else None
        if number in ticked:
            marks[number] = "right" if ticked[number] else "wrong"
            by_people += 1
        elif len(ticked) >= ENOUGH_TICKS:
            continue
        elif ruled is not None:
            marks[number] = "right" if ruled else "wrong"
            by_judge += 1
        elif sample.mark is not None:
            marks[number] = sample.mark
    return Tally(tuple(marks.values()), tuple(marks), by_people, by_judge)


def chance_interval(marks: Sequence[Mark]) -> tuple[float, float]:
    """Return Wilson's interval for the share of all answers that are right, of which these are a sample; 95 %, from 0 to 1."""
    count, share, square = len(marks), credit_of(marks), Z95**2
    if not count:
        return 0.0, 1.0
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z95 / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def credit_of(marks: Sequence[Mark]) -> float:
    """Return mean credit of some marks, 0 to 1; 0 where there are none."""
    return sum(CREDIT[mark] for mark in marks) / len(marks) if marks else 0.0
