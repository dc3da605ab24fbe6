"""Which records are held out: deterministic, by content, never apart from records that hold their answers, and of each answer
that many give a fair share.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from typing import NamedTuple

from brightrun_tui.datasets.alike import joined, same
from brightrun_tui.datasets.near_copies import SKETCH_BYTES, find_near_copies, sketch
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.sizing import FEWEST_FOR_EACH

SplitKey = bytes
"""All that the split needs to know of a record: hashes of its group (zeros when it has none), its content, its last answer,
its turns.

Between answer and turns lies its `sketch`.
"""

_GROUP, _CONTENT, _ANSWER, _SKETCH = slice(0, 16), slice(16, 32), slice(32, 40), 40
_TURNS, _TURN = _SKETCH + SKETCH_BYTES, 8
_NO_GROUP = bytes(16)
_ENDS = " ?!.…？！。"
"""Behind a question, which is the same with them or without."""
_MOST_ALIKE = 50
FEWEST_OF_A_LABEL = 2
"""Records of a label that are held out where it has enough: one to choose the checkpoint, one to judge it."""


class Units(NamedTuple):
    """Which records stay together.

    ``first`` holds for every record the index of the first one of its unit. ``one_group``: all belonged together, so
    that a weaker bond was taken. ``parted``: records that ask what others ask too, too often to be kept together.
    ``near``: sets of near-copies (of several exact copies the first), which are together unless ``near_parted``.
    ``of_one_form``: records that are like too many others to tell whether they are copies, so that they may be parted.
    """

    first: array[int]
    one_group: bool
    parted: list[int]
    near: list[list[int]]
    near_parted: bool
    of_one_form: list[int]

    @property
    def several(self) -> bool:
        return any(self.first)


def split(
    records: Sequence[Record], eval_fraction: float, eval_max: int, seed: int
) -> tuple[list[Record], list[Record]]:
    """Return training and held-out records, each in the given order (see `plan_split`)."""
    plan = plan_split([split_key(record) for record in records], eval_fraction, eval_max, seed)
    sides: tuple[list[Record], list[Record]] = ([], [])
    for record, held_out in zip(records, plan, strict=True):
        sides[held_out].append(record)
    return sides


def plan_split(
    keys: Sequence[SplitKey], eval_fraction: float, eval_max: int, seed: int, *, taught: Set[int] = frozenset()
) -> list[bool]:
    """Choose the records to hold out: one entry a record.

    Records that belong together (`find_units`) stay on one side. Whole units are taken in the order of
    a hash of seed and content, so that the choice does not depend on the order of the file, until their number
    is as close to ``eval_fraction`` of all records as whole units allow, and at most ``eval_max``. Of every answer that so
    many records give that its share would be one or more, such as a label, its share is taken, and of a rare label
    two where it has enough. With two
    units or more each side gets at least one; where all records are the same, none is held out.

    Args:
        taught: indices of records that are there to be learnt, so that their units are not held out while others can be.
    """
    units = find_units(keys)
    held_out = [False] * len(keys)
    if not units.several:
        return held_out
    members: dict[int, list[int]] = {}
    for index, first in enumerate(units.first):
        members.setdefault(first, []).append(index)
    free = [unit for unit in members.values() if taught.isdisjoint(unit)] or list(members.values())
    order = sorted(free, key=lambda unit: _rank(seed, min(content_of(keys[i]) for i in unit)))
    target = max(1, min(eval_max, round(len(keys) * eval_fraction), len(keys) - 1))
    for unit in _choose(_spread_answers(order, keys, target / len(keys)), target, eval_max, len(keys)):
        for index in unit:
            held_out[index] = True
    return held_out


def find_units(keys: Sequence[SplitKey], go_on: Callable[[], None] = lambda: None) -> Units:
    """Find the records that must not be parted: those of one group, and those that give one another's answers away.

    The latter are copies, near-copies, and records of which one continues the other (a conversation exported turn by turn).
    Records that only begin alike, such as several answers to one question, are together too while they are at most
    a tenth of all and `_MOST_ALIKE`. Beyond that the beginning is a common opening or instruction, and holding all
    of it out would test what was never taught; so it would where groups are given, which such beginnings would chain
    to one another.

    Near-copies are given up where they would chain more than half of all records together that were apart. If that leaves
    a single unit, groups are given up; then only copies are together; then only exact copies. ``go_on`` is called between the
    steps; what it raises ends the work.
    """
    everything = range(len(keys))
    groups = same([i for i in everything if keys[i][_GROUP] != _NO_GROUP], lambda i: keys[i][_GROUP])
    most = max(1, min(_MOST_ALIKE, len(keys) // 10))
    beginnings, parted = _beginnings(keys, 1 if groups else most, most)
    go_on()
    copies = same(everything, lambda i: likeness(keys[i]))
    repeated = {i for members in copies for i in members[1:]}
    go_on()
    near, of_one_form = find_near_copies([i for i in everything if i not in repeated], keys, _SKETCH, most)
    go_on()

    def bonds() -> Iterator[list[list[int]]]:
        yield [*groups, *beginnings]
        yield beginnings
        yield copies
        yield same(everything, lambda i: content_of(keys[i]))

    for weaker, together in enumerate(bonds()):  # noqa: B007
        first = joined(len(keys), together)
        if any(first):
            break
    closer = joined(len(keys), [*together, *near]) if near else first
    near_parted = _largest(closer) > max(len(keys) // 2, _largest(first))
    return Units(first if near_parted else closer, weaker > 0, parted, near, near_parted, of_one_form)


def other_answers(keys: Sequence[SplitKey]) -> list[list[int]]:
    """Find sets of records that ask word for word the same and are answered differently, as far as `find_units` keeps them
    together.

    The first of a set is the earliest; the others differ from it.
    """
    most = max(1, min(_MOST_ALIKE, len(keys) // 10))
    found = []
    for members in same(range(len(keys)), lambda i: keys[i][_TURNS:-_TURN]):
        others = [i for i in members[1:] if likeness(keys[i]) != likeness(keys[members[0]])]
        if others and len(members) <= most:
            found.append([members[0], *others])
    return found


def split_key(record: Record) -> SplitKey:
    group = _digest(record.group, 16) if record.group else _NO_GROUP
    return b"".join((group, content_key(record), _answer_key(record), sketch(record), *_turn_keys(record)))


def content_key(record: Record) -> bytes:
    """Return 16 bytes that are the same for records whose messages are exactly the same; `content_of` finds them in a
    `SplitKey`.
    """
    return _digest("\x1e".join(f"{m.role}\x1f{m.train:d}\x1f{m.said}" for m in record.messages), 16)


def records_key(records: Iterable[Record]) -> str:
    """Return 32 hexadecimal digits that are the same for the very same records, in whatever order."""
    whole = hashlib.blake2b(digest_size=16)
    for content in sorted(content_of(split_key(record)) for record in records):
        whole.update(content)
    return whole.hexdigest()


def part_held_out(records: Sequence[Record], seed: int) -> tuple[list[Record], list[Record]] | None:
    """Part held-out records into those that choose the checkpoint and those that judge it: halves, related records kept
    together.

    None where there are not enough for both; all choose and judge then.
    """
    choosing, judging = split(records, 0.5, len(records), seed)
    few = min(len({record.group or record.id for record in side}) for side in (choosing, judging)) < FEWEST_FOR_EACH
    return None if few else (choosing, judging)


def content_of(key: SplitKey) -> bytes:
    """Return 16 bytes that are the same for records whose messages are exactly the same."""
    return key[_CONTENT]


def likeness(key: SplitKey) -> bytes:
    """Return 8 bytes that are the same for records that say the same, whatever their spaces and capitals."""
    return key[-_TURN:]


def _answer_key(record: Record) -> bytes:
    """Return 8 bytes of the last answer that is learnt, spaces and capitals aside."""
    said = next((m.said for m in reversed(record.messages) if m.role == "assistant" and m.train), "")
    return _digest(_alike_text(said), 8)


def _alike_text(said: str) -> str:
    """Return the same text for texts that differ in spaces and capitals only."""
    return " ".join(said.split()).casefold()


def _turn_keys(record: Record) -> Iterator[bytes]:
    """Yield for every turn but the system's, 8 bytes of all that is said up to its end; spaces, capitals and the signs
    at the end of a question do not count.
    """
    so_far = ""
    for message in record.messages:
        said = _alike_text(message.said)
        so_far += f"{message.role}\x1f{said.rstrip(_ENDS) if message.role == 'user' else said}\x1e"
        if message.role != "system":
            key = _digest(so_far, _TURN)
            yield key
            so_far = key.hex()


def _largest(first: array[int]) -> int:
    """Return how many records the largest unit has."""
    return Counter(first).most_common(1)[0][1] if first else 0


def _beginnings(keys: Sequence[SplitKey], most: int, many: int) -> tuple[list[list[int]], list[int]]:
    """Find sets of records that continue one another, or of at most ``most`` that begin alike.

    And those that are parted from more than ``many`` that ask the same (`Units.parted`).

    Turns that follow the same turns form a tree. Where it does not branch, the records that end on the way are together.
    """

    def turn(index: int, depth: int) -> bytes:
        start = _TURNS + depth * _TURN
        return keys[index][start : start + _TURN]

    found: list[list[int]] = []
    parted: list[int] = []
    todo: list[tuple[list[int], list[int], int]] = [
        ([], members, 1) for members in same(range(len(keys)), lambda i: turn(i, 0))
    ]
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
        todo += [([], branch, depth + 1) for branch in same(onward, partial(turn, depth=depth))]
        answers = Counter(turn(i, depth) for i in onward if not turn(i, depth + 1))
        if len(answers) > 1 and answers.total() > many:
            parted += [i for i in onward if not turn(i, depth + 1)]
    return found, parted


def _spread_answers(order: Sequence[list[int]], keys: Sequence[SplitKey], share: float) -> list[list[int]]:
    """Return the units with every answer spread evenly over them, so that any beginning of the list has its part of each.

    Those answers count that have about one unit or more in ``share`` of all; the units of all others are spread together.
    Where there are few answers in all, as where they are labels, the rare ones have `FEWEST_OF_A_LABEL` in ``share`` of all,
    if that leaves most of them to be learnt. Within one answer, and where none is frequent, the order stays.
    """
    answers = [min((content_of(keys[i]), keys[i][_ANSWER]) for i in unit)[1] for unit in order]
    counts = Counter(answers)
    are_labels = len(counts) * FEWEST_OF_A_LABEL <= share * len(order)

    def due(count: int) -> float:
        enough = are_labels and count >= 4 * FEWEST_OF_A_LABEL
        return max(count * share, FEWEST_OF_A_LABEL if enough else 0.0)

    frequent = {answer for answer, count in counts.items() if round(due(count)) >= 1}
    kinds = [answer if answer in frequent else b"" for answer in answers]
    many, so_far, places = Counter(kinds), Counter[bytes](), []
    for kind in kinds:
        places.append((so_far[kind] + 0.5) / due(many[kind]))
        so_far[kind] += 1
    return [order[i] for i in sorted(range(len(order)), key=places.__getitem__)]


def _choose(order: Sequence[list[int]], target: int, eval_max: int, total: int) -> list[list[int]]:
    """Return units in this order as long as they fit, then one more if that comes closer to the target."""
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
