"""What to measure, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui import registry
from brightrun_tui.domain.model import CHAMPION, ModelVersion
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import ChoiceField, TextField


@dataclass(frozen=True)
class WantedEvaluation:
    """Versions, the data as typed, and how many prompts are answered."""

    versions: tuple[ModelVersion, ...]
    data: str
    answers: int


class EvaluateScreen(Dialog[WantedEvaluation]):
    """Answers what is wanted."""

    def __init__(
        self, model: ModelVersion, others: Sequence[ModelVersion], data: str, marked: Sequence[ModelVersion] = ()
    ) -> None:
        """Offer the choices. ``others``: of the same name; ``data``: what it was trained on, where that is known;
        ``marked``: in the list.
        """
        super().__init__("Evaluate the marked versions" if marked else f"Evaluate {model.ref}")
        self._data = data
        champion = [other for other in others if CHAMPION in other.aliases]
        self._choices: dict[str, tuple[ModelVersion, ...]] = {}
        if marked:
            self._choices[f"the marked: {', '.join(version.ref for version in marked)}"] = tuple(marked)
        self._choices[f"{model.ref} alone"] = (model,)
        if champion:
            self._choices[f"{model.ref} and the champion"] = (model, *champion)
        if others:
            self._choices[f"all {len(others) + 1} versions of {model.name}"] = (model, *others)

    def compose_body(self) -> ComposeResult:
        yield Static(
            Content(
                "Measured on records that none of the versions learnt from, as a report card is. A run of its own does it: "
                "it waits its turn beside trainings, and Monitor shows how far it is."
            ),
            classes="question",
        )
        yield Label(Content("Data: a file, or the name of an added dataset"))
        yield TextField("data", self._data, placeholder="what to measure on")
        yield Label(Content("Versions"), classes="spaced")
        yield ChoiceField("versions", tuple(self._choices))
        yield Label(Content("Prompts answered, to their end (0 to 64)"), classes="spaced")
        yield TextField("answers", str(registry.ANSWERS))
        yield Static("", id="said", markup=False)
        with Horizontal(classes="buttons"):
            yield Button("Evaluate", id="evaluate", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one("#evaluate" if self._data else TextField).focus()

    def on_button_pressed(self) -> None:
        data, answers = (field.value.strip() for field in self.query(TextField))
        if not data:
            self._say("Name the data to measure on.")
        elif not answers.isdecimal() or int(answers) > registry.MOST_ANSWERS:
            self._say(f"Prompts answered: a number from 0 to {registry.MOST_ANSWERS}.")
        else:
            self.dismiss(WantedEvaluation(self._choices[self.query_one(ChoiceField).value], data, int(answers)))

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Content.styled(text, "$warning"))
