"""Drawing curves as text: axes, lines, marks. Whoever paints the rows turns roles into the theme's colours."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from brightrun_tui.tui.widgets.braille import Canvas, Pen
from brightrun_tui.tui.widgets.chart_across import Axis
from brightrun_tui.tui.widgets.reduce import Segment, reduce, ticks

PaintedRow = list[tuple[str, str]]
"""One line of a drawing: role and text."""

PENS = {
    "raw": Pen("raw", 1, 3),
    "behind": Pen("behind", 1, 4),
    "train": Pen("train"),
    "eval": Pen("eval", 3, 5),
    "other-1": Pen("other-1", 2, 3),
    "other-2": Pen("other-2", 5, 7),
    "other-3": Pen("other-3", 1, 2),
    "other-4": Pen("other-4", 8, 12),
}
"""Raw values are dots, the first line is whole, the second is dashed: they can be told apart without colour. What the run went
back behind is sparse dots."""
OTHERS = ("other-1", "other-2", "other-3", "other-4")
"""Roles of the same line of other runs, each with dashes of its own."""
EARLY = 0.15
"""Part of a curve at its beginning whose peak may be left out of the picture."""
MARGIN = 7


@dataclass(frozen=True)
class View:
    """How to look: the stretch shown (None: all), axes, smoothing, whether an early peak is left out, the crosshair's place."""

    window: tuple[float, float] | None = None
    log: bool = False
    smooth: bool = True
    fit: bool = True
    axis: Axis = "step"
    log_x: bool = False
    cursor: float | None = None


@dataclass(frozen=True)
class Line:
    """One curve to draw, in a role's colour. ``highs``: where an entry stands for several points, ``values`` are the least."""

    role: str
    steps: Sequence[float]
    values: Sequence[float]
    highs: Sequence[float] | None = None
    label: str = ""


@dataclass(frozen=True)
class Drawing:
    """Lines of text by role; ``bounds`` are the places at the left and right edge. ``left_out``: the peak above the picture."""

    rows: list[PaintedRow] = field(default_factory=list)
    bounds: tuple[float, float] = (0.0, 0.0)
    left_out: float | None = None


def draw(
    lines: Sequence[Line],
    width: int,
    height: int,
    view: View,
    marks: Mapping[str, Sequence[float]] | None = None,
    place_words: Callable[[float], str] | None = None,
    unit: tuple[float, str] = (1.0, ""),
    least: tuple[float, float] | None = None,
) -> Drawing:
    """Draw in ``width`` × ``height`` cells. ``marks``: a glyph, and the places of the x axis where it stands. ``unit``: what one
    on the y axis is, and its name. ``least``: what the axis has in any case. Any thread.
    """
    known = [line for line in lines if len(line.steps)]
    if not known or width < 16 or height < 4:
        return Drawing()
    left, right = view.window or (min(line.steps[0] for line in known), max(line.steps[-1] for line in known))
    if left == right:
        left, right = left - 1, right + 1
    log_x = view.log_x and right > 0
    columns = 2 * (width - MARGIN)
    parts = [
        (line, reduce(line.steps, line.values, left, right, columns, highs=line.highs, log=log_x)) for line in known
    ]
    if view.log:
        parts = [(line, [_log_of(segment) for segment in segments]) for line, segments in parts]
    values = [value for _, segments in parts for _, ys in segments for value in ys]
    if not values:
        return Drawing(bounds=(left, right))
    low, high = min(values), max(values)
    cap = _interesting(parts, left, right) if view.fit and not view.log else None
    top = cap if cap is not None else high
    if least is not None and not view.log:
        low, top = min(low, least[0]), max(top, least[1])
    rows = _plot(
        parts, (left, right), (low, top), width, height, view, log_x, marks or {}, place_words or _step_words, unit
    )
    return Drawing(rows, (left, right), high if cap is not None else None)


def _interesting(parts: Sequence[tuple[Line, list[Segment]]], left: float, right: float) -> float | None:
    """Return the top of the axis when a peak at the very beginning would flatten all the rest; else None."""
    edge = left + EARLY * (right - left)
    early = [y for _, segments in parts for xs, ys in segments for x, y in zip(xs, ys, strict=True) if x <= edge]
    late = sorted(y for _, segments in parts for xs, ys in segments for x, y in zip(xs, ys, strict=True) if x > edge)
    if not early or len(late) < 20:
        return None
    low, high = late[0], late[-1]
    top = high + 0.6 * (high - low)
    return top if max(early) > high + 1.5 * (high - low) > low else None


