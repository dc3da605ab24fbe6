"""Curves as pictures of characters, for the command line: plotext draws them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

HEIGHT = 14
MARKERS = ("braille", "dot", "x", "o")
"""Lines are told apart without colour."""
MOST_POINTS = 2_000
"""Drawn of a curve; of a longer one every so many."""


def plot(curves: Mapping[str, Mapping[int, float | None]], title: str, width: int) -> str:
    """Return one picture of several curves over the same steps; empty if none has a point.

    Args:
        curves: by name, the value at each step; a step without one is a gap.
        width: of the picture, in columns of the terminal.
    """
    import plotext

    points = {
        name: [(step, value) for step, value in curve.items() if value is not None] for name, curve in curves.items()
    }
    points = {name: found[:: max(1, len(found) // MOST_POINTS)] for name, found in points.items() if found}
    if not points:
        return ""
    plotext.clear_figure()
    plotext.theme("clear")
    for (name, found), marker in zip(points.items(), cycle(MARKERS)):
        plotext.plot([step for step, _ in found], [value for _, value in found], label=name, marker=marker)
    plotext.title(title)
    plotext.xlabel("step")
    plotext.plot_size(max(40, width), HEIGHT)
    drawn: str = plotext.uncolorize(plotext.build())
    return drawn
