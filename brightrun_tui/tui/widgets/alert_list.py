"""What is wrong with runs, one of it chosen: the keys act on the run of that one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.message import Message

from brightrun_tui.domain.alerts import RunAlert
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import reflow
from brightrun_tui.tui.widgets.alert_text import listed
from brightrun_tui.tui.widgets.reflow import Flow


class AlertList(VerticalScroll, can_focus=True):
    """Every alert of every run. The cursor stays on its alert while others come and go."""

    SCOPES = ("alerts",)
    BINDINGS = bindings("alerts")

    @dataclass
    class Chosen(Message):
        """A person has moved the cursor to an alert."""

        alert: RunAlert

    @dataclass
    class Opened(Message):
        """A person wants to see what an alert is judged from."""

        alert: RunAlert

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._open: Sequence[RunAlert] = ()
        self._cursor = ""
        self._moved = False
        self._places: dict[str, tuple[int, int]] = {}

    def compose(self) -> ComposeResult:
        yield Flow()

    @property
    def chosen(self) -> RunAlert | None:
        """The alert under the cursor."""
        return next((alert for alert in self._open if alert.key == self._cursor), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer nothing of an alert where there is none; the moves scroll the text then."""
        if action == "show":
            return True if self._open else None
        return super().check_action(action, parameters)

    def show(self, alerts: Sequence[RunAlert], snapshot: Snapshot, acknowledged: Collection[str], run_id: str) -> None:
        """Show these. ``run_id``: the chosen run; a cursor on an alert of another one goes to its first."""
        self._open = [alert for alert in alerts if alert.key not in acknowledged]
        if self.chosen is not None and self.chosen.run_id == run_id:
            self._moved = False
        elif self.chosen is None or not self._moved:
            self._cursor = next((alert.key for alert in self._open if alert.run_id == run_id), "")

        def build(width: int) -> reflow.Lines:
            listing = listed(alerts, snapshot, acknowledged, width, self._cursor)
            self._places = listing.places
            return listing.lines

        self.query_one(Flow).show(build)

    def _move(self, to: int) -> None:
        """Move to the alert at a place of the list; without any, scroll the text."""
        if not self._open:
            return
        alert = self._open[max(0, min(len(self._open) - 1, to))]
        self._cursor, self._moved = alert.key, True
        self.post_message(self.Chosen(alert))
        self.call_after_refresh(self._into_sight)

    def on_focus(self) -> None:
        self.call_after_refresh(self._into_sight)

    def _into_sight(self) -> None:
        if place := self._places.get(self._cursor):
            self.scroll_to_region(Region(0, place[0], 1, place[1] - place[0]), animate=False)

    @property
    def _place(self) -> int | None:
        return next((place for place, alert in enumerate(self._open) if alert.key == self._cursor), None)

    def action_cursor_down(self) -> None:
        if self._place is not None and self._place == len(self._open) - 1:
            self.scroll_end(animate=False)  # what was acknowledged and told before stands below
        else:
            self._move(0 if self._place is None else self._place + 1)

    def action_cursor_up(self) -> None:
        self._move(0 if self._place is None else self._place - 1)

    def action_first(self) -> None:
        self._move(0)

    def action_last(self) -> None:
        self._move(len(self._open) - 1)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_show(self) -> None:
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))
