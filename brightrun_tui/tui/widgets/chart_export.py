"""Curves as files: a table for other programs, and a picture that can be put into a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from brightrun_tui.domain.curve import CurveSpec
from brightrun_tui.domain.text import cell, sanitize
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.widgets.chart import ticks_of
from brightrun_tui.tui.widgets.reduce import reduce

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 900, 420, 70, 40, 40
COLOURS = ("#2f6fbf", "#c2660c", "#1a7f37", "#8250df", "#c62828")
DASHES: tuple[tuple[int, ...], ...] = ((), (7, 4), (2, 3), (12, 3, 2, 3), (5, 2))
INK, GRID = "#333333", "#dddddd"


def as_csv(curves: Mapping[str, Curve]) -> str:
    """One row a step: its number, and each metric, empty where there is none. Of a long run the mean, the least, the greatest."""
    names = list(curves)
    coarse = any(curve.coarse for curve in curves.values())
    table: dict[int, dict[str, float]] = {}
    for name, curve in curves.items():
        for step, low, mean, high in zip(curve.steps, curve.lows, curve.values, curve.highs, strict=True):
            row = table.setdefault(step, {})
            row[name] = mean
            if coarse:
                row[f"{name}_min"], row[f"{name}_max"] = low, high
    fields = [f"{name}{end}" for name in names for end in (("", "_min", "_max") if coarse else ("",))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", *map(cell, fields)])
    for step in sorted(table):
        writer.writerow([step, *(table[step].get(field, "") for field in fields)])
    return text.getvalue()


def as_svg(spec: CurveSpec, curves: Mapping[str, Curve], title: str) -> str:
    """One chart, every line named; colours and dashes that are told apart in print. Empty where there is nothing to draw."""
    return overlaid_svg(_lines_of(spec, curves), f"{title} · {spec.title}")


def as_png(spec: CurveSpec, curves: Mapping[str, Curve], title: str) -> bytes:
    """The same as pixels."""
    from brightrun_tui.tui.widgets.chart_pixels import as_pixels

    found = plotted(_lines_of(spec, curves), f"{title} · {spec.title}")
    return as_pixels(found, WIDTH, HEIGHT) if found else b""


def _lines_of(spec: CurveSpec, curves: Mapping[str, Curve]) -> list[tuple[str, Curve]]:
    return [(line.word, curves[line.metric]) for line in spec.lines if line.metric in curves]


@dataclass(frozen=True)
class Words:
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


Shape = Words | Stroke


def overlaid_svg(named: Sequence[tuple[str, Curve]], title: str) -> str:
    """Curves over one another, each with its name."""
    shapes = plotted(named, title)
    if not shapes:
        return ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(map(_svg, shapes))}</svg>\n'
    )


def _svg(shape: Shape) -> str:
    if isinstance(shape, Words):
        return (
            f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" text-anchor="{shape.anchor}" fill="{shape.colour}" '
            f'font-size="{shape.size}">{escape(shape.text)}</text>'
        )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    dash = f' stroke-dasharray="{" ".join(map(str, shape.dash))}"' if shape.dash else ""
    return f'<polyline points="{points}" fill="none" stroke="{shape.colour}" stroke-width="{shape.width}"{dash}/>'


def plotted(named: Sequence[tuple[str, Curve]], title: str) -> list[Shape]:
    """Axes, curves and their names, in a picture of `WIDTH` × `HEIGHT`; nothing where there is nothing to draw."""
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

    shapes: list[Shape] = [Words(LEFT, 24, sanitize(title), size=16)]
    for value, words in ticks_of(low, high, 6):
        shapes.append(Stroke(((LEFT, y(value)), (WIDTH - 20, y(value))), GRID, width=1))
        shapes.append(Words(LEFT - 8, y(value) + 4, words, "end"))
    shapes += [Words(x(step), HEIGHT - 14, words, "middle") for step, words in ticks_of(left, right, 8)]
    for number, (name, segments) in enumerate(parts):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        shapes += [Stroke(tuple(zip(map(x, xs), map(y, ys), strict=True)), colour, dash) for xs, ys in segments]
        shapes.append(Words(WIDTH - 24, TOP + 14 + 18 * number, sanitize(name), "end", colour))
    return shapes
