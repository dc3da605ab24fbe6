"""Which curves a run has: those that are registered, and one for each metric that none of them draws."""

from __future__ import annotations

import math
from collections.abc import Collection

from brightrun_tui import plugins
from brightrun_tui.domain.curve import CurveLine, CurveSpec
from brightrun_tui.domain.humanize import NOTHING
from brightrun_tui.plugins import Door
from brightrun_tui.tui.widgets.chart_across import TOKENS

UNSHOWABLE = 1e15
"""From here on a value written out is longer than a title."""


def shown(spec: CurveSpec, value: float) -> str:
    """Return a value as the curve shows it; a plugin that cannot does not stop Monitor."""
    if not math.isfinite(value):
        return NOTHING
    if abs(value) >= UNSHOWABLE:
        return f"{value:.3g}"
    try:
        return spec.show(value)
    except Exception:
        return f"{value:.4g}"


def curves_of(metrics: Collection[str]) -> tuple[CurveSpec, ...]:
    """Return the curves in the order in which they are shown, the loss first. Without any, no plugin is loaded."""
    if not metrics:
        return ()
    found = plugins.load_all(Door.CURVES, CurveSpec).found.values()
    metrics = set(metrics) - {TOKENS}  # what curves are drawn over, not one of them
    known = sorted((one for one in found if set(one.metrics) & metrics), key=lambda one: (one.order, one.name))
    drawn = {metric for one in known for metric in one.metrics}
    others = (
        CurveSpec(name=metric, title=metric.replace("_", " "), lines=(CurveLine(metric, "now"),))
        for metric in sorted(metrics - drawn)
    )
    return (*known, *others)