def _plot(
    parts: Sequence[tuple[Line, list[Segment]]],
    x: tuple[float, float],
    y: tuple[float, float],
    width: int,
    height: int,
    view: View,
    log_x: bool,
    marks: Mapping[str, Sequence[float]],
    place_words: Callable[[float], str],
    unit: tuple[float, str],
) -> list[PaintedRow]:
    margin = 0.04 * (y[1] - y[0]) or 0.05 * abs(y[0]) or 0.5
    bottom, top = y[0] - margin, y[1] + margin
    one, word = (1.0, "") if view.log else unit
    y_ticks = [one * value for value in ticks(bottom / one, top / one, max(2, height // 3))]
    labels = [f"{text}{word}" for text in _labels([10**value if view.log else value / one for value in y_ticks])]
    gutter = max(3, *map(len, labels)) if labels else 3
    canvas = Canvas(width - gutter - 1, height - 2)
    span = (x[1] - x[0]) or 1.0
    left_log = math.log1p(max(0.0, x[0]))
    log_span = (math.log1p(max(0.0, x[1])) - left_log) or 1.0

    def across(place: float) -> int:
        share = (math.log1p(max(0.0, place)) - left_log) / log_span if log_x else (place - x[0]) / span
        return round(share * (canvas.width - 1))

    def down(value: float) -> int:
        return round((top - value) / (top - bottom) * (canvas.height - 1))

    for line, segments in parts:
        pen = PENS.get(line.role, Pen(line.role))
        for xs, ys in segments:
            canvas.line([(across(a), down(b)) for a, b in zip(xs, ys, strict=True)], pen)
    if view.cursor is not None and x[0] <= view.cursor <= x[1]:
        canvas.column(across(view.cursor), "cursor")
    taken: set[int] = set()
    for line, segments in reversed(parts):
        if line.label and segments and canvas.columns > 24:
            row = max(0, min(canvas.rows - 1, (down(segments[-1][1][-1]) >> 2) - 1))
            row = next(
                (near for near in (row, row - 1, row + 1, row + 2) if 0 <= near < canvas.rows and near not in taken),
                row,
            )
            taken.add(row)
            end = (across(segments[-1][0][-1]) >> 1) + 1
            canvas.write(row, max(0, min(end, canvas.columns - len(line.label))), line.label, line.role)
    at_row = {(down(value) >> 2): text for value, text in zip(y_ticks, labels, strict=True)}
    rows: list[PaintedRow] = [
        [("axis", f"{at_row.get(index, ''):>{gutter}}{'┤' if index in at_row else '│'}"), *cells]
        for index, cells in enumerate(canvas.lines())
    ]
    return [*rows, *_bottom(canvas, gutter, x, across, marks, place_words, log_x)]


def _bottom(
    canvas: Canvas,
    gutter: int,
    x: tuple[float, float],
    across: Callable[[float], int],
    marks: Mapping[str, Sequence[float]],
    words: Callable[[float], str],
    log_x: bool,
) -> list[PaintedRow]:
    """Return the x axis with its marks, and the numbers below it."""
    places = (
        [x[0] + (x[1] - x[0]) * share for share in (0.001, 0.01, 0.1, 1.0)]
        if log_x
        else ticks(*x, max(2, canvas.columns // 14))
    )
    axis, below = ["─"] * canvas.columns, [" "] * canvas.columns
    for place in places:
        column = min(canvas.columns - 1, max(0, across(place) >> 1))
        text = words(place)
        start = max(0, min(canvas.columns - len(text), column - len(text) // 2))
        if all(letter == " " for letter in below[max(0, start - 1) : start + len(text) + 1]):
            below[start : start + len(text)] = text
            axis[column] = "┬"
    roles = ["axis"] * canvas.columns
    for glyph, where in marks.items():
        for place in where:
            if x[0] <= place <= x[1]:
                column = min(canvas.columns - 1, max(0, across(place) >> 1))
                axis[column], roles[column] = glyph, "mark"
    cells: PaintedRow = [("axis", " " * gutter + "└")]
    for role, letter in zip(roles, axis, strict=True):
        cells = [*cells[:-1], (role, cells[-1][1] + letter)] if cells[-1][0] == role else [*cells, (role, letter)]
    return [cells, [("axis", " " * (gutter + 1) + "".join(below))]]


def ticks_of(low: float, high: float, wanted: int) -> list[tuple[float, str]]:
    """Return round numbers on an axis, and how they are written."""
    places = ticks(low, high, wanted)
    return list(
        zip(
            places,
            _labels(places) if any(place != int(place) for place in places) else map(_step_words, places),
            strict=True,
        )
    )


def value_at(line: Line, place: float) -> float:
    """Return the value of the newest point at or before a place; NaN before the first."""
    index = bisect_left(line.steps, place)
    if index < len(line.steps) and line.steps[index] == place:
        return line.values[index]
    return line.values[index - 1] if index else math.nan


def _step_words(place: float) -> str:
    if abs(place) >= 1e6:
        return f"{place / 1e6:.4g}M"
    if abs(place) >= 1e5:
        return f"{place / 1e3:.4g}k"
    return f"{place:.0f}" if place == int(place) or abs(place) >= 100 else f"{place:.1f}"


def _labels(values: Sequence[float]) -> list[str]:
    largest = max(map(abs, values), default=0)
    if largest >= 1e12:
        return [f"{value:.2g}" for value in values]
    if 0 < largest < 1e-3:
        digits = next((count for count in range(1, 6) if _apart(values, f".{count}e")), 6)
        return [f"{value:.{digits}e}" for value in values]
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if largest >= limit:
            scale = 1e3 if unit == "k" else limit
            digits = next(
                (count for count in range(3, 9) if _apart([value / scale for value in values], f".{count}g")), 9
            )
            return [f"{value / scale:.{digits}g}{unit}" for value in values]
    digits = next((count for count in range(6) if _apart(values, f".{count}f")), 6)
    return [f"{value:.{max(digits, 1 if abs(value) < 100 else 0)}f}" for value in values]


def _apart(values: Sequence[float], form: str) -> bool:
    """Say whether different numbers are written differently."""
    return len({format(value, form) for value in values}) == len(set(values))


def _log_of(segment: Segment) -> Segment:
    pairs = [(x, math.log10(y)) for x, y in zip(*segment, strict=True) if y > 0]
    return [x for x, _ in pairs], [y for _, y in pairs]
