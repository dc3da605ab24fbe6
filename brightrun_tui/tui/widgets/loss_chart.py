"""The curves of a run: one in all the room, or a grid of as many as fit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from rich.segment import Segment as Cell
from rich.style import Style as RichStyle
from textual import events
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from brightrun_tui.domain.curve import LOSS, CurveSpec
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.store import metrics
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets.chart import Drawing, View
from brightrun_tui.tui.widgets.chart_across import AXES, Across
from brightrun_tui.tui.widgets.chart_scene import Scene, chart_of, freeze, grid_of, marks_of, picture
from brightrun_tui.tui.widgets.chart_title import COLOURS, ShownCurves, legend, notes
from brightrun_tui.tui.widgets.curves import curves_of
from brightrun_tui.tui.widgets.titles import retitle

Reader = Callable[[str, str, int, int], Awaitable[list[metrics.CurveEntry]]]
"""Reads a stretch of a long curve: id of the run, metric, first and last step."""

REDRAW_SECONDS = 1.0
CURSOR_MOVES = 60
"""Moves of the crosshair from one edge to the other."""


class LossChart(Widget, can_focus=True):
    """Curves of one run, redrawn at most once a second and only when they have changed and are seen."""

    SCOPES = ("chart",)
    BINDINGS = bindings("chart")
    label = "Curves"

    def explain(self) -> list[tuple[str, str]]:
        """Say what the curves tell somebody who sees such for the first time."""
        return [
            (
                "train",
                "the loss, how much the wanted answers surprise the model, on the records it learns from; lower is better",
            ),
            (
                "eval",
                "the same on records that are kept away from training: what it is worth for questions it has never seen",
            ),
            ("good", "both fall and level off; where eval rises again while train falls, it begins to learn by heart"),
            ("marks", "○ measured on the records kept away, ◆ a checkpoint as well, ! an alert, ↻ a new start"),
        ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view = View()
        self.read_close: Reader | None = None
        self._chosen = "loss"
        self._grid = True
        self._run_name = ""
        self._others: Sequence[tuple[str, RunDetail]] = ()
        self._troubles: tuple[int, ...] = ()
        self._waiting = ""
        self._detail: RunDetail | None = None
        self._seen: tuple[object, ...] = ()
        self._drawing = Drawing()
        self._drawing_now = False
        self._stale = True

    def on_mount(self) -> None:
        self._timer = self.set_interval(REDRAW_SECONDS, self._tick)
        self.screen.screen_layout_refresh_signal.subscribe(self, lambda _: self._tick())
        self._retitle()

    def show(
        self,
        detail: RunDetail | None,
        *,
        name: str = "",
        others: Sequence[tuple[str, RunDetail]] = (),
        troubles: Sequence[int] = (),
        waiting: str = "No run is chosen.",
    ) -> None:
        """Show this run's curves, over those of ``others``; another run starts with the whole of it.

        ``troubles``: steps that get the mark of an alert. ``waiting``: said where there is nothing to draw yet.
        """
        if (detail.run_id if detail else "") != (self._detail.run_id if self._detail else ""):
            self.view = replace(self.view, window=None, cursor=None)
            self._drawing, self._stale = Drawing(), True
            self._detail = detail
            self._tick()
            self.refresh()
        if waiting != self._waiting and not self._drawing.rows:
            self.refresh()
        self._detail, self._run_name, self._others, self._waiting = detail, name, others, waiting
        self._troubles = tuple(troubles)
        self._retitle()

    def look_at(self, curve: str, steps: tuple[int, int] | None) -> None:
        """Show this curve alone, around a stretch of steps where one is meant; a run that has none shows its first one."""
        self._chosen, self._grid = curve, False
        window = None
        if steps is not None:
            aside = max(2, steps[1] - steps[0])
            window = float(max(0, steps[0] - aside)), float(steps[1] + aside)
        self._look(replace(self.view, axis="step", window=window, cursor=None))

    def pause(self) -> None:
        self._timer.pause()

    def resume(self) -> None:
        self._timer.resume()
        self._tick()

    def on_resize(self, event: events.Resize) -> None:
        self._stale = True
        self._tick()

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        style = self.visual_style
        if not self._drawing.rows:
            return self._empty_line(y, width, style)
        if y >= len(self._drawing.rows):
            return Strip.blank(width, style.rich_style)
        colours = self._colours(style)
        cells = [Cell(text, colours[role]) for role, text in self._drawing.rows[y]]
        return Strip(cells).adjust_cell_length(width, style.rich_style)

    def action_smooth(self) -> None:
        self._look(replace(self.view, smooth=not self.view.smooth))

    def action_log_scale(self) -> None:
        self._look(replace(self.view, log=not self.view.log))

    def action_next_curve(self) -> None:
        self._turn(1)

    def action_previous_curve(self) -> None:
        self._turn(-1)

    def action_grid(self) -> None:
        self._grid = not self._grid
        self._look(self.view)

    def action_fit(self) -> None:
        self._look(replace(self.view, fit=not self.view.fit))

    def action_by_time(self) -> None:
        """Switch between steps, time and tokens, as far as they are known of the run."""
        at = AXES.index(self.view.axis)
        turned = [*AXES[at + 1 :], *AXES[: at + 1]]
        axis = next(one for one in turned if self._detail is None or Across(self._detail, one).known)
        self._look(replace(self.view, axis=axis, window=None, cursor=None))

    def action_log_x(self) -> None:
        self._look(replace(self.view, log_x=not self.view.log_x))

    def action_crosshair(self) -> None:
        self._look(replace(self.view, cursor=self._drawing.bounds[1] if self.view.cursor is None else None))

    def action_zoom_in(self) -> None:
        self._zoom(0.5)

    def action_zoom_out(self) -> None:
        self._zoom(2.0)

    def action_pan_left(self) -> None:
        self._move_cursor(-1) if self.view.cursor is not None else self._pan(-0.25)

    def action_pan_right(self) -> None:
        self._move_cursor(1) if self.view.cursor is not None else self._pan(0.25)

    def _move_cursor(self, by: int) -> None:
        left, right = self._drawing.bounds
        place = (self.view.cursor or 0.0) + by * (right - left) / CURSOR_MOVES
        place = max(left, min(right, place))
        self._look(replace(self.view, cursor=place if self.view.axis == "time" else float(round(place))))

    def action_reset(self) -> None:
        self._look(replace(self.view, window=None))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._zoom(0.8)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._zoom(1.25)

    def _look(self, view: View) -> None:
        self.view = view
        self._stale = True
        self._tick()
        self._retitle()

    def _turn(self, by: int) -> None:
        known = curves_of(self._detail.curves if self._detail else ())
        if known:
            step = 0 if self.in_grid and by > 0 else by
            self._chosen = known[(known.index(self._spec) + step) % len(known)].name
            self._grid = False
            self._look(self.view)

    @property
    def _spec(self) -> CurveSpec:
        """The curve that was chosen, or the first one of a run that does not have it."""
        known = curves_of(self._detail.curves if self._detail else ())
        return next((one for one in known if one.name == self._chosen), known[0] if known else LOSS)

    @property
    def in_grid(self) -> bool:
        """Whether several charts are shown."""
        return len(self._specs()) > 1

    def _specs(self) -> tuple[CurveSpec, ...]:
        """Return what is drawn: the chosen curve, or as many as fit."""
        known = curves_of(self._detail.curves if self._detail else ())
        across, down = grid_of(*self.content_size, len(known))
        if not self._grid or across * down < 2:
            return (self._spec,)
        return known[: across * down]

    def _extent(self) -> tuple[float, float] | None:
        if self._detail is None:
            return None
        across = Across(self._detail, self.view.axis)
        strands = [freeze(curve, across) for curve in self.drawn.values()]
        known = [one.places for strand in strands for one in (strand, strand.behind) if one is not None and one.places]
        return (min(places[0] for places in known), max(places[-1] for places in known)) if known else None

    def _zoom(self, factor: float) -> None:
        extent = self._extent()
        if extent is None or extent[0] == extent[1]:
            return
        left, right = self.view.window or extent
        span = (right - left) * factor
        if span >= extent[1] - extent[0]:
            self.action_reset()
            return
        middle = right if right >= extent[1] else (left + right) / 2 + span / 2
        self._move(middle - max(span, 4), middle, extent)

    def _pan(self, share: float) -> None:
        extent = self._extent()
        if extent is None or self.view.window is None:
            return
        left, right = self.view.window
        self._move(left + share * (right - left), right + share * (right - left), extent)

    def _move(self, left: float, right: float, extent: tuple[float, float]) -> None:
        if left < extent[0]:
            left, right = extent[0], extent[0] + right - left
        if right > extent[1]:
            left, right = max(extent[0], extent[1] - (right - left)), extent[1]
        self._look(replace(self.view, window=(left, right)))

    @property
    def drawn(self) -> Mapping[str, Curve]:
        """What is drawn of the run, by metric."""
        known = self._detail.curves if self._detail else {}
        return {metric: known[metric] for spec in self._specs() for metric in spec.metrics if metric in known}

    def _tick(self) -> None:
        """Draw when something differs from what is shown, and somebody can see it."""
        if not self.is_mounted or not self.display or not self.size or self.app.screen is not self.screen:
            return
        others = tuple(
            (name, one.curves[self._spec.lines[0].metric].version)
            for name, one in self._others
            if self._spec.lines[0].metric in one.curves
        )
        seen = (
            self.content_size,
            self.view,
            others,
            self._troubles,
            tuple((name, curve.version) for name, curve in self.drawn.items()),
        )
        if (seen == self._seen and not self._stale) or self._drawing_now:
            return
        self._seen, self._stale, self._drawing_now = seen, False, True
        self.run_worker(self._draw(), group="chart", exit_on_error=True)

    async def _draw(self) -> None:
        detail, specs, view = self._detail, self._specs(), self.view
        try:
            if detail is None:
                return
            across = Across(detail, view.axis)
            strands = {
                name: freeze(await self._close(detail, name, curve), across) for name, curve in self.drawn.items()
            }
            others = [
                (name, {metric: freeze(curve, Across(one, view.axis)) for metric, curve in one.curves.items()})
                for name, one in self._others
            ]
            marks = marks_of(detail, across, self._troubles)
            width, height = self.content_size

            def drawing() -> Drawing:
                charts = tuple(chart_of(spec, strands, view, others) for spec in specs)
                return picture(Scene(charts, view, marks), width, height)

            drawn = await asyncio.to_thread(drawing)
            if detail.run_id == (self._detail.run_id if self._detail else ""):
                self._paint(self._drawing, drawn)
        finally:
            self._drawing_now = False
        self._retitle()

    def _paint(self, before: Drawing, drawn: Drawing) -> None:
        """Redraw only the lines that differ: what is painted goes over the wire."""
        self._drawing = drawn
        if len(before.rows) != len(drawn.rows):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before.rows, drawn.rows, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, self.content_size.width, 1) for y in changed))

    async def _close(self, detail: RunDetail, name: str, curve: Curve) -> Curve:
        """Return a long curve with all that can be seen of it in the stretch that is shown; it is read from the store."""
        if self.read_close is None or self.view.window is None or self.view.axis != "step" or not curve.coarse:
            return curve
        left, right = (round(edge) for edge in self.view.window)
        try:
            entries = await self.read_close(detail.run_id, name, left, right)
        except BrightrunError:
            return curve
        near = Curve()
        near.extend(entries)
        if curve.behind:
            near.go_back(curve.behind[0][0] - 1)
        return near

    def _retitle(self) -> None:
        what = ShownCurves(
            self._detail,
            self._spec,
            self.drawn,
            self.view,
            self._others,
            pictures=len(self._specs()) if self.in_grid else 0,
            run_name=self._run_name if self.screen.has_class("-zoomed") else "",
            left_out=self._drawing.left_out,
        )
        retitle(self, legend(what), notes(what))

    def _colours(self, style: Style) -> dict[str, RichStyle]:
        variables = self.app.theme_variables
        colours: dict[str, RichStyle] = {}
        for role, variable in COLOURS.items():
            colour = Color.parse(variables[variable])
            colours[role] = (style + Style(foreground=colour)).rich_style
        return colours

    def _empty_line(self, y: int, width: int, style: Style) -> Strip:
        if y != self.content_size.height // 2:
            return Strip.blank(width, style.rich_style)
        faint = (style + Style(foreground=Color.parse(self.app.theme_variables["faint"]))).rich_style
        return Strip([Cell(self._waiting.center(width)[:width], faint)]).adjust_cell_length(width, style.rich_style)
