"""Monitor: what is running, is it learning, what has it cost, must I act?"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content

from brightrun_tui.domain.alerts import RunAlert
from brightrun_tui.domain.run import Run, silence
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.store import metrics
from brightrun_tui.store.runs import DamagedRun
from brightrun_tui.tui.actions import bindings, key_of
from brightrun_tui.tui.run_list import RunGroup, arrange
from brightrun_tui.tui.run_reader import NO_VITALS
from brightrun_tui.tui.screens.log_actions import LogActions
from brightrun_tui.tui.screens.run_actions import RunActions
from brightrun_tui.tui.screens.take_actions import TakeActions
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import alert_text, answer_text, run_columns, run_facts, run_text
from brightrun_tui.tui.widgets.alert_list import AlertList
from brightrun_tui.tui.widgets.alert_text import alerts_of
from brightrun_tui.tui.widgets.filter_bar import FilterBar
from brightrun_tui.tui.widgets.log_view import LogView
from brightrun_tui.tui.widgets.loss_chart import LossChart
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.row_table import RowTable
from brightrun_tui.tui.widgets.rows import ListRow
from brightrun_tui.tui.widgets.run_filter import matches_damaged
from brightrun_tui.tui.widgets.run_log import RunLog
from brightrun_tui.tui.widgets.titles import retitle

PANES = ("curves", "log", "answers", "facts", "alerts")

CLOSE_ENTRIES = 1_500
"""Entries that a stretch of a long curve is read with."""


class MonitorScreen(TakeActions, RunActions, LogActions):
    """Runs on the left (above, on a narrow terminal), the chosen one on the right."""

    MODE = "monitor"
    SCOPES = ("monitor",)
    BINDINGS = bindings("monitor")
    CSS_PATH = "monitor.tcss"
    AUTO_FOCUS = "#runs"

    chart = getters.query_one("#curves", LossChart)
    alerts = getters.query_one("#alerts", AlertList)

    def __init__(self) -> None:
        super().__init__()
        self._stays = ""
        self._rows: dict[str, tuple[Run, object, ListRow]] = {}
        self._heading: tuple[object, Callable[[int], Content]] | None = None
        self._pane = "curves"
        self._alerts: tuple[RunAlert, ...] = ()
        self.add_class("-curves")

    def compose_body(self) -> ComposeResult:
        with Container(id="body"):
            with Vertical(id="side"):
                yield FilterBar("a word, !word, state:failed, data:faq …", id="run-filter")
                yield RowTable(id="runs", classes="panel")
            with Vertical(id="main"):
                yield Flow(id="summary", classes="panel")
                with Container(id="panes"):
                    yield LossChart(id="curves", classes="pane panel")
                    with Reading(id="answers", classes="pane panel scroll"):
                        yield Flow(id="answers-text")
                    with Reading(id="facts", classes="pane panel scroll"):
                        yield Flow(id="facts-text")
                    yield AlertList(id="alerts", classes="pane panel scroll")
                    yield LogView(id="log", classes="pane panel")
        yield FilterBar("find in the log", id="log-search")

    def on_mount(self) -> None:
        super().on_mount()
        self.chart.read_close = self._read_close
        self._retitle()
        retitle(self.query_one("#answers"), "Answers")
        retitle(self.query_one("#facts"), "Facts")
        retitle(self.query_one("#alerts"), "Alerts")

    async def _read_close(self, run_id: str, metric: str, first: int, last: int) -> list[metrics.CurveEntry]:
        return await metrics.between(self.app.db, run_id, metric, first, last, CLOSE_ENTRIES)

    def show(self, snapshot: Snapshot) -> None:
        self.app.watched_run = self.runs.moved or self.app.watched_run
        run = snapshot.run(self.app.watched_run)
        if run is not None and run.active:
            self._stays = run.id
        elif self._stays != self.app.watched_run:
            self._stays = ""
        groups = arrange(snapshot.runs, self._order, self._left.pinned, self._stays)
        damaged = [run for run in snapshot.damaged if matches_damaged(self._order.filter, run.name, run.id)]
        shown = [run.id for group in groups for run in group.runs] + [run.id for run in damaged]
        if not self.app.watched_run and self._left.run in shown:
            self.app.watched_run = self._left.run
        if self.app.watched_run not in shown:  # what the keys act on is always in sight
            self.app.watched_run = shown[0] if shown else ""
        self._alerts = alerts_of(snapshot, time.time())
        self._marked &= set(shown)
        self.app.overlay(tuple(id_ for id_ in shown if id_ in self._marked and id_ != self.app.watched_run))
        self._show_runs(snapshot, groups, damaged)
        self._show_run()

    def _show_runs(self, snapshot: Snapshot, groups: list[RunGroup], damaged: list[DamagedRun]) -> None:
        narrow = self.has_class("-narrow")
        now = time.time()
        wanted = self._columns
        levels: dict[str, str] = {}
        for alert in self._alerts:
            if alert.key not in self._left.acknowledged and levels.get(alert.run_id) != "error":
                levels[alert.run_id] = alert.level
        rows: list[ListRow] = []
        for group in groups:
            if group.caption:
                rows.append(ListRow("", group, partial(run_text.caption, group.caption, len(group.runs))))
            rows += [self._row(run, snapshot, now, narrow=narrow, alert=levels.get(run.id, "")) for run in group.runs]
            if group.hidden:
                hidden = group.hidden + snapshot.more
                rows.append(ListRow("", ("hidden", hidden), partial(run_text.folded, hidden)))
        rows += [ListRow(run.id, "damaged", partial(run_text.damaged_row, run)) for run in damaged]
        if len(self._rows) > 2 * len(snapshot.runs):
            self._rows.clear()
        look = (wanted, self._order.sort, self._order.reverse)
        if self._heading is None or self._heading[0] != look:
            self._heading = (look, lambda width: run_columns.heading(width, *look))
        self.runs.show(rows, heading=None if narrow else self._heading[1])
        self.runs.choose(self.app.watched_run)
        shown = [run for group in groups for run in group.runs]
        total = len(snapshot.runs) + len(snapshot.damaged) + snapshot.more
        count = f"{len(shown) + len(damaged)} of {total}" if self._order.filter else str(total)
        marked = (f"  {len(self._marked)} marked", "bold $accent") if self._marked else ""
        retitle(self.runs, Content.assemble("Runs ", (count, "$muted"), marked), " · ".join(run_text.how_many(shown)))

    def _row(self, run: Run, snapshot: Snapshot, now: float, *, narrow: bool, alert: str) -> ListRow:
        """Return the row of a run; the same one as before where nothing about it has changed."""
        none = " " if narrow and (self._marked or self._left.pinned) else ""
        mark = "●" if run.id in self._marked else "▴" if run.id in self._left.pinned else none
        vitals = snapshot.vitals.get(run.id, NO_VITALS)
        silent = _is_silent(run, snapshot, now)
        look = (mark, vitals, silent, narrow, alert, self._columns)
        known = self._rows.get(run.id)
        if known is not None and known[0] is run and known[1] == look:
            return known[2]
        stamp = (run.updated_at, run.state, look)
        build = (
            partial(run_text.run_row, run, tall=False, mark=mark, silent=silent, alert=alert)
            if narrow
            else partial(
                run_columns.table_row, run, vitals, wanted=self._columns, mark=mark, silent=silent, alert=alert
            )
        )
        row = ListRow(run.id, stamp, build)
        self._rows[run.id] = (run, look, row)
        return row

    def _show_run(self) -> None:
        run, detail = self.run, self.app.snapshot.detail
        if detail is not None and detail.run_id != self.app.watched_run:
            detail = None
        rich = not self.has_class("-short")
        snapshot, acknowledged = self.app.snapshot, self._left.acknowledged
        leases = snapshot.leases_of(run.id) if run else ()
        damaged = self._damaged
        alerts = self._alerts
        silent = run is not None and _is_silent(run, snapshot, time.time())
        mine = [alert for alert in alerts if run and alert.run_id == run.id and alert.key not in acknowledged]
        nothing = (
            f"No run fits “{self._order.filter}”. esc drops the filter."
            if self._order.filter
            else f"No run yet. Press {key_of('app.new_run')} to set one up."
        )
        self.query_one("#summary", Flow).show(
            lambda width: (
                run_text.summary(
                    run, leases, width, rich=rich, detail=detail, alerts=mine, silent=silent, nothing=nothing
                )
                if damaged is None
                else run_text.damaged_summary(damaged, width)
            )
        )
        self.alerts.show(alerts, snapshot, acknowledged, self.app.watched_run)
        self._retitle()
        absent = "No run is chosen." if damaged is None else "Its record is damaged: this cannot be told."
        waiting = (
            absent
            if run is None
            else "Reading the curves …"
            if detail is None
            else "The first point appears after the first step."
            if run.active
            else "It ended before its first step."
        )
        others = tuple(
            (known.name, self.app.snapshot.others[known.id])
            for known in self.app.snapshot.runs
            if known.id in self._marked and known.id != self.app.watched_run and known.id in self.app.snapshot.others
        )
        troubles = [alert.steps[0] for alert in alerts if run and alert.run_id == run.id and alert.steps]
        self.chart.show(detail, name=run.name if run else "", others=others, troubles=troubles, waiting=waiting)
        if run is None:
            self.log_view.follow(None, nothing=absent)
        else:
            nothing = "The worker has not said anything yet." if run.active else "There is no log of it."
            self.log_view.follow(RunLog(Path(run.directory)), nothing=nothing, over=run.state in TERMINAL)
        self.query_one("#answers-text", Flow).show(
            lambda width: answer_text.answers(detail, width, waits=run is None or run.active)
        )
        self.query_one("#facts-text", Flow).show(lambda width: run_facts.facts(run, detail, width, absent))

    @on(RowTable.Chosen, "#runs")
    def _run_chosen(self, event: RowTable.Chosen) -> None:
        if event.id != self.runs.chosen:
            return  # the cursor is elsewhere already
        self.runs.choose(event.id)
        if event.id != self.app.watched_run:
            self.app.watched_run = event.id
            self._show_run()
            self.refresh_keys()

    @on(AlertList.Chosen)
    def _alert_chosen(self, event: AlertList.Chosen) -> None:
        self._go_to_run(event.alert.run_id)

    @on(AlertList.Opened)
    def _alert_opened(self, event: AlertList.Opened) -> None:
        """Show the alert's curve at the stretch that shows it."""
        self._go_to_run(event.alert.run_id)
        self._show_pane("curves")
        self.chart.look_at(alert_text.CURVES.get(event.alert.code, "loss"), event.alert.steps)

    def _go_to_run(self, run_id: str) -> None:
        """Choose a run, whatever the list leaves out just now."""
        if run_id not in self.runs.ids:
            self.query_one("#run-filter", FilterBar).empty()
            self._arrange(filter="", folded=False)
        self.runs.go(run_id)

    @on(RowTable.Opened, "#runs")
    def _run_opened(self) -> None:
        self.action_open()

    @on(RowTable.HeadingClicked, "#runs")
    def _heading_clicked(self, event: RowTable.HeadingClicked) -> None:
        self._sort_by(run_columns.column_at(event.x, self.runs.scrollable_content_region.width - 2, self._columns))

    @on(FilterBar.Typed, "#run-filter")
    def _filter_changed(self, event: FilterBar.Typed) -> None:
        self._arrange(filter=event.text)
        if event.done:
            self.runs.focus()

    def on_screen_suspend(self) -> None:
        self._keep(run=self._chosen)
        self.chart.pause()
        self.log_view.pause()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.chart.resume()
        self.log_view.resume()

    def depends_on(self) -> tuple[object, ...]:
        return (self._chosen, *sorted(self._marked), *self._alerts, self._left)

    def possible(self) -> dict[str, bool]:
        run = self.run
        return {
            **super().possible(),
            "again": run is not None,
            "open": bool(run and run.model_version is not None),
            "compare": sum(isinstance(target, Run) for target in self.targets()) > 1,
            "note": bool(run),
            "acknowledge": any(alert.key not in self._left.acknowledged for alert in self._alerts),
            "mark": bool(run),
            "pin": bool(run),
            "copy": bool(run),
        }

    def action_runs(self) -> None:
        self.remove_class("-zoomed")
        self._retitle()
        self.runs.focus()

    def step_back(self) -> None:
        """Step out of a kept filter, then the marks, then to the list."""
        bar = self.query_one("#run-filter", FilterBar)
        if self._order.filter:
            bar.action_drop()
        elif self._marked:
            self._marked = set()
            self.redraw()
        else:
            self.runs.focus()

    @work(group="ask")
    async def action_open(self) -> None:
        run = self.run
        if run is not None and run.model_version is not None:
            await self.app.show_model(f"{run.model}:{run.model_version}")

    async def action_again(self) -> None:
        if self.run is not None:
            await self.app.start_again(self.run.id)

    def action_curves(self) -> None:
        self._show_pane("curves")

    def action_log(self) -> None:
        self._show_pane("log")

    def action_answers(self) -> None:
        self._show_pane("answers")

    def action_facts(self) -> None:
        self._show_pane("facts")

    def action_alerts(self) -> None:
        self._show_pane("alerts")

    def action_acknowledge(self) -> None:
        """Acknowledge the alert chosen in their list, else those of the chosen run, else those of all runs."""
        acknowledged = set(self._left.acknowledged)
        open_ = [alert for alert in self._alerts if alert.key not in acknowledged]
        one = self.alerts.chosen if self.focused is self.alerts else None
        mine = [one] if one is not None else [alert for alert in open_ if alert.run_id == self._chosen] or open_
        if mine:
            self._keep(acknowledged=(*self._left.acknowledged, *(alert.key for alert in mine)))
            self.redraw()

    def action_next_pane(self) -> None:
        self._show_pane(PANES[(PANES.index(self._pane) + 1) % len(PANES)])

    def action_previous_pane(self) -> None:
        self._show_pane(PANES[(PANES.index(self._pane) - 1) % len(PANES)])

    def action_zoom(self) -> None:
        focused = next(
            (node.id for node in (self.focused.ancestors_with_self if self.focused else ()) if node.id in PANES), None
        )
        if focused and not self.has_class("-zoomed"):
            self._show_pane(focused)
        self.toggle_class("-zoomed")
        self._show_pane(self._pane)

    def action_filter(self) -> None:
        self.query_one("#run-filter", FilterBar).open()

    def _show_pane(self, pane: str) -> None:
        for name in PANES:
            self.set_class(name == pane, f"-{name}")
        self._pane = pane
        self._retitle()
        self.query_one(f"#{pane}").focus()

    def _retitle(self) -> None:
        """Show the panes and their keys under the summary."""
        open_ = sum(alert.key not in self._left.acknowledged for alert in self._alerts)
        tabs = [
            Content.assemble(
                (key_of(f"monitor.{name}"), "bold $accent"),
                " ",
                (name.capitalize(), "bold $foreground" if name == self._pane else "$muted"),
                (f" {open_}" if name == "alerts" and open_ else "", "bold $warning"),
            )
            for name in PANES
        ]
        one = self.run or self._damaged
        title = (
            one.name if one and self.has_class("-zoomed") else "Run"
        )  # in full screen nothing else says of which run it is
        retitle(self.query_one("#summary"), title, Content("  ").join(tabs))


def _is_silent(run: Run, snapshot: Snapshot, now: float) -> bool:
    """Say whether too long nothing was heard of a run at work."""
    heard_at = snapshot.vitals.get(run.id, NO_VITALS).heard_at
    return run.active and silence(run, heard_at, now) is not None
