"""Which kinds of findings a dataset has, how often, and where."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence

from brightrun_tui.datasets.problems import LEFT_OUT, NOTHING_TO_DO, REMARKS
from brightrun_tui.domain.dataset import Problem

FIRST_PLACES = 3


def _weight(kind: str) -> tuple[bool, bool]:
    reason = REMARKS.get(kind)
    return reason is not None, reason is not None and (not reason.fix or reason.fix.startswith(NOTHING_TO_DO))


class ProblemLog:
    """Counts by kind, with the first few places of each, and the numbers of all entries concerned (8 bytes each)."""

    def __init__(self) -> None:
        self._entries: dict[str, array[int]] = {}
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[str]] = {}
        self._details: dict[str, str] = {}

    def add(
        self,
        kind: str,
        place: str | Callable[[], str] = "",
        count: int = 1,
        detail: str = "",
        entries: Iterable[int] = (),
        places: Sequence[str] = (),
    ) -> None:
        """Count a record, or several; its place may be given as what makes it, which is called for the first few only.

        ``entries``: the numbers, from 0, of those in the dataset that it is said of. ``places``: where the first of them are.
        """
        self._entries.setdefault(kind, array("L")).extend(entries)
        self._counts[kind] = self._counts.get(kind, 0) + count
        self._details.setdefault(kind, detail)
        known = self._places.setdefault(kind, [])
        if place and len(known) < FIRST_PLACES:
            known.append(place if isinstance(place, str) else place())
        known += places[: FIRST_PLACES - len(known)]

    def drop(self, kind: str) -> None:
        """Forget a kind that turned out not to be a problem."""
        self._counts.pop(kind, None)
        self._entries.pop(kind, None)

    def count(self, kind: str) -> int:
        return self._counts.get(kind, 0)

    @property
    def entries(self) -> Mapping[str, Sequence[int]]:
        """By kind, the numbers of the entries concerned; none where a kind is about the file."""
        return self._entries

    def problems(self) -> tuple[Problem, ...]:
        """Return reasons for leaving records out first, then the remarks, of which those that ask for nothing come last; most
        frequent first.
        """
        order = sorted(self._counts, key=lambda kind: (*_weight(kind), -self._counts[kind], kind))
        return tuple(self._problem(kind) for kind in order)

    def _problem(self, kind: str) -> Problem:
        remark = kind in REMARKS
        reason = REMARKS[kind] if remark else LEFT_OUT[kind]
        return Problem(
            kind=kind,
            what=reason.said(self._counts[kind], self._details[kind]),
            fix=reason.fix,
            count=self._counts[kind],
            places=tuple(self._places[kind]),
            remark=remark,
        )
