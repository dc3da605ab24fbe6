"""Drawing curves as text. The only file that knows plotext.

plotext keeps one global figure and takes tens of milliseconds, so it draws one thing at a time, best in a thread. It
is given a colour per role; whoever paints the lines turns roles into the theme's colours.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from brightrun_tui.tui.widgets.reduce import Segment, reduce, ticks

_ROLES = {"train": (1, 1, 1), "eval": (2, 2, 2), "raw": (3, 3, 3), "axis": (4, 4, 4)}
_ROLE_OF = {";".join(map(str, ("38;2", *rgb))): role for role, rgb in _ROLES.items()}
_CODE = re.compile(r"\x1b\[([\d;]*)m")
_figure = threading.Lock()

Row = list[tuple[str, str]]
"""One line of a drawing: role and text."""


@dataclass(frozen=True)
class View:
    """How to look: the steps shown (None: all), the loss axis, smoothing."""

    window: tuple[float, float] | None = None
    log: bool = False
    smooth: bool = True


@dataclass(frozen=True)
class Line:
    """One curve to draw, in a role's colour."""

    role: str
    steps: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True)
class Drawing:
    """Lines of text by role; ``bounds`` are the steps at the left and right edge."""

    rows: list[Row] = field(default_factory=list)
    bounds: tuple[float, float] = (0.0, 0.0)


def draw(lines: Sequence[Line], width: int, height: int, view: View) -> Drawing:
    """Draw in ``width`` × ``height`` cells. May be called from any thread."""
    known = [line for line in lines if line.steps]
    if not known or width < 16 or height < 4:
        return Drawing()
    left, right = view.window or (min(line.steps[0] for line in known), max(line.steps[-1] for line in known))
    if left == right:
        left, right = left - 1, right + 1
    parts = [(line.role, reduce(line.steps, line.values, left, right, width - 8)) for line in known]
    if view.log:
        parts = [(role, [_log_of(segment) for segment in segments]) for role, segments in parts]
    values = [value for _, segments in parts for _, ys in segments for value in ys]
    if not values:
        return Drawing(bounds=(left, right))
    with _figure:
        return Drawing(_plot(parts, (left, right), (min(values), max(values)), width, height, view.log), (left, right))


def _plot(
    parts: Sequence[tuple[str, list[Segment]]],
    x: tuple[float, float],
    y: tuple[float, float],
    width: int,
    height: int,
    log: bool,
) -> list[Row]:
    import plotext

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(width, height)
    plotext.theme("clear")
    plotext.ticks_color(_ROLES["axis"])
    plotext.xaxes(True, False)
    plotext.yaxes(True, False)
    margin = 0.04 * (y[1] - y[0]) or 0.05 * abs(y[0]) or 0.5
    bottom, top = y[0] - margin, y[1] + margin
    plotext.xlim(*x)
    plotext.ylim(bottom, top)
    x_ticks, y_ticks = ticks(*x, max(2, width // 10)), ticks(bottom, top, max(2, height // 3))
    plotext.xticks(x_ticks, [f"{value:.0f}" if value == int(value) else f"{value:.1f}" for value in x_ticks])
    plotext.yticks(y_ticks, _labels([10**value for value in y_ticks] if log else y_ticks))
    for role, segments in parts:
        for xs, ys in segments:
            if len(xs) == 1:
                plotext.scatter(xs, ys, marker="•", color=_ROLES[role])
            else:
                plotext.plot(xs, ys, marker="braille", color=_ROLES[role])
    return [_row(line, width) for line in plotext.build().split("\n")[:height]]


def _labels(values: Sequence[float]) -> list[str]:
    if 0 < max(map(abs, values), default=0) < 1e-3:
        return [f"{value:.1e}" for value in values]
    digits = 0
    while digits < 6 and len({f"{value:.{digits}f}" for value in values}) < len(values):
        digits += 1
    return [f"{value:.{max(digits, 1 if abs(value) < 100 else 0)}f}" for value in values]


def _log_of(segment: Segment) -> Segment:
    pairs = [(x, math.log10(y)) for x, y in zip(*segment, strict=True) if y > 0]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _row(line: str, width: int) -> Row:
    """From plotext's escape codes to roles."""
    row: Row = []
    role, used = "axis", 0
    for index, part in enumerate(_CODE.split(line)):
        if index % 2:
            role = _ROLE_OF.get(part, "axis")
        elif part:
            row.append((role, part))
            used += cell_len(part)
    if used < width:
        row.append(("axis", " " * (width - used)))
    return row
