"""Which records are held out: deterministic, by content, and never apart from records that hold their answers."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from brightrun_tui.domain.dataset import Record

SplitKey = bytes
"""All that the split needs to know of a record: hashes of its group (zeros when it has none), its content, its turns."""

_GROUP, _CONTENT = slice(0, 16), slice(16, 32)
_TURNS, _TURN = 32, 8
_NO_GROUP = bytes(16)
_MOST_ALIKE = 50


class Units(NamedTuple):
    """Which records stay together.

    ``first`` holds for every record the index of the first one of its unit. ``one_group``: all belonged together, so
    that a weaker bond was taken. ``parted``: records that ask what others ask too, too often to be kept together.
    """

    first: array[int]
    one_group: bool
    parted: int

    @property
    def several(self) -> bool:
        return any(self.first)


def split(records: Sequence[Record], eval_fraction: float, eval_max: int, seed: int) -> tuple[list[Record], list[Record]]:
    """Training and held-out records, each in the given order (see `plan_split`)."""
    plan = plan_split([split_key(record) for record in records], eval_fraction, eval_max, seed)
    sides: tuple[list[Record], list[Record]] = ([], [])
    for record, held_out in zip(records, plan, strict=True):
        sides[held_out].append(record)
    return sides


def plan_split(keys: Sequence[SplitKey], eval_fraction: float, eval_max: int, seed: int) -> list[bool]:
    """Choose the records to hold out: one entry a record.

    Records that belong together (`find_units`) stay on one side. Whole units are taken in the order of
    a hash of seed and content, so that the choice does not depend on the order of the file, until their number
    is as close to ``eval_fraction`` of all records as whole units allow, and at most ``eval_max``. With two
    units or more each side gets at least one; where all records are the same, none is held out.
    """
    units = find_units(keys)
    held_out = [False] * len(keys)
    if not units.several:
        return held_out
    members: dict[int, list[int]] = {}
    for index, first in enumerate(units.first):
        members.setdefault(first, []).append(index)
    order = sorted(members.values(), key=lambda unit: _rank(seed, min(content_of(keys[i]) for i in unit)))
    target = max(1, min(eval_max, round(len(keys) * eval_fraction), len(keys) - 1))
    for unit in _choose(order, target, eval_max, len(keys)):
        for index in unit:
            held_out[index] = True
    return held_out


def find_units(keys: Sequence[SplitKey]) -> Units:
    """Find the records that must not be parted: those of one group, and those that give one another's answers away.

    The latter are copies, and records of which one continues the other (a conversation exported turn by turn).
    Records that only begin alike, such as several answers to one question, are together too while they are at most
    a tenth of all and `_MOST_ALIKE`. Beyond that the beginning is a common opening or instruction, and holding all
    of it out would test what was never taught; so it would where groups are given, which such beginnings would chain
    to one another.

    If that leaves a single unit, groups are given up; then only copies are together; then only exact copies.
    """
    everything = range(len(keys))
    groups = _same([i for i in everything if keys[i][_GROUP] != _NO_GROUP], lambda i: keys[i][_GROUP])
    most = max(1, min(_MOST_ALIKE, len(keys) // 10))
    beginnings, parted = _beginnings(keys, 1 if groups else most, most)

    def bonds() -> Iterator[list[list[int]]]:
        yield [*groups, *beginnings]
        yield beginnings
        yield _same(everything, lambda i: likeness(keys[i]))
        yield _same(everything, lambda i: content_of(keys[i]))

    for weaker, together in enumerate(bonds()):
        units = Units(_joined(len(keys), together), weaker > 0, parted)
        if units.several:
            break
    return units


def split_key(record: Record) -> SplitKey:
    group = _digest(record.group, 16) if record.group else _NO_GROUP
    content = _digest("\x1e".join(f"{m.role}\x1f{m.train:d}\x1f{m.said}" for m in record.messages), 16)
    return b"".join((group, content, *_turn_keys(record)))


def content_of(key: SplitKey) -> bytes:
    """16 bytes that are the same for records whose messages are exactly the same."""
    return key[_CONTENT]


def likeness(key: SplitKey) -> bytes:
    """8 bytes that are the same for records that say the same, whatever their spaces and capitals."""
    return key[-_TURN:]


def _turn_keys(record: Record) -> Iterator[bytes]:
    """For every turn but the system's, 8 bytes of all that is said up to its end, spaces and capitals aside."""
    so_far = ""
    for message in record.messages:
        so_far += f"{message.role}\x1f{' '.join(message.said.split()).casefold()}\x1e"
        if message.role != "system":
            key = _digest(so_far, _TURN)
            yield key
            so_far = key.hex()


def _same(indices: Sequence[int], key: Callable[[int], bytes]) -> list[list[int]]:
    """Sets of two or more of these records whose keys are the same."""
    counts = Counter(map(key, indices))
    sets: dict[bytes, list[int]] = defaultdict(list)
    for index in indices:
        if counts[key(index)] > 1:
            sets[key(index)].append(index)
    return list(sets.values())


def _beginnings(keys: Sequence[SplitKey], most: int, many: int) -> tuple[list[list[int]], int]:
    """Sets of records that continue one another, or of at most ``most`` that begin alike.

    And how many are parted from more than ``many`` that ask the same (`Units.parted`).

    Turns that follow the same turns form a tree. Where it does not branch, the records that end on the way are together.
    """

    def turn(index: int, depth: int) -> bytes:
        start = _TURNS + depth * _TURN
        return keys[index][start:start + _TURN]

    found: list[list[int]] = []
    parted = 0
    todo: list[tuple[list[int], list[int], int]] = [([], members, 1) for members in _same(range(len(keys)), lambda i: turn(i, 0))]
    while todo:
        above, members, depth = todo.pop()
        if len(members) <= most:
            found.append(above + members)
            continue
        ended = above + [i for i in members if not turn(i, depth)]
        onward = [i for i in members if turn(i, depth)]
        branches = {turn(i, depth) for i in onward}
        if len(branches) == 1:
            todo.append((ended, onward, depth + 1))
            continue
        found.append(ended)
        todo += [([], branch, depth + 1) for branch in _same(onward, partial(turn, depth=depth))]
        answers = Counter(turn(i, depth) for i in onward if not turn(i, depth + 1))
        if len(answers) > 1 and answers.total() > many:
            parted += answers.total()
    return found, parted


def _joined(count: int, sets: Iterable[Sequence[int]]) -> array[int]:
    """For each of ``count`` records the first of those that are together with it, also through one another."""
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


def _choose(order: Sequence[list[int]], target: int, eval_max: int, total: int) -> list[list[int]]:
    """Units in this order as long as they fit, then one more if that comes closer to the target."""
    chosen, left, taken = [], [], 0
    for unit in order:
        if taken + len(unit) <= target:
            chosen.append(unit)
            taken += len(unit)
        else:
            left.append(unit)
    fitting = [unit for unit in left if taken + len(unit) <= min(eval_max, total - 1)]
    extra = min(fitting, key=len, default=None)
    if extra is not None and taken + len(extra) - target < target - taken:
        chosen.append(extra)
    return chosen or [min(order, key=len)]


def _rank(seed: int, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16, key=str(seed).encode()[:64]).digest()


def _digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size).digest()
