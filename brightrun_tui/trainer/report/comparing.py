"""Facts of an answer against the wanted ones: how many are there, how many are missing, and how many are false."""

from __future__ import annotations

from brightrun_tui.trainer.report.facts import Facts, read_facts
from brightrun_tui.trainer.report.stems import STEM, stems

SOME_EXCHANGED = 2
"""Things of the question that are something else in the answer, from which on it is an answer to another question."""


def compare_facts(ours: Facts, theirs: Facts, question: str, *, names: bool) -> tuple[int, int, int]:
    """Return wanted facts that are there, wanted ones that are missing, and others of the same kind that nobody gave."""
    given = read_facts(question)
    numbers = {number for number in ours.numbers if not any(number.agrees(other) for other in given.numbers)}
    found = [any(number.agrees(other) for other in theirs.numbers) for number in numbers]
    known = (*ours.numbers, *given.numbers)
    false = {
        number.value for number in theirs.numbers if ours.numbers and not any(number.agrees(other) for other in known)
    }
    if ours.agrees is not None:
        found.append(theirs.agrees == ours.agrees)
    if ours.addresses:
        found += [address in theirs.addresses for address in ours.addresses]
        false |= theirs.addresses - ours.addresses - given.addresses
    asked = set(stems(question))
    exchanged = _exchanged_numbers(ours, theirs, given)
    if names:
        exchanged += _exchanged_names(ours, theirs, asked)
    false |= set(exchanged)
    lost = len(exchanged) if len(exchanged) >= SOME_EXCHANGED else 0
    if names and (new := {name for name in ours.names if name[:STEM] not in asked}):
        said = set(stems(" ".join((*theirs.names, *theirs.stated, *theirs.denied))))
        right = [name[:STEM] in said for name in new]
        others = {name for name in theirs.names - ours.stated - ours.denied if name[:STEM] not in asked}
        codes = {name for name in others if not name.isalpha()}
        false |= others if not any(right) or len(others) >= max(2, 2 * len(right)) else codes
        found += right
    return sum(found), len(found) - sum(found) + lost, len(false)


def _exchanged_numbers(ours: Facts, theirs: Facts, given: Facts) -> list[str]:
    """Return numbers of the question that the wanted answer repeats and this one has not, while it has another of the same unit.

    What the question gives is not knowledge, but saying something else instead is an error.
    """
    wanted = [each for each in ours.numbers if each.unit and any(each.agrees(other) for other in given.numbers)]
    exchanged = []
    for number in wanted:
        same_unit = [other for other in theirs.numbers if other.unit == number.unit]
        instead = [
            each for each in same_unit if not any(each.agrees(other) for other in wanted if other.unit == each.unit)
        ]
        if instead and not any(number.agrees(other) for other in same_unit):
            exchanged += [each.value for each in instead]
    return exchanged


def _exchanged_names(ours: Facts, theirs: Facts, asked: set[str]) -> list[str]:
    """Return the same of names: as many as are lost, of those that stand in neither question nor wanted answer."""
    said = set(stems(" ".join((*theirs.names, *theirs.stated, *theirs.denied))))
    lost = [name for name in ours.names if name[:STEM] in asked and name[:STEM] not in said]
    instead = [
        name for name in theirs.names - ours.stated - ours.denied if name[:STEM] not in asked and name not in ours.names
    ]
    return sorted(instead)[: len(lost)]
