"""Curves as files: a table for other programs, and a picture that can be put into a report."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape

from brightrun_tui.domain.curve import CurveSpec
from brightrun_tui.domain.text import cell, sanitize
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.widgets.chart import ticks_of
from brightrun_tui.tui.widgets.reduce import reduce

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 900, 420, 70, 40, 40
COLOURS = ("#2f6fbf", "#c2660c", "#1a7f37", "#8250df", "#c62828")
DASHES = ("none", "7 4", "2 3", "12 3 2 3", "5 2")


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
    known = [(line.word, curves[line.metric]) for line in spec.lines if line.metric in curves]
    return overlaid_svg(known, f"{title} · {spec.title}")


def overlaid_svg(named: Sequence[tuple[str, Curve]], title: str) -> str:
    """Curves over one another, each with its name."""
    known = [(name, curve) for name, curve in named if curve.steps]
    if not known:
        return ""
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

    drawn = [f'<text x="{LEFT}" y="24" font-size="16">{escape(sanitize(title))}</text>']
    for value, words in ticks_of(low, high, 6):
        drawn.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - 20}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{words}</text>')
    for step, words in ticks_of(left, right, 8):
        drawn.append(f'<text x="{x(step):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{words}</text>')
    for number, (name, segments) in enumerate(parts):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        for xs, ys in segments:
            points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(xs, ys, strict=True))
            drawn.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"/>'
            )
        drawn.append(
            f'<text x="{WIDTH - 24}" y="{TOP + 14 + 18 * number}" text-anchor="end" fill="{colour}">'
            f"{escape(sanitize(name))}</text>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" '
        f'fill="#333"><rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>\n'
    )
