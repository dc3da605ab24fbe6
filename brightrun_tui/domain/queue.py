"""The order in which runs wait: by a time, earlier first. Who is moved takes over the time of the place he comes to."""

from __future__ import annotations

import math
from typing import Literal, get_args

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError

Move = Literal["first", "last", "up", "down"]
MOVES: tuple[str, ...] = get_args(Move)


def moved(queue: list[tuple[str, float]], run_id: str, to: str) -> dict[str, float]:
    """Return the times that change when a run moves.

    Args:
        queue: run and time of all that wait, in their order.
        to: one of `MOVES`, or the place as a number from 1.

    Raises:
        UsageError: there is no such place to move to.
    """
    order = [one for one, _ in queue]
    at = order.index(run_id)
    if to not in MOVES and not to.isdecimal():
        raise UsageError(
            f"“{to}” is not a place in the queue",
            fix=f"say {', '.join(MOVES)}, or a number from 1",
            kind=ErrorKind.BAD_OPTION,
        )
    places = {"first": 0, "last": len(order) - 1, "up": at - 1, "down": at + 1}
    place = min(max(places[to] if to in places else int(to[:9]) - 1, 0), len(order) - 1)
    order.insert(place, order.pop(at))
    times: list[float] = []
    for time in sorted(time for _, time in queue):
        times.append(time if not times or time > times[-1] else math.nextafter(times[-1], math.inf))
    before = dict(queue)
    return {one: time for one, time in zip(order, times, strict=True) if before[one] != time}
