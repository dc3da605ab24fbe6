"""Answers that slipped by a row: each question's answer stands in the row before it, or behind it.

That happens where a column is sorted, pasted or filled without the other one. It is told by words that question and answer
have in common.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from brightrun_tui.domain.dataset import Record

_WORD = re.compile(r"[^\W\d_]{4,}|\d{2,}|[\u3040-\u30ff\u3400-\u9fff]")
_BEGINNING = 5
"""Letters by which words are told apart."""
_WHOLE = 400
_EVERY, _STRETCH = 4000, 60
"""Records that are looked at: so many from the beginning, and of every so many behind these the first ones."""
_MOST_CHARACTERS = 600
_RARE, _USUAL = 3, 0.1
"""Uses up to which a word always tells something, and the share of the texts from which on it tells nothing."""
_LOSS = 3
"""Times that a row whose own answer fits better counts against one whose neighbour's does."""
_CHANCE = 200
_GROWTH = 0.61
"""By how much less likely each further row is where question and answer have nothing to do with one another."""
_GROWTH_ELSE = 1.5
"""The same where they have, in the rows that did not slip."""
_FEWEST_FITTING, _FEWEST_SLIPPED = 5, 8


class RowOrder:
    """Looks at records as they go by, at their entries in the dataset, whose answers may belong to another row."""

    def __init__(self) -> None:
        self._entries: list[int] = []
        self._places: list[str] = []
        self._asked: list[frozenset[str]] = []
        self._answered: list[frozenset[str]] = []

    def take(self, entry: int, place: str, record: Record) -> None:
        """Look at a record, if it is one question with one answer, and one of those that are looked at."""
        if entry >= _WHOLE and entry % _EVERY >= _STRETCH:
            return
        talk = [message for message in record.messages if message.role != "system"]
        if len(talk) == 2:
            self._entries.append(entry)
            self._places.append(place)
            self._asked.append(_words(talk[0].content))
            self._answered.append(_words(talk[1].said))

    def slipped(self) -> tuple[list[int], list[str], int]:
        """Return the entries, and the places, whose answers stand in another row, and in which (-1: the one before); or none."""
        count = len(self._entries)
        uses = Counter(word for words in (*self._asked, *self._answered) for word in words)
        telling = {
            word: math.log(2 * count / number)
            for word, number in uses.items()
            if number <= max(_RARE, _USUAL * 2 * count)
        }
        found: list[int] = []
        best, by = 0, 0
        for step in (-1, 1):
            wins = [self._fits_better(row, step, telling) for row in range(count)]
            worth, rows = _best_stretch(wins)
            if worth > best and worth >= _needed(wins, rows):
                best, by = worth, step
                found = [row for row in rows if wins[row] >= 0]
        return [self._entries[row] for row in found], [self._places[row] for row in found], by

    def _fits_better(self, row: int, step: int, telling: dict[str, float]) -> int:
        """Return 1 where the neighbour's answer fits the question better, -1 where its own does, 0 where neither can be told."""
        other = row + step
        if not 0 <= other < len(self._entries) or self._entries[other] - self._entries[row] != step:
            return 0
        asked = self._asked[row]
        own, theirs = (sum(telling.get(word, 0.0) for word in asked & self._answered[place]) for place in (row, other))
        return (theirs > own) - (own > theirs)


def _best_stretch(wins: Sequence[int]) -> tuple[int, range]:
    """Return what the best run of rows is worth, and these rows."""
    best, at, worth, start = 0, range(0), 0, 0
    for row, won in enumerate(wins):
        worth += won if won > 0 else won * _LOSS
        if worth <= 0:
            worth, start = 0, row + 1
        elif worth > best:
            best, at = worth, range(start, row + 1)
    return best, at


def _needed(wins: Sequence[int], rows: range) -> float:
    """Return what a run of rows must be worth so that chance hardly ever makes it: little, where the other rows fit."""
    others = [won for row, won in enumerate(wins) if row not in rows]
    fit = others.count(-1) >= max(_FEWEST_FITTING, _LOSS * others.count(1))
    return max(_FEWEST_SLIPPED, math.log(_CHANCE * max(1, len(wins))) / (_GROWTH_ELSE if fit else _GROWTH))


def _words(text: str) -> frozenset[str]:
    return frozenset(word[:_BEGINNING] for word in _WORD.findall(text[:_MOST_CHARACTERS].casefold()))
