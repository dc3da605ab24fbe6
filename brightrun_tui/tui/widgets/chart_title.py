"""The words around the curves: which are drawn, their values, and what to know about the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.content import Content

from brightrun_tui.domain.curve import LOSS, CurveSpec
from brightrun_tui.tui.actions import key_of
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.chart import View
from brightrun_tui.tui.widgets.chart_across import WORDS, Across, said_place
from brightrun_tui.tui.widgets.chart_scene import RESTART, chart_of, freeze, value_now
from brightrun_tui.tui.widgets.curves import curves_of, shown
from brightrun_tui.tui.widgets.reduce import FEWEST_TO_SMOOTH, gap_words

COLOURS = {
    "train": "curve-train",
    "eval": "curve-eval",
    "raw": "curve-train-raw",
    "behind": "muted",
    "axis": "muted",
    "title": "foreground",
    "mark": "accent",
    "cursor": "muted",
    "other-1": "success",
    "other-2": "warning",
    "other-3": "secondary",
    "other-4": "error",
}
"""The theme's variable for every role in a drawing."""
_SIGNS = {"train": "━", "eval": "╍"}


@dataclass(frozen=True)
class ShownCurves:
    """What is drawn: ``curves`` of ``spec``, or of all where there are several ``pictures`` (0: one alone).

    ``run_name``: where nothing else on the screen says whose curves they are. ``left_out``: the peak that is beyond the axis.
    """

    detail: RunDetail | None
    spec: CurveSpec
    curves: Mapping[str, Curve]
    view: View
    others: Sequence[tuple[str, RunDetail]] = ()
    pictures: int = 0
    run_name: str = ""
    left_out: float | None = None

    @property
    def known(self) -> dict[str, Curve]:
        """Those that have a point."""
        return {name: curve for name, curve in self.curves.items() if curve.steps}


def legend(what: ShownCurves) -> Content:
    """Name the curves, with the newest value of each or that at the crosshair, and the runs below them."""
    title = "Curves" if what.spec is LOSS or what.pictures else what.spec.title
    parts = [Content(cells.one_line(title))]
    if what.run_name:
        parts.append(Content.styled(cells.one_line(what.run_name), "bold $foreground"))
    if not what.pictures and what.detail is not None:
        parts += [
            Content.assemble((f"{_SIGNS.get(role, '·')} ", f"${COLOURS[role]}"), cells.one_line(text))
            for role, text in _values(what, what.detail)
        ]
    for number, (name, one) in enumerate(what.others[:4], 1):
        sign = Content.assemble(("╌ ", f"${COLOURS[f'other-{number}']}"), cells.fit(name, min(16, len(name))))
        curve = one.curves.get(what.spec.lines[0].metric)
        strand = freeze(curve, Across(one, what.view.axis)) if curve is not None else None
        if not what.pictures and strand is not None and strand.places:
            sign += Content(f" {shown(what.spec, value_now(strand, what.view, ends=True))}")
        parts.append(sign)
    return Content("   ").join(parts)


def notes(what: ShownCurves) -> Content:
    """Say how the picture is drawn, and what is not in it."""
    view, curves = what.view, what.curves
    bad = gap_words(
        sorted({step for curve in curves.values() for step in curve.gaps}), cells.one_line(what.spec.title.lower())
    )
    said = [Content.styled(f"! {bad}", "bold $error")] if bad else []
    if view.cursor is not None:
        said.append(Content.styled(f"at {said_place(view.axis, view.cursor)}", "bold $foreground"))
    smoothed = view.smooth and any(len(curve.steps) >= FEWEST_TO_SMOOTH for curve in what.known.values())
    words = (
        ("smoothed", smoothed and (what.spec.smooth or bool(what.pictures))),
        ("log", view.log),
        ("log steps", view.log_x),
        ("by time", view.axis == "time"),
        ("by tokens learnt from", view.axis == "tokens"),
    )
    said += [Content(word) for word, on in words if on]
    back = [curve.steps[-1] if curve.steps else 0 for curve in curves.values() if curve.behind]
    if back:
        said.insert(
            0, Content.styled(f"{RESTART} went back; dots: what it had learnt behind step {max(back):,}", "$accent")
        )
    count = len(curves_of(what.detail.curves)) if what.detail is not None else 0
    if what.pictures and what.pictures < count:
        next_, before = key_of("chart.next_curve"), key_of("chart.previous_curve")
        said.append(Content(f"{what.pictures} of {count} curves ({next_} {before} show each)"))
    if what.left_out is not None:
        said.append(Content(f"early peak {shown(what.spec, what.left_out)} left out"))
    if view.window:
        left, right = view.window
        low, high = WORDS[view.axis](left), WORDS[view.axis](right)
        unit = {"step": "steps ", "tokens": "tokens "}.get(view.axis, "")
        said.append(Content(f"{unit}{low}–{high}"))
    return Content(" · ").join(said)


def _values(what: ShownCurves, detail: RunDetail) -> list[tuple[str, str]]:
    """Return the role of each line, and its value in words."""
    known = what.known
    if what.view.cursor is None:
        return [
            (line.ink, f"{line.word} {shown(what.spec, known[line.metric].last)}")
            for line in what.spec.lines
            if line.metric in known
        ]
    across = Across(detail, what.view.axis)
    strands = {name: freeze(curve, across) for name, curve in known.items()}
    return [(line, text) for line, text in chart_of(what.spec, strands, what.view).said]
