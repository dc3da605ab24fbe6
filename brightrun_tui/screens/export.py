"""Where to write a model, and in which form."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.paths import typed_path
from brightrun_tui.registry import EXPORT_FORMS
from brightrun_tui.screens.dialog import Dialog
from brightrun_tui.widgets.fields import ChoiceField, FieldChanged, TextField

FORMS = {
    "adapter": "The adapter alone, small: for peft and for anybody who has the base model.",
    "merged": "One complete model, base included: for any program that reads Hugging Face models. Takes a while.",
    "bundle": "One file with the adapter and its report card: to carry to another Bright Run.",
}


class ExportScreen(Dialog[tuple[str, Path]]):
    """Answers form and target."""

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Export {model.ref}")
        self._model = model

    def compose_body(self) -> ComposeResult:
        yield Label(Content("Form"))
        yield ChoiceField("form", EXPORT_FORMS)
        yield Static(FORMS[EXPORT_FORMS[0]], id="form-hint", markup=False)
        yield Label(Content("Where"), classes="spaced")
        yield TextField("target", self._default("adapter"), placeholder="a directory that does not exist yet")
        with Horizontal(classes="buttons"):
            yield Button("Export", id="export", variant="primary", compact=True)

    def on_field_changed(self, event: FieldChanged) -> None:
        if event.key == "form":
            self.query_one("#form-hint", Static).update(Content(FORMS.get(event.value, "")))
            target = self.query_one(TextField)
            if target.value in {self._default(form) for form in EXPORT_FORMS}:
                target.put(self._default(event.value))

    def on_button_pressed(self) -> None:
        target = self.query_one(TextField).value.strip()
        if target:
            self.dismiss((self.query_one(ChoiceField).value, typed_path(target).absolute()))

    def _default(self, form: str) -> str:
        stem = f"{self._model.name}-v{self._model.version}"
        return str(Path.cwd() / {"adapter": stem, "merged": f"{stem}-merged", "bundle": f"{stem}.brightrun.tar"}[form])
