"""A chart as shapes on paper: its axes, its lines and their names, for files. No widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from brightrun_tui.domain.text import sanitize
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.widgets.chart import ticks_of
from brightrun_tui.tui.widgets.reduce import reduce

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 900, 420, 70, 40, 40
COLOURS = ("#2f6fbf", "#c2660c", "#1a7f37", "#8250df", "#c62828")
DASHES: tuple[tuple[int, ...], ...] = ((), (7, 4), (2, 3), (12, 3, 2, 3), (5, 2))
INK, GRID = "#333333", "#dddddd"


@dataclass(frozen=True)
class ChartWords:
    """``anchor``: which part of the text is at ``x``; ``y`` is the line it stands on."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    colour: str = INK
    size: int = 12


@dataclass(frozen=True)
class Stroke:
    """A line through points; ``dash`` as SVG has it, empty for a whole one."""

    points: tuple[tuple[float, float], ...]
    colour: str
    dash: tuple[int, ...] = ()
    width: float = 1.6


Shape = ChartWords | Stroke


def plotted(named: Sequence[tuple[str, Curve]], title: str) -> list[Shape]:
    """Return axes, curves and their names in a picture of `WIDTH` × `HEIGHT`; empty where there is nothing to draw."""
    known = [(name, curve) for name, curve in named if curve.steps]
    if not known:
        return []
    left = min(curve.steps[0] for _, curve in known)
    right = max(max(curve.steps[-1] for _, curve in known), left + 1)
    parts = [(name, reduce(curve.steps, curve.lows, left, right, WIDTH, highs=curve.highs)) for name, curve in known]
    values = [value for _, segments in parts for _, ys in segments for value in ys] or [0.0]
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 0.5
    low, high = low - margin, high + margin

    def x(step: float) -> float:
        return LEFT + (step - left) / (right - left) * (WIDTH - LEFT - 20)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    shapes: list[Shape] = [ChartWords(LEFT, 24, sanitize(title), size=16)]
    for value, words in ticks_of(low, high, 6):
        shapes.append(Stroke(((LEFT, y(value)), (WIDTH - 20, y(value))), GRID, width=1))
        shapes.append(ChartWords(LEFT - 8, y(value) + 4, words, "end"))
    shapes += [ChartWords(x(step), HEIGHT - 14, words, "middle") for step, words in ticks_of(left, right, 8)]
    for number, (name, segments) in enumerate(parts):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        shapes += [Stroke(tuple(zip(map(x, xs), map(y, ys), strict=True)), colour, dash) for xs, ys in segments]
        shapes.append(ChartWords(WIDTH - 24, TOP + 14 + 18 * number, sanitize(name), "end", colour))
    return shapes
