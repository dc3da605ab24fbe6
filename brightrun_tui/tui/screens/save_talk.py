"""Where to write a conversation."""

from __future__ import annotations

import time
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.paths import typed_path
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import TextField


class SaveTalkScreen(Dialog[Path]):
    """Answers a path; its ending says in which form."""

    def __init__(self, model: ModelVersion) -> None:
        super().__init__("Save the talk")
        self._model = model

    def compose_body(self) -> ComposeResult:
        yield Label(Content("Where. “.md” is for reading, “.jsonl” is training data."))
        stamp = time.strftime("%Y%m%d-%H%M%S")
        yield TextField("target", str(Path.cwd() / f"chat-{self._model.name}-{stamp}.md"), last=True)
        with Horizontal(classes="buttons"):
            yield Button("Save", id="save", variant="primary", compact=True)

    def on_button_pressed(self) -> None:
        self._done()

    def on_input_submitted(self) -> None:
        self._done()

    def _done(self) -> None:
        target = self.query_one(TextField).value.strip()
        if target:
            self.dismiss(typed_path(target).absolute())
