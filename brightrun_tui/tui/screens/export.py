"""Where to write a model, and in which form: files, or a repository of the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.registry import export_kinds
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.fields import ChoiceField, FieldChanged, TextField

HUB = "hub"
SIGNABLE = ("bundle", HUB)
_HUB_GIVES = (
    "A private repository of the Hugging Face Hub, made where it is not there yet, with a tag for this version. The token is "
    "the one that Integrations keeps (1)."
)
_SIGNED, _UNSIGNED = "signed with this installation's key", "not signed"


@dataclass(frozen=True)
class WantedExport:
    """``target``: a path, or ``owner/repo`` where the form is `HUB`."""

    form: str
    target: str
    sign: bool


class ExportScreen(Dialog[WantedExport]):
    """Answers form and target."""

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Export {model.ref}")
        self._model = model
        self._kinds = export_kinds()

    def compose_body(self) -> ComposeResult:
        yield Label(Content("Form"))
        first = next(iter(self._kinds))
        yield ChoiceField("form", (*self._kinds, HUB), titles={HUB: "hub (Hugging Face)"})
        yield Static(cells.plain(self._gives(first)), id="form-hint", markup=False)
        yield Label(Content("Where"), classes="spaced")
        yield TextField("target", self._default(first), placeholder="a directory that does not exist yet")
        yield Label(Content("Signature"), classes="spaced signs")
        yield ChoiceField("sign", (_UNSIGNED, _SIGNED))
        with Horizontal(classes="buttons"):
            yield Button("Export", id="export", variant="primary", compact=True)

    def on_mount(self) -> None:
        self._show_signature(next(iter(self._kinds)))

    def on_field_changed(self, event: FieldChanged) -> None:
        if event.key == "form":
            self.query_one("#form-hint", Static).update(Content(cells.plain(self._gives(event.value))))
            target = self.query_one(TextField)
            if target.value in {self._default(form) for form in (*self._kinds, HUB)}:
                target.put(self._default(event.value))
            target.placeholder = "owner/repo" if event.value == HUB else "a directory that does not exist yet"
            self._show_signature(event.value)

    def on_button_pressed(self) -> None:
        form, sign = (field.value for field in self.query(ChoiceField))
        target = self.query_one(TextField).value.strip()
        if target:
            self.dismiss(WantedExport(form, target, sign == _SIGNED and form in SIGNABLE))

    def _show_signature(self, form: str) -> None:
        for widget in (self.query_one(".signs"), list(self.query(ChoiceField))[1]):
            widget.display = form in SIGNABLE

    def _gives(self, form: str) -> str:
        return _HUB_GIVES if form == HUB else self._kinds[form].gives

    def _default(self, form: str) -> str:
        return "" if form == HUB else str(Path.cwd() / self._kinds[form].file_name(self._model))
