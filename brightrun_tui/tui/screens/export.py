"""Where to write a model, and in which form."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.paths import typed_path
from brightrun_tui.registry import export_kinds
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.fields import ChoiceField, FieldChanged, TextField


class ExportScreen(Dialog[tuple[str, Path]]):
    """Answers form and target."""

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Export {model.ref}")
        self._model = model
        self._kinds = export_kinds()

    def compose_body(self) -> ComposeResult:
        yield Label(Content("Form"))
        first = next(iter(self._kinds.values()))
        yield ChoiceField("form", tuple(self._kinds))
        yield Static(cells.plain(first.gives), id="form-hint", markup=False)
        yield Label(Content("Where"), classes="spaced")
        yield TextField("target", self._default(first.name), placeholder="a directory that does not exist yet")
        with Horizontal(classes="buttons"):
            yield Button("Export", id="export", variant="primary", compact=True)

    def on_field_changed(self, event: FieldChanged) -> None:
        if event.key == "form":
            self.query_one("#form-hint", Static).update(Content(cells.plain(self._kinds[event.value].gives)))
            target = self.query_one(TextField)
            if target.value in {self._default(form) for form in self._kinds}:
                target.put(self._default(event.value))

    def on_button_pressed(self) -> None:
        target = self.query_one(TextField).value.strip()
        if target:
            self.dismiss((self.query_one(ChoiceField).value, typed_path(target).absolute()))

    def _default(self, form: str) -> str:
        return str(Path.cwd() / self._kinds[form].file_name(self._model))
