"""The curves of a run, one at a time: the loss first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from rich.segment import Segment as Cell
from rich.style import Style as RichStyle
from textual import events
from textual.color import Color
from textual.content import Content
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

from brightrun_tui.domain.curve import LOSS, CurveSpec, Ink
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.snapshot import Curve, RunDetail
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.chart import Drawing, Line, View, draw
from brightrun_tui.tui.widgets.curves import curves_of, shown
from brightrun_tui.tui.widgets.reduce import gap_words, smooth
from brightrun_tui.tui.widgets.titles import retitle

REDRAW_SECONDS = 1.0
SMOOTHING = 0.9

COLOURS = {"train": "curve-train", "eval": "curve-eval", "raw": "curve-train-raw", "axis": "muted"}
"""The theme's variable for every role in a drawing."""


class LossChart(Widget, can_focus=True):
    """One curve of one run, redrawn at most once a second and only when it has changed and is seen."""

    SCOPES = ("chart",)
    BINDINGS = bindings("chart")

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view = View()
        self._chosen = "loss"
        self._detail: RunDetail | None = None
        self._seen: tuple[object, ...] = ()
        self._drawing = Drawing()
        self._drawing_now = False
        self._stale = True

    def on_mount(self) -> None:
        self._timer = self.set_interval(REDRAW_SECONDS, self._tick)
        self.screen.screen_layout_refresh_signal.subscribe(self, lambda _: self._tick())
        self._retitle()

    def show(self, detail: RunDetail | None) -> None:
        """Show this run's curves; another run starts with the whole of it."""
        if (detail.run_id if detail else "") != (self._detail.run_id if self._detail else ""):
            self.view = replace(self.view, window=None)
            self._drawing, self._stale = Drawing(), True
            self._detail = detail
            self._tick()
            self.refresh()
        self._detail = detail
        self._retitle()

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

    def action_zoom_in(self) -> None:
        self._zoom(0.5)

    def action_zoom_out(self) -> None:
        self._zoom(2.0)

    def action_pan_left(self) -> None:
        self._pan(-0.25)

    def action_pan_right(self) -> None:
        self._pan(0.25)

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
            self._chosen = known[(known.index(self._spec) + by) % len(known)].name
            self._look(self.view)

    @property
    def _spec(self) -> CurveSpec:
        """The curve that was chosen, or the first one of a run that does not have it."""
        known = curves_of(self._detail.curves if self._detail else ())
        return next((one for one in known if one.name == self._chosen), known[0] if known else LOSS)

    def _extent(self) -> tuple[float, float] | None:
        curves = self._curves()
        known = [curve for curve in curves.values() if curve.steps]
        return (min(c.steps[0] for c in known), max(c.steps[-1] for c in known)) if known else None

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

    def _curves(self) -> Mapping[str, Curve]:
        known = self._detail.curves if self._detail else {}
        return {metric: known[metric] for metric in self._spec.metrics if metric in known}

    def _tick(self) -> None:
        """Draw when something differs from what is shown, and somebody can see it."""
        if not self.is_mounted or not self.display or not self.size or self.app.screen is not self.screen:
            return
        seen = (self.content_size, self.view, tuple((name, curve.version) for name, curve in self._curves().items()))
        if (seen == self._seen and not self._stale) or self._drawing_now:
            return
        self._seen, self._stale, self._drawing_now = seen, False, True
        self.run_worker(self._draw(), group="chart", exit_on_error=True)

    async def _draw(self) -> None:
        spec, curves, view = self._spec, self._curves(), self.view
        lines = []
        try:
            for line in spec.lines:
                curve = curves.get(line.metric)
                if curve is None:
                    continue
                steps, values = list(curve.steps), list(curve.values)
                if view.smooth and spec.smooth and line.ink is Ink.FIRST and len(steps) > 20:
                    lines.append(Line("raw", steps, values))
                    values = await asyncio.to_thread(smooth, values, SMOOTHING)
                lines.append(Line(line.ink, steps, values))
            width, height = self.content_size
            self._drawing = await asyncio.to_thread(draw, lines, width, height, view)
        finally:
            self._drawing_now = False
        self._retitle()
        self.refresh()

    def _retitle(self) -> None:
        curves = self._curves()
        spec = self._spec
        legend: list[Content] = [Content(cells.one_line("Curves" if spec is LOSS else spec.title))]
        for line in spec.lines:
            curve = curves.get(line.metric)
            if curve and curve.values:
                now = cells.one_line(f"{line.word} {shown(spec, curve.values[-1])}")
                legend.append(Content.assemble(("━ ", f"${COLOURS[line.ink]}"), now))
        bad = gap_words([step for curve in curves.values() for step in curve.gaps], cells.one_line(spec.title.lower()))
        notes = [Content.styled(f"! {bad}", "bold $error")] if bad else []
        notes += [
            Content(word)
            for word, on in (("smoothed", self.view.smooth and spec.smooth and bool(curves)), ("log", self.view.log))
            if on
        ]
        if self.view.window:
            notes.append(Content(f"steps {self.view.window[0]:.0f}–{self.view.window[1]:.0f}"))
        retitle(self, Content("   ").join(legend), Content(" · ").join(notes))

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
        text = "The first point appears after the first step." if self._detail else "No run is chosen."
        faint = (style + Style(foreground=Color.parse(self.app.theme_variables["faint"]))).rich_style
        return Strip([Cell(text.center(width)[:width], faint)]).adjust_cell_length(width, style.rich_style)
