"""What is on a panel of curves: which lines, marks and titles, and how several charts share the room. No widgets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from brightrun_tui.domain.curve import CurveSpec, Ink
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.domain.notices import Level
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.chart import OTHERS, Drawing, Line, PaintedRow, View, draw, value_at
from brightrun_tui.tui.widgets.chart_across import WORDS, Across
from brightrun_tui.tui.widgets.curves import shown
from brightrun_tui.tui.widgets.reduce import FEWEST_TO_SMOOTH, smooth

TILE_WIDTH, TILE_HEIGHT = 46, 9
"""Cells that a chart of a grid has at least."""
EVALUATION, CHECKPOINT, ALERT, RESTART = "○", "◆", "!", "↻"
"""On the axis; where several meet, the last of these is seen."""


@dataclass(frozen=True)
class Strand:
    """A metric of one run, frozen for drawing. ``behind``: the same of what was learnt behind the step that it went back to."""

    places: list[float]
    lows: list[float]
    highs: list[float]
    values: list[float]
    behind: Strand | None = None


@dataclass(frozen=True)
class Chart:
    """One picture: ``lines`` to draw, and what its title says of each."""

    spec: CurveSpec
    lines: tuple[Line, ...]
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Scene:
    """Everything that a thread needs to draw."""

    charts: tuple[Chart, ...]
    view: View
    marks: Mapping[str, Sequence[float]] = field(default_factory=dict)


def freeze(curve: Curve, across: Across) -> Strand:
    behind = Curve()
    behind.extend(curve.behind)
    return replace(_strand(curve, across), behind=_strand(behind, across) if curve.behind else None)


def _strand(curve: Curve, across: Across) -> Strand:
    places = across.places(curve)
    return Strand(places, list(curve.lows), list(curve.highs), list(curve.values)) if places else Strand([], [], [], [])


def chart_of(
    spec: CurveSpec, strands: Mapping[str, Strand], view: View, others: Sequence[tuple[str, Mapping[str, Strand]]] = ()
) -> Chart:
    """Return the lines of one chart, those of other runs below; with a crosshair the title has the values there."""
    lines: list[Line] = []
    said: list[tuple[str, str]] = []
    said_of_others: list[tuple[str, str]] = []
    for role, (name, theirs) in zip(OTHERS, others, strict=False):
        if (strand := theirs.get(spec.lines[0].metric)) is not None:
            values = smooth(strand.values) if view.smooth and spec.smooth else strand.values
            lines.append(Line(role, strand.places, values, label=cells.fit(name, min(14, len(name)))))
            if strand.places:
                said_of_others.append(
                    (role, f"{cells.fit(name, min(20, len(name)))} {shown(spec, value_now(strand, view, ends=True))}")
                )
    for line in spec.lines:
        strand = strands.get(line.metric)
        if strand is not None and strand.behind is not None:
            lines.append(Line("behind", strand.behind.places, strand.behind.lows, strand.behind.highs))
        if strand is None or not strand.places:
            continue
        whole = Line(line.ink, strand.places, strand.lows, strand.highs)
        label = f"{line.word} {shown(spec, value_now(strand, view))}"
        said.append((line.ink, cells.one_line(label)))
        drawn_label = cells.one_line(line.word) if len(spec.lines) > 1 else ""
        if view.smooth and spec.smooth and line.ink is Ink.FIRST and len(strand.values) >= FEWEST_TO_SMOOTH:
            lines.append(Line("raw", strand.places, strand.lows, strand.highs))
            lines.append(Line(line.ink, strand.places, smooth(strand.values), label=drawn_label))
        else:
            lines.append(Line(whole.role, whole.steps, whole.values, whole.highs, drawn_label))
    return Chart(spec, tuple(lines), (*said, *said_of_others))


def value_now(strand: Strand, view: View, *, ends: bool = False) -> float:
    """Return the value at the crosshair, else the newest one. ``ends``: behind its last point there is none; nor where it
    went back.
    """
    ends = ends or strand.behind is not None
    if ends and view.cursor is not None and strand.places and view.cursor > strand.places[-1]:
        return math.nan
    return strand.values[-1] if view.cursor is None else value_at(Line("", strand.places, strand.values), view.cursor)


def marks_of(detail: RunDetail, across: Across, troubles: Sequence[int] = ()) -> dict[str, list[float]]:
    """Say where it was measured, checkpoints were saved, alerts came, and a worker began anew. ``troubles``: steps from which
    on its numbers show that something is wrong.
    """
    if not across.known:
        return {}
    measured = detail.curves.get("eval_loss")
    last = max((curve.steps[-1] for curve in detail.curves.values() if curve.behind and curve.steps), default=math.inf)
    began = [event.time for event in detail.phases if event.body.phase == PhaseName.LOADING]
    warned = [event.time for event in detail.alerts if event.body.level != Level.INFO]
    return {
        EVALUATION: [] if measured is None or measured.coarse else across.places(measured),
        CHECKPOINT: [across.of_step(event.body.step) for event in detail.checkpoints if event.body.step <= last],
        RESTART: [across.of_moment(time) for time in began[1:]],
        ALERT: [*map(across.of_moment, warned), *map(across.of_step, troubles)],
    }


def grid_of(width: int, height: int, charts: int) -> tuple[int, int]:
    """Return columns and rows of a grid of as many charts as fit; (1, 1) where only one does."""
    across = max(1, min(charts, width // TILE_WIDTH))
    down = max(1, min(-(-charts // across), height // TILE_HEIGHT))
    return across, down


def picture(scene: Scene, width: int, height: int) -> Drawing:
    """Draw the scene: one chart in all the room, or several as a grid, each below its title. Any thread."""
    words = None if scene.view.axis == "step" else WORDS[scene.view.axis]
    if len(scene.charts) == 1:
        return _drawn(scene.charts[0], width, height, scene, words)
    across, down = grid_of(width, height, len(scene.charts))
    tile_width, tile_height = width // across, height // down
    rows: list[PaintedRow] = []
    bounds = (0.0, 0.0)
    for start in range(0, min(len(scene.charts), across * down), across):
        band: list[PaintedRow] = [[] for _ in range(tile_height)]
        for chart in scene.charts[start : start + across]:
            drawing = _drawn(chart, tile_width - 1, tile_height - 1, scene, words)
            bounds = drawing.bounds if any(drawing.bounds) else bounds
            for line, cells_ in zip(
                band,
                [_title(chart, drawing, tile_width - 1), *_filled(drawing, tile_width - 1, tile_height - 1)],
                strict=True,
            ):
                line += [*cells_, ("axis", " ")]
        rows += band
    return Drawing(rows, bounds)


def _drawn(chart: Chart, width: int, height: int, scene: Scene, words: Callable[[float], str] | None) -> Drawing:
    unit = (chart.spec.unit, chart.spec.unit_word)
    return draw(chart.lines, width, height, scene.view, scene.marks, words, unit, chart.spec.least)


def _title(chart: Chart, drawing: Drawing, width: int) -> PaintedRow:
    row: PaintedRow = [("title", cells.fit(f" {chart.spec.title}", min(width, len(chart.spec.title) + 1)))]
    room = width - len(row[0][1])
    said = [*chart.said]
    if drawing.left_out is not None:
        said.append(("axis", f"peak {shown(chart.spec, drawing.left_out)} above"))
    for role, text in said:
        if len(text) + 2 <= room:
            row.append((role, f"  {text}"))
            room -= len(text) + 2
    return [*row, ("axis", " " * room)]


def _filled(drawing: Drawing, width: int, height: int) -> list[PaintedRow]:
    rows = drawing.rows or [[("axis", " " * width)] for _ in range(height)]
    return rows[:height] + [[("axis", " " * width)] for _ in range(height - len(rows))]
