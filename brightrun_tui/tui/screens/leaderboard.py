"""Who does best on which data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual.app import ComposeResult

from brightrun_tui.registry import Board
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.measured_text import boards_text
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow


class LeaderboardScreen(Dialog[None]):
    """Every board, the one with most versions first."""

    def __init__(self, boards: Sequence[Board]) -> None:
        super().__init__("Leaderboard", classes="-large")
        self._boards = boards

    def compose_body(self) -> ComposeResult:
        with Reading():
            yield Flow(partial(boards_text, self._boards))

    def on_mount(self) -> None:
        self.query_one(Reading).focus()
