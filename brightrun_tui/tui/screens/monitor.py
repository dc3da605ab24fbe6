"""Monitor: what is running, is it learning, what has it cost, must I act?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList

from brightrun_tui.domain.queue import Move
from brightrun_tui.domain.run import Run, RunAction
from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.store.runs import DamagedRun
from brightrun_tui.tui.actions import BY_ID, bindings
from brightrun_tui.tui.screens.base import ModeScreen
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import cells, run_text
from brightrun_tui.tui.widgets.filter_bar import FilterBar, fits
from brightrun_tui.tui.widgets.log_view import LogView
from brightrun_tui.tui.widgets.loss_chart import LossChart
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.rows import Row, RowList
from brightrun_tui.tui.widgets.run_log import RunLog
from brightrun_tui.tui.widgets.titles import retitle

PANES = ("curves", "log", "answers", "facts")


class MonitorScreen(ModeScreen):
    """Runs on the left (above, on a narrow terminal), the chosen one on the right."""

    MODE = "monitor"
    SCOPES = ("monitor",)
    BINDINGS = bindings("monitor")
    CSS_PATH = "monitor.tcss"
    AUTO_FOCUS = "#runs"

    runs = getters.query_one("#runs", RowList)
    chart = getters.query_one("#curves", LossChart)
    log_view = getters.query_one("#log", LogView)

    def __init__(self) -> None:
        super().__init__()
        self._filter = ""
        self._pane = "curves"
        self.add_class("-curves")

    def compose_body(self) -> ComposeResult:
        with Container(id="body"):
            with Vertical(id="side"):
                yield FilterBar("name or state; enter keeps it, esc drops it", id="run-filter")
                yield RowList(id="runs", classes="panel")
            with Vertical(id="main"):
                yield Flow(id="summary", classes="panel")
                with Container(id="panes"):
                    yield LossChart(id="curves", classes="pane panel")
                    with VerticalScroll(id="answers", classes="pane panel scroll", can_focus=True):
                        yield Flow(id="answers-text")
                    with VerticalScroll(id="facts", classes="pane panel scroll", can_focus=True):
                        yield Flow(id="facts-text")
                    yield LogView(id="log", classes="pane panel")
        yield FilterBar("find in the log; enter keeps it, esc drops it", id="log-search")

    def on_mount(self) -> None:
        super().on_mount()
        self._retitle()
        retitle(self.query_one("#answers"), "Answers")
        retitle(self.query_one("#facts"), "Facts")

    @property
    def run(self) -> Run | None:
        """The chosen run."""
        return self.app.snapshot.run(self.app.watched_run)

    @property
    def _damaged(self) -> DamagedRun | None:
        """The chosen run, when its record is damaged."""
        return self.app.snapshot.damaged_run(self.app.watched_run)

    def show(self, snapshot: Snapshot) -> None:
        shown = sorted((run for run in snapshot.runs if fits(self._filter, run.name, run.state, run.id)), key=_urgency)
        damaged = [run for run in snapshot.damaged if fits(self._filter, run.name, "damaged", run.id)]
        if snapshot.run(self.app.watched_run) is None and snapshot.damaged_run(self.app.watched_run) is None:
            self.app.watched_run = ""
        if not self.app.watched_run and (shown or damaged):
            self.app.watched_run = shown[0].id if shown else damaged[0].id
        self._show_runs(shown, damaged, len(snapshot.runs) + len(snapshot.damaged))
        self._show_run()

    def _show_runs(self, shown: list[Run], damaged: list[DamagedRun], total: int) -> None:
        tall = not self.has_class("-narrow")
        with self.prevent(OptionList.OptionHighlighted):
            self.runs.show(
                [Row(run.id, (run.updated_at, tall), partial(run_text.run_row, run, tall=tall)) for run in shown]
                + [Row(run.id, "damaged", partial(run_text.damaged_row, run)) for run in damaged]
            )
            self.runs.choose(self.app.watched_run)
        count = f"{len(shown) + len(damaged)} of {total}" if self._filter else str(total)
        retitle(self.runs, Content.assemble("Runs ", (count, "$muted")), " · ".join(run_text.how_many(shown)))

    def _show_run(self) -> None:
        run, detail = self.run, self.app.snapshot.detail
        if detail is not None and detail.run_id != self.app.watched_run:
            detail = None
        rich = not self.has_class("-short")
        leases = self.app.snapshot.leases_of(run.id) if run else ()
        damaged = self._damaged
        self.query_one("#summary", Flow).show(
            lambda width: (
                run_text.summary(run, leases, width, rich=rich)
                if damaged is None
                else run_text.damaged_summary(damaged, width)
            )
        )
        self.chart.show(detail)
        self.log_view.follow(RunLog(Path(run.directory)) if run else None)
        self.query_one("#answers-text", Flow).show(lambda width: run_text.answers(detail, width))
        self.query_one("#facts-text", Flow).show(lambda width: run_text.facts(run, detail, width))

    @on(OptionList.OptionHighlighted, "#runs")
    def _run_chosen(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id and event.option_id != self.app.watched_run:
            self.app.watched_run = event.option_id
            self._show_run()
            self.refresh_keys()

    @on(OptionList.OptionSelected, "#runs")
    def _run_opened(self) -> None:
        self.action_open()

    @on(FilterBar.Typed, "#run-filter")
    def _filter_changed(self, event: FilterBar.Typed) -> None:
        self._filter = event.text
        self.redraw()
        if event.done:
            self.runs.focus()

    @on(LogView.SearchAsked)
    def _search_asked(self) -> None:
        self.query_one("#log-search", FilterBar).open()

    @on(FilterBar.Typed, "#log-search")
    def _search_changed(self, event: FilterBar.Typed) -> None:
        self.log_view.search(event.text)
        if event.done:
            self.log_view.focus()

    def on_screen_suspend(self) -> None:
        self.chart.pause()
        self.log_view.pause()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.chart.resume()
        self.log_view.resume()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.run

        def may(*asked: RunAction) -> bool:
            return run is not None and any(run.permits(one) for one in asked)

        possible = {
            "pause": may(RunAction.PAUSE, RunAction.RESUME),
            "stop": may(RunAction.STOP),
            "checkpoint": may(RunAction.CHECKPOINT),
            "retry": may(RunAction.RETRY),
            "sooner": may(RunAction.MOVE),
            "later": may(RunAction.MOVE),
            "delete": may(RunAction.DELETE) or self._damaged is not None,
            "again": run is not None,
            "open": bool(run and run.model_version is not None),
        }
        return True if possible.get(action, True) else None

    @work(group="ask")
    async def action_pause(self) -> None:
        run = self.run
        if run is not None:
            asked = await self.app.ask("resume_run" if run.state == "paused" else "pause_run", run.id)
            if asked is not None:
                self.app.toast(
                    f"{run.name} goes on." if run.state == "paused" else f"{run.name} pauses after its next checkpoint."
                )

    @work(group="ask")
    async def action_stop(self) -> None:
        run = self.run
        if run is None:
            return
        question = f"End “{run.name}” now? It has not learned anything yet, so nothing is lost."
        if run.state == "stopping":
            question = (
                f"“{run.name}” is ending. Do not wait for it any longer? Its newest checkpoint stays, and a retry goes "
                "on from there."
            )
        elif run.step:
            question = (
                f"End “{run.name}” at step {run.step}? What it has learned is kept as a model, but it will not go on "
                "from here by itself. To go on later, pause it instead."
            )
        if await self.confirm("Stop the run", question, yes="Stop it"):
            await self.app.ask("stop_run", run.id)

    @work(group="ask")
    async def action_checkpoint(self) -> None:
        run = self.run
        if run is not None and await self.app.ask("checkpoint_run", run.id) is not None:
            self.app.toast("The worker saves a checkpoint at its next step.")

    @work(group="ask")
    async def action_retry(self) -> None:
        run = self.run
        if run is None:
            return
        suggestion = run.failure.suggestion if run.failure else {}
        titles = {setting.key: setting.title for setting in iter_settings()}
        changes = "\n".join(f"  {titles.get(key, key)}: {value}" for key, value in suggestion.items())
        question = f"Queue “{run.name}” again?" + (f" With this change:\n\n{cells.plain(changes)}" if changes else "")
        if await self.confirm("Retry the run", question, yes="Retry", danger=False):
            answer = await self.app.ask("retry_run", run.id, {"apply_suggestion": bool(suggestion)})
            if answer and answer.get("run"):
                self.app.watched_run = answer["run"]

    @work(group="ask")
    async def action_sooner(self) -> None:
        await self._move("up")

    @work(group="ask")
    async def action_later(self) -> None:
        await self._move("down")

    async def _move(self, to: Move) -> None:
        run = self.run
        if run is not None and (answer := await self.app.ask("move_run", run.id, {"to": to})) is not None:
            place, all_of_them = answer["queue"].index(run.id) + 1, len(answer["queue"])
            self.app.toast(f"{run.name} is number {place} of {all_of_them} that wait.")

    @work(group="ask")
    async def action_delete(self) -> None:
        run = self.run or self._damaged
        if run is None:
            return
        question = (
            f"Forget “{run.name}” and remove its files from this machine? Models made from it stay in the registry."
        )
        if await self.confirm("Delete the run", question, yes="Delete it"):
            await self.app.ask("delete_run", run.id)

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
        """The panes and their keys, under the summary."""
        tabs = [
            Content.assemble(
                (BY_ID[f"monitor.{name}"].key, "bold $accent"),
                " ",
                (name.capitalize(), "bold $foreground" if name == self._pane else "$muted"),
            )
            for name in PANES
        ]
        retitle(self.query_one("#summary"), "Run", Content("  ").join(tabs))


def _urgency(run: Run) -> tuple[int, float]:
    """What moves comes first, then the queue in its order, then what waits for a person, then the past; newest first in each."""
    order = 0 if run.active and run.state != "queued" else 1 if run.active else 2 if run.state == "paused" else 3
    return order, run.waits_since if run.state == "queued" else -run.created_at
