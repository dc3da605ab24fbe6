"""What you think of a version: stars with a note, words to find it by, what it is for."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import ChoiceField, TextField

STARS = ("not rated", "★☆☆☆☆", "★★☆☆☆", "★★★☆☆", "★★★★☆", "★★★★★")


class RateScreen(Dialog[tuple[int | None, str]]):
    """Answers stars (None: no rating) and the note. ``what``: a version, or a shared model, with what was said of it before."""

    def __init__(self, what: str, rating: int | None = None, note: str = "") -> None:
        super().__init__(f"Rate {what}")
        self._rating, self._note = rating, note

    def compose_body(self) -> ComposeResult:
        yield Label(Content("How good is it? ← → or 1–5"))
        yield ChoiceField("stars", STARS, STARS[self._rating or 0])
        yield Label(Content("Note"), classes="spaced")
        yield TextField("note", self._note, placeholder="what it is good at, what it gets wrong")
        with Horizontal(classes="buttons"):
            yield Button("Save", id="save", variant="primary", compact=True)

    def on_key(self, event: events.Key) -> None:
        if event.key in "12345" and not isinstance(self.focused, TextField):
            event.stop()
            self.query_one(ChoiceField).value = STARS[int(event.key)]

    def on_button_pressed(self) -> None:
        rating = STARS.index(self.query_one(ChoiceField).value)
        self.dismiss((rating or None, self.query_one(TextField).value))


class WordsScreen(Dialog[tuple[str, ...]]):
    """Answers the words as they shall be, each once."""

    def __init__(self, title: str, asked: str, words: Sequence[str], example: str) -> None:
        super().__init__(title)
        self._asked, self._words, self._example = asked, words, example

    def compose_body(self) -> ComposeResult:
        yield Label(Content(self._asked))
        yield TextField("words", " ".join(self._words), placeholder=self._example)
        with Horizontal(classes="buttons"):
            yield Button("Save", id="save", variant="primary", compact=True)

    def on_button_pressed(self) -> None:
        words = self.query_one(TextField).value.replace(",", " ").replace("#", " ").split()
        self.dismiss(tuple(dict.fromkeys(words)))


class DescriptionScreen(Dialog[str]):
    """Answers what the version is for; nothing takes it away."""

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"What {model.ref} is for")
        self._model = model

    def compose_body(self) -> ComposeResult:
        yield Label(Content("One sentence, for those who look for a model"))
        yield TextField(
            "description", self._model.description, placeholder="answers of the shop's help desk, in its voice"
        )
        with Horizontal(classes="buttons"):
            yield Button("Save", id="save", variant="primary", compact=True)

    def on_button_pressed(self) -> None:
        self.dismiss(self.query_one(TextField).value)
