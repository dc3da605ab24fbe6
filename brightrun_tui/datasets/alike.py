"""Sets of records that have something in common, in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence


def same(indices: Sequence[int], key: Callable[[int], bytes]) -> list[list[int]]:
    """Find sets of two or more of these records whose keys are the same.

    Kept are only keys whose hash occurs twice: 24 bytes a record where few are the same.
    """
    size = max(1024, 16 * len(indices))
    slots = array("Q", (hash(key(index)) % size for index in indices))
    seen = bytearray(size)
    again: set[int] = set()
    for slot in slots:
        if seen[slot]:
            again.add(slot)
        else:
            seen[slot] = 1
    sets: dict[bytes, list[int]] = {}
    if again:
        for index, slot in zip(indices, slots, strict=True):
            if slot in again:
                sets.setdefault(key(index), []).append(index)
    return [members for members in sets.values() if len(members) > 1]


def joined(count: int, sets: Iterable[Sequence[int]]) -> array[int]:
    """Return for each of ``count`` records the first of those that are together with it, also through one another."""
    first = array("L", range(count))

    def find(index: int) -> int:
        while first[index] != index:
            first[index] = first[first[index]]
            index = first[index]
        return index

    for members in sets:
        for other in members[1:]:
            low, high = sorted((find(members[0]), find(other)))
            first[high] = low
    for index in range(count):
        first[index] = first[first[index]]
    return first
