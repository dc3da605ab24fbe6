"""Where to write a file."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.paths import typed_path
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.screens.path_choices import PathSuggester
from brightrun_tui.tui.widgets.fields import TextField


class SaveFileScreen(Dialog[Path]):
    """Answers a path."""

    def __init__(self, title: str, question: str, name: str) -> None:
        """Ask where to save; ``name``: the file that is proposed, in the current directory."""
        super().__init__(title)
        self._question, self._proposed = question, name

    def compose_body(self) -> ComposeResult:
        yield Label(Content(self._question))
        yield TextField("target", str(Path.cwd() / self._proposed), suggester=PathSuggester())
        yield Label(Content.styled("→ at its end completes a path", "$muted"))
        with Horizontal(classes="buttons"):
            yield Button("Save", id="save", variant="primary", compact=True)

    def on_button_pressed(self) -> None:
        target = self.query_one(TextField).value.strip()
        if target:
            self.dismiss(typed_path(target).absolute())
