"""Rows of a form: label, field, remark. Rows for settings are made from their declaration."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.setting_help import TRADES
from brightrun_tui.domain.settings import Setting, show_value
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.fields import ChoiceField, TextField, WaitingField
from brightrun_tui.tui.widgets.slider import SliderField

TRACK = 9
"""Cells of a slider."""
YES_NO = ("on", "off")


class FormRow(Horizontal):
    """A label, a field and a remark behind it; ``hint`` is shown below the form while the field has the focus.

    A ``long`` row has no remark: its field takes all the room.
    """

    def __init__(self, label: str, field: Widget, hint: str = "", *, long: bool = False) -> None:
        super().__init__(classes="form-row -long" if long else "form-row")
        self.label, self.field, self.hint = label, field, hint
        self._remark = Content("")
        self._said = Static("", classes="form-remark", markup=False)

    def compose(self) -> ComposeResult:
        yield Static(Content(self.label), classes="form-label")
        yield self.field
        yield self._said

    def explain(self) -> list[tuple[str, str]]:
        """Return all that is to be said of the field, as label and text."""
        return [("what it is", self.hint), ("now", getattr(self.field, "value", "") or "not set")]

    def remark(self, text: str, style: str = "$muted") -> None:
        """Show a word or two behind the field."""
        content = Content.styled(cells.one_line(text), style)
        if isinstance(self.field, SliderField):
            content = Content.assemble(self.field.track(TRACK), "  ", content)
        if not content.is_same(self._remark):
            self._remark = content
            self._said.update(content)


class SettingRow(FormRow):
    """One setting of a run. Empty or unchanged means: as the template says."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        field: ChoiceField | TextField
        if setting.kind in ("choice", "bool"):
            field = ChoiceField(setting.key, setting.choices or YES_NO, show_value(setting.default))
        elif setting.stops:
            field = SliderField(setting.key, show_value(setting.default), setting.stops, whole=setting.kind == "int")
        else:
            field = WaitingField(setting.key, show_value(setting.default))
        super().__init__(setting.title, field, setting.hint)
        self._field = field
        self._source = ""

    def explain(self) -> list[tuple[str, str]]:
        setting, trade = self.setting, TRADES.get(self.setting.key)
        return [
            ("what it is", setting.hint),
            ("now", f"{self._field.value or 'empty'}, {self._source or 'the default'}"),
            ("default", show_value(setting.default) or "empty"),
            ("what fits", setting.allowed),
            *([("brings", trade.brings), ("costs", trade.costs)] if trade else []),
            ("elsewhere", f"--set {setting.key}=…, and “{setting.key}” in files of settings and templates"),
        ]

    def show(self, value: Any, source: str, typed: str | None) -> None:
        """Show the value in force: ``source`` says who set it, ``typed`` is what the person entered, if anything."""
        problem = ""
        self._source = "yours" if typed is not None else f"by {source}" if source else ""
        if typed is not None:
            try:
                self.setting.parse(typed)
            except UsageError as error:
                problem = error.what
        self._field.put(show_value(value) if typed is None else typed)
        self.set_class(bool(problem), "-wrong")
        self.set_class(typed is not None, "-changed")
        if problem:
            self.remark(f"✗ {problem}", "$error")
        elif typed is not None:
            self.remark("● yours", "$accent")
        else:
            self.remark(source or self.setting.hint, "$faint")
