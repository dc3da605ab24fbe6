"""Some records of many, chosen evenly while they go by: for what would take too long to ask of every one."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import ceil
from random import Random
from typing import NamedTuple

from brightrun_tui.domain.dataset import Record

MOST_RECORDS = 2000
MOST_CHARACTERS = 3_000_000
PIECES = 20_000
_PIECES_OF = 50
"""Records; of more, pieces of short texts are no words any more."""


class Sampled(NamedTuple):
    """A record, its number in the dataset from 0, and its place in words."""

    entry: int
    place: str
    record: Record


def pieces_of(records: Sequence[Record]) -> tuple[str, ...]:
    """Return pieces of some of these records, `PIECES` characters in all, the same share of every text."""
    some = records[:: -(-len(records) // _PIECES_OF)] if records else []
    texts = [text for record in some for message in record.messages if (text := message.said.strip())]
    share = min(1.0, PIECES / max(1, sum(map(len, texts))))
    return tuple(text[: ceil(share * len(text))] for text in texts)


class RecordSample:
    """At most `MOST_RECORDS`, and fewer where they are long; each has the same chance, and the same file gives the same ones."""

    def __init__(self) -> None:
        self._chance = Random(0)
        self._taken: list[tuple[float, int, Sampled]] = []
        self._below = 1.0
        self._characters = 0

    def add(self, entry: int, place: str, record: Record, characters: int) -> None:
        """Let a record go by."""
        number = self._chance.random()
        if number >= self._below:
            return
        heappush(self._taken, (-number, characters, Sampled(entry, place, record)))
        self._characters += characters
        while len(self._taken) > MOST_RECORDS or (self._characters > MOST_CHARACTERS and len(self._taken) > 1):
            highest, size, _ = heappop(self._taken)
            self._below = -highest
            self._characters -= size

    def records(self) -> list[Sampled]:
        """Return them in the order of the dataset."""
        return sorted((each for _, _, each in self._taken), key=lambda each: each.entry)
