"""Curves as files: a table for other programs, and a picture that can be put into a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape

from brightrun_tui.domain.curve import CurveSpec
from brightrun_tui.domain.text import cell
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.widgets.chart_pixels import as_pixels
from brightrun_tui.tui.widgets.chart_shapes import HEIGHT, WIDTH, ChartWords, Shape, plotted


def as_csv(curves: Mapping[str, Curve]) -> str:
    """Return one row a step: its number, and each metric, empty where there is none. Of a long run the mean, the least, the
    greatest.
    """
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
    """Return one chart, every line named; colours and dashes that are told apart in print. Empty where there is nothing to
    draw.
    """
    return overlaid_svg(_lines_of(spec, curves), f"{title} · {spec.title}")


def as_png(spec: CurveSpec, curves: Mapping[str, Curve], title: str) -> bytes:
    """Return the same as pixels."""
    found = plotted(_lines_of(spec, curves), f"{title} · {spec.title}")
    return as_pixels(found, WIDTH, HEIGHT) if found else b""


def _lines_of(spec: CurveSpec, curves: Mapping[str, Curve]) -> list[tuple[str, Curve]]:
    return [(line.word, curves[line.metric]) for line in spec.lines if line.metric in curves]


def overlaid_svg(named: Sequence[tuple[str, Curve]], title: str) -> str:
    """Draw curves over one another, each with its name."""
    shapes = plotted(named, title)
    if not shapes:
        return ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(map(_svg, shapes))}</svg>\n'
    )


def _svg(shape: Shape) -> str:
    if isinstance(shape, ChartWords):
        return (
            f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" text-anchor="{shape.anchor}" fill="{shape.colour}" '
            f'font-size="{shape.size}">{escape(shape.text)}</text>'
        )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    dash = f' stroke-dasharray="{" ".join(map(str, shape.dash))}"' if shape.dash else ""
    return f'<polyline points="{points}" fill="none" stroke="{shape.colour}" stroke-width="{shape.width}"{dash}/>'
