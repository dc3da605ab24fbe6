"""The two grades of a report card, content and style: the rule and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from brightrun_tui.domain.findings import AnswerFindings, Findings, Mark
from brightrun_tui.domain.model import Grade
from brightrun_tui.domain.tally import CREDIT, Tally, credit_of

GOOD_CONTENT = 0.75
"""Share of the answers that must be right for a good grade in content, those partly right counted half."""
WHOLLY_RIGHT = 0.6
"""Share of the answers that must be right as a whole. Of JSON and calls it is `GOOD_CONTENT`: a wrong value spoils a record."""
SOME_CONTENT = 0.4
HARDLY_RIGHT = 0.2
"""The same share, below which a model is poor however it sounds."""
SURE_CONTENT = 0.5
"""Share of all answers that must be right even if chance was kind, and of those that a constant answer gets wrong."""
Z = 1.64
"""Of a normal distribution, for 95 % on one side."""
SMALL_CHANGE = 0.02
"""Relative fall of the loss below which nobody would notice the tuning."""
ENOUGH_ENDED = 0.8
"""Share of the answers that a usable model ends by itself; the others may be long for once."""
ENOUGH_FORM, LITTLE_FORM = 0.8, 0.4
OTHER_LENGTH = 2.0
"""Times longer or shorter than the wanted answers from which on the length is worth a word."""
FEW_TOKENS = 8
"""Below this difference in tokens nobody cares about lengths."""


def content_grade(found: Tally, f: Findings | None) -> Grade | None:
    """Grade the answers: good when most are right, and more than if the same were always said, beyond chance. None: not
    known.
    """
    if 2 * found.known < len(found.marks) or not found.marks:
        return None
    floor = floor_marks(found, f) if f else []
    strict = bool(f and f.answers and f.answers.form in ("json", "call"))
    wholly = found.count("right") >= (GOOD_CONTENT if strict else WHOLLY_RIGHT) * len(found.marks)
    beyond = credit_of(beyond_floor(found, floor)) >= SURE_CONTENT
    if found.credit >= GOOD_CONTENT and wholly and beyond and _beats(found, floor):
        return "good"
    return "poor" if found.credit < SOME_CONTENT or (floor and found.credit <= credit_of(floor)) else "mixed"


def floor_marks(found: Tally, f: Findings) -> list[Mark]:
    """Return marks that always saying the same would get; none where people have said what is right."""
    marks = f.floor.marks if f.floor and not found.by_people else ()
    return [marks[number] for number in found.numbers] if all(number < len(marks) for number in found.numbers) else []


def _beats(found: Tally, floor: Sequence[Mark]) -> bool:
    """Say whether the credit is above the floor's beyond chance, in pairs of answers to the same question."""
    if not floor:
        return True
    differences = [CREDIT[ours] - CREDIT[theirs] for ours, theirs in zip(found.marks, floor, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((each - mean) ** 2 for each in differences) / max(1, len(differences) - 1)
    return mean > Z * sqrt(variance / len(differences))


def beyond_floor(found: Tally, floor: Sequence[Mark]) -> Sequence[Mark]:
    """Return the marks of those answers that always saying the same gets wrong; of all where it gets none."""
    marks = [ours for ours, theirs in zip(found.marks, floor, strict=True) if theirs != "right"] if floor else []
    return marks or found.marks


def style_grade(f: Findings) -> Grade:
    """Say whether it has learnt the manner of the data: form, length, and that answers end."""
    a = f.answers
    if f.tuned_loss >= f.base_loss or (
        a and (a.empty > 0.5 or a.form_share < LITTLE_FORM or (a.fair and a.ended < 0.5))
    ):
        return "poor"
    if is_small(f) or (
        a and (has_other_length(a) or a.form_share < ENOUGH_FORM or (a.fair and a.ended < ENOUGH_ENDED))
    ):
        return "mixed"
    return "good"


def is_small(f: Findings) -> bool:
    """Say whether the loss fell by no more than chance, or than anybody would notice."""
    return f.difference_high >= 0 or f.base_loss - f.tuned_loss < SMALL_CHANGE * f.base_loss


def has_other_length(a: AnswerFindings) -> bool:
    """Say whether its answers are far longer or shorter than those of the data."""
    return a.fair == a.count and lengths_differ(a.length_tuned, a.length_wanted)


def lengths_differ(length: float, wanted: float) -> bool:
    """Say whether two lengths in tokens differ by more than anybody would overlook."""
    longer, shorter = max(length, wanted), min(length, wanted)
    return longer - shorter >= FEW_TOKENS and longer > OTHER_LENGTH * max(1.0, shorter)
