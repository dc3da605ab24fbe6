"""Whom to ask which answers are better, and what that means for the data."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.judge import JudgeSettings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import TextField


class JudgeScreen(Dialog[tuple[str, str]]):
    """Answers the judge's address and model; ``key_place`` says where its key is."""

    def __init__(self, model: ModelVersion, settings: JudgeSettings, key_place: credentials.CredentialPlace) -> None:
        super().__init__(f"Have {model.ref} judged")
        self._model = model
        self._settings = settings
        self._key_place = key_place

    def compose_body(self) -> ComposeResult:
        count = len(self._model.report.samples)
        yield Static(
            Content(
                f"A language model is shown {count} questions with the base and the tuned answer and the wanted one, "
                "not knowing which is which, and says which is better. All this is sent to the address below."
            ),
            classes="question",
        )
        yield Label(Content("Address of an OpenAI-compatible API"))
        yield TextField("url", self._settings.url, placeholder="https://api.openai.com/v1")
        yield Label(Content("Model there"), classes="spaced")
        yield TextField("model", self._settings.model, placeholder="the name of a capable model")
        key = credentials.PLACES[self._key_place]
        yield Static(Content(f"Key: {key}. It is entered under Integrations (1), card “Judge”."), classes="spaced hint")
        yield Static("", id="said", markup=False)
        with Horizontal(classes="buttons"):
            yield Button("Ask the judge", id="ask", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#ask" if self._settings.url and self._settings.model else TextField).focus()

    def on_button_pressed(self) -> None:
        url, model = (field.value.strip() for field in self.query(TextField))
        if url and model:
            self.dismiss((url, model))
        else:
            self.query_one("#said", Static).update(Content.styled("Address and model are both needed.", "$warning"))
