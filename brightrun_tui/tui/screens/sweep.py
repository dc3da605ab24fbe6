"""The runs of one sweep beside one another: what was tried, and which has the lowest held-out loss."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.halving import STOPPED_EARLY
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.form import show_value
from brightrun_tui.tui.widgets.reflow import Flow


class SweepScreen(Dialog[None]):
    """Best first; runs without a held-out loss yet come last."""

    def __init__(self, runs: list[Run]) -> None:
        super().__init__(f"Sweep of {len(runs)} runs", classes="-large")
        self._runs = sorted(runs, key=lambda run: (run.held_out_loss is None, run.held_out_loss or 0.0, run.created_at))

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            yield Flow(self._lines)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _lines(self, width: int) -> reflow.Lines:
        lines = [
            Content.styled(f"{cells.fit('run', 34)} {cells.fit('state', 10)} held-out loss", "$muted").truncate(
                width, ellipsis=True
            )
        ]
        for place, run in enumerate(self._runs):
            best = place == 0 and run.held_out_loss is not None
            lines.append(
                Content.assemble(
                    (cells.fit(cells.one_line(run.name), 34), "bold" if best else ""),
                    f" {cells.fit(run.state, 10)} {humanize.loss(run.held_out_loss)}",
                    ("  ★ lowest", "bold $success") if best else "",
                ).truncate(width, ellipsis=True)
            )
            lines += reflow.indented(reflow.text(self._tried(run), width - 2, "$muted"), 2)
            for notice in run.notices:
                if notice.code == STOPPED_EARLY:
                    lines += reflow.indented(reflow.text(cells.plain(notice.message), width - 2, "$warning"), 2)
        return lines

    def _tried(self, run: Run) -> str:
        """The settings in which the runs differ, as this one has them."""
        said = []
        for setting in iter_settings():
            values = [getattr(getattr(one.spec.settings, setting.group), setting.name) for one in self._runs]
            if len(set(values)) > 1:
                said.append(f"{setting.title} {show_value(values[self._runs.index(run)])}")
        return " · ".join(said)
