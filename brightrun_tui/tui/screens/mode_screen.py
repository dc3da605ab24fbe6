"""What the four screens have in common: header, footer, and a picture of the world that is only drawn when seen."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen

from brightrun_tui.tui.screens.dialog import Confirm
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets.footer import KeyFooter
from brightrun_tui.tui.widgets.header import Header
from brightrun_tui.tui.widgets.too_small import TOO_SMALL, TooSmall, too_small
from brightrun_tui.tui.workspace import Workspace

SLIM_WIDTH = 70
"""Columns below which panels stand below one another."""


class ModeScreen(Screen[None]):
    """One of the four control centres.

    A subclass says its ``MODE`` and ``SCOPES``, composes its panels in `compose_body` and draws a snapshot in `show`.
    """

    app: Workspace
    MODE: ClassVar[str]
    SCOPES: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self._drawn: Snapshot | None = None
        self._judged: tuple[Snapshot | None, tuple[object, ...]] = (None, ())
        self._possible: dict[str, bool] = {}

    def compose(self) -> ComposeResult:
        yield Header(self.MODE)
        yield from self.compose_body()
        yield KeyFooter()
        yield TooSmall()

    def compose_body(self) -> ComposeResult:
        """Compose the panels between header and footer."""
        yield from ()

    def show(self, snapshot: Snapshot) -> None:
        """Draw what has changed."""

    def step_back(self) -> None:
        """Take one step out of whatever narrows the view; asked for by escape where nothing nearer takes it."""

    def possible(self) -> dict[str, bool]:
        """Return, by the name of an action, whether it means anything now. One that is not named always does."""
        return {}

    def depends_on(self) -> tuple[object, ...]:
        """Return what `possible` looks at besides the snapshot: it is asked again only where this has changed."""
        return ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        snapshot, others = self.app.snapshot, self.depends_on()
        if snapshot is not self._judged[0] or others != self._judged[1]:
            self._judged, self._possible = (snapshot, others), self.possible()
        return True if self._possible.get(action, True) else None

    def on_mount(self) -> None:
        self.app.snapshot_signal.subscribe(self, lambda _: self._draw_newest())

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self._draw_newest)

    def on_resize(self, event: events.Resize) -> None:
        self._drawn = None
        self.set_class(event.size.width < SLIM_WIDTH, "-slim")
        self.set_class(too_small(event.size), TOO_SMALL)
        self.call_after_refresh(self._draw_newest)

    def refresh_keys(self) -> None:
        """Show in the footer what is possible now."""
        self.query_one(KeyFooter).look()

    async def confirm(
        self, title: str, question: Content | str, *, yes: str, danger: bool = True, safe: bool = False
    ) -> bool:
        """Ask, as `Confirm` does. Call it from a worker."""
        dialog = Confirm(title, question, yes=yes, danger=danger, safe=safe)
        answer: bool | None = await self.app.push_screen_wait(dialog)
        return answer is True

    def redraw(self) -> None:
        """Draw the newest snapshot again, after something else has changed."""
        self._drawn = None
        self._draw_newest()

    def _draw_newest(self) -> None:
        snapshot = self.app.snapshot
        if self.app.current_mode != self.MODE or snapshot is self._drawn or not self.is_mounted:
            return
        self._drawn = snapshot
        try:
            self.query_one(Header).show(snapshot, self.app.read_only)
            if snapshot.loaded or snapshot.runs_alone:
                self.show(snapshot)
                self.refresh_keys()
        except Exception as error:  # a signal that calls this swallows it
            self.app.survive(error)
