"""One line asked for: a name, a path."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.fields import TextField


class AskLine(Dialog[str]):
    """Answers what was typed, without blanks around it; None if that is nothing."""

    def __init__(self, title: str, question: str, value: str = "", *, yes: str) -> None:
        super().__init__(title)
        self._question, self._value, self._yes = question, value, yes

    def compose_body(self) -> ComposeResult:
        yield Label(Content(cells.plain(self._question)))
        yield TextField("line", self._value)
        with Horizontal(classes="buttons"):
            yield Button(self._yes, variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(TextField).focus()

    def on_button_pressed(self) -> None:
        self.dismiss(self.query_one(TextField).value.strip() or None)
