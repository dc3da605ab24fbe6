"""Where workers that come and go find a model's adapter."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import TextField


class RepositoryScreen(Dialog[str]):
    """Answers the repository, ``owner/name``."""

    def __init__(self, model: ModelVersion, place: str) -> None:
        super().__init__(f"Serve {model.ref} at {place}")
        self._model = model

    def compose_body(self) -> ComposeResult:
        yield Static(
            Content(
                "Workers fetch base and adapter from the Hugging Face Hub when somebody asks, without a token of yours: both "
                f"must be public there. To put it there: brightrun models push {self._model.ref} --to OWNER/NAME --public"
            ),
            classes="question",
        )
        yield Label(Content("Repository of the adapter"))
        yield TextField("repository", "", placeholder="owner/name")
        with Horizontal(classes="buttons"):
            yield Button("Look at it", id="look", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(TextField).focus()

    def on_button_pressed(self) -> None:
        repository = self.query_one(TextField).value.strip()
        if repository:
            self.dismiss(repository)
