"""The right answer in the place of a wrong one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.message_box import MessageBox


class CorrectScreen(Dialog[str]):
    """Shows question and answer, which can be edited; answers what the model should have said."""

    SCOPES = ("correct", "modal")
    BINDINGS = bindings("correct")

    def __init__(self, speaker: str, question: str, answer: str) -> None:
        super().__init__(f"What should {speaker} have said?", classes="-correct")
        self._question, self._answer = question, answer

    def compose_body(self) -> ComposeResult:
        yield Label(Content("Asked"))
        yield Static(Content(cells.plain(self._question)), id="asked", markup=False)
        yield Label(Content("The right answer: edit it, or write another (Ctrl-S keeps it)"), classes="spaced")
        yield MessageBox(self._answer, sends=False, id="wanted")
        with Horizontal(classes="buttons"):
            yield Button("Keep correction", id="keep", variant="primary", compact=True)

    def on_mount(self) -> None:
        box = self.query_one(MessageBox)
        box.move_cursor(box.document.end)
        box.focus()

    def on_button_pressed(self) -> None:
        self.action_keep()

    def action_keep(self) -> None:
        self.dismiss(self.query_one(MessageBox).text)
