"""Whether times or numbers of turns say another order than the one they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import lt
from typing import Any

from brightrun_tui.datasets.moments import MomentKey, order_of

_ORDERS = frozenset(
    "timestamp createdat createdtime createtime created time ts date datetime sentat sent index turn turnid turnindex turnnumber "
    "position sequence seq order number messageindex messagenumber datum zeit zeitpunkt zeitstempel gesendet fecha hora".split()
)
JOINTS = re.compile(r"[ _.-]")


def are_unsorted(turns: Sequence[Any]) -> bool:
    """Say whether a time or a number in every turn shows that they are out of order."""
    return any(any(_is_before(after, before) for before, after in pairwise(orders)) for orders in _orders(turns))


def are_reversed(turns: Sequence[Any]) -> bool:
    """Say whether a time or a number says of every turn that the one before it came later."""
    return any(all(_is_before(after, before) for before, after in pairwise(orders)) for orders in _orders(turns))


def _orders(turns: Sequence[Any]) -> Iterator[list[MomentKey]]:
    """Yield, for each field that may tell when a turn was, its values over all turns."""
    first = turns[0] if turns else None
    for name in first if isinstance(first, dict) else ():
        if _says_when(str(name)):
            yield [order_of(turn.get(name)) for turn in turns if isinstance(turn, dict)]


@lru_cache(maxsize=1024)
def _says_when(name: str) -> bool:
    """Say whether a field of this name says when a turn was, or which one it is."""
    return JOINTS.sub("", name.lower()) in _ORDERS


def _is_before(one: MomentKey, other: MomentKey) -> bool:
    """Say whether it is so in every way in which the two may be read; False where they cannot be compared."""
    alike = len(one) == len(other) > 0 and all(map(isinstance, one, map(type, other)))
    return alike and all(map(lt, one, other))
