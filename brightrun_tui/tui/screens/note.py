"""A note on a run, in the person's own words."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import TextField


class NoteScreen(Dialog[str]):
    """Answers the note as it shall be; an empty one takes it away."""

    def __init__(self, name: str, note: str) -> None:
        super().__init__(f"Note on {name}")
        self._note = note

    def compose_body(self) -> ComposeResult:
        yield Label(Content("What you want to remember of this run"))
        yield TextField("note", self._note, placeholder="second try, with the cleaned answers")
        with Horizontal(classes="buttons"):
            yield Button("Save", id="save", variant="primary", compact=True)

    def on_button_pressed(self) -> None:
        self.dismiss(self.query_one(TextField).value)
