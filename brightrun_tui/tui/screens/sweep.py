"""The runs of one sweep beside one another: what was tried, and which has the lowest held-out loss."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from brightrun_tui.domain import humanize
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.settings import iter_settings, show_value
from brightrun_tui.tui.screens.dialog import ListDialog
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.reflow import Flow

NAME_WIDTH, STATE_WIDTH, LOSS_WIDTH = 24, 10, 8


class SweepScreen(ListDialog[str]):
    """Best first; runs without a held-out loss yet come last. Follows what becomes of them; answers the run to be shown."""

    def __init__(self, group: str) -> None:
        super().__init__("Sweep", classes="-large -data -sweep")
        self._group = group
        self._runs: list[Run] = []

    def compose_body(self) -> ComposeResult:
        head = (
            f"{cells.fit('run', NAME_WIDTH)} {cells.fit('state', STATE_WIDTH)} {'loss':>{LOSS_WIDTH}}   what was tried"
        )
        yield Static(Content.styled(head, "$muted"), classes="pick-head")
        yield OptionList(id="choices", markup=False, compact=True)
        with VerticalScroll(id="verdict", can_focus=False):
            yield Flow(id="verdict-text")

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.app.snapshot_signal.subscribe(self, lambda _: self._show_newest())
        self._show_newest()

    def _show_newest(self) -> None:
        runs = [run for run in self.app.snapshot.runs if run.spec.group == self._group]
        runs.sort(key=lambda run: (run.held_out_loss is None, run.held_out_loss or 0.0, run.created_at))
        if runs == self._runs:
            return
        self._runs = runs
        options = self.query_one(OptionList)
        chosen = options.highlighted_option.id if options.highlighted_option else None
        options.set_options([Option(self._line(place, run), id=run.id) for place, run in enumerate(runs)])
        ids = [run.id for run in runs]
        options.highlighted = (ids.index(chosen) if chosen in ids else 0) if ids else None

    def _line(self, place: int, run: Run) -> Content:
        best = place == 0 and run.held_out_loss is not None
        return Content.assemble(
            (cells.fit(cells.one_line(run.name), NAME_WIDTH), "bold" if best else ""),
            f" {cells.fit(run.state, STATE_WIDTH)} {humanize.loss(run.held_out_loss):>{LOSS_WIDTH}} ",
            ("★ " if best else "  ", "bold $success"),
            (self._tried(run), "$muted"),
        )

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        run = next((run for run in self._runs if run.id == event.option_id), None)
        if run is not None:
            self.query_one("#verdict-text", Flow).show(lambda width: _what_became_of(run, width))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def _tried(self, run: Run) -> str:
        """Return the settings in which the runs differ, as this one has them."""
        said = []
        for setting in iter_settings():
            values = [one.spec.settings.value(setting.key) for one in self._runs]
            if len(set(values)) > 1:
                said.append(f"{setting.title} {show_value(values[self._runs.index(run)])}")
        return " · ".join(said)


def _what_became_of(run: Run, width: int) -> reflow.Lines:
    """Say why it was stopped or failed, and how to get to it."""
    lines: reflow.Lines = []
    for notice in run.notices:
        if notice.code == NoticeCode.STOPPED_EARLY:
            lines += reflow.marked(
                reflow.text(cells.plain(notice.message), width - 2, "$warning"), 2, "!", "bold $warning"
            )
    if run.failure:
        lines += reflow.marked(reflow.text(cells.plain(run.failure.cause), width - 2, "$error"), 2, "✗", "bold $error")
        lines += reflow.marked(reflow.text(cells.plain(run.failure.fix), width - 2), 2, "→", "bold $accent")
    return [*lines, *reflow.text(f"enter shows {cells.one_line(run.name)} in Monitor", width, "$muted")]
