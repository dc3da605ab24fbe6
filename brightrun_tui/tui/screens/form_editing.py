"""The form of New Run as it is filled in: fields that change the draft, what was there before, and the way to a setting."""

from __future__ import annotations

from textual import getters, on

from brightrun_tui.domain.settings import show_value
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.intensity import Intensity
from brightrun_tui.planning.plan import Plan
from brightrun_tui.tui.screens.choosing_base import ChoosingBase
from brightrun_tui.tui.widgets.amount import read_amount
from brightrun_tui.tui.widgets.fields import EditBegan, EditEnded, FieldChanged
from brightrun_tui.tui.widgets.filter_bar import FilterBar
from brightrun_tui.tui.widgets.form import SettingRow
from brightrun_tui.tui.widgets.form_history import FormHistory, FormState
from brightrun_tui.tui.widgets.run_form import RunForm, row_of


class FormEditing(ChoosingBase):
    """Changes the draft by what is typed. The screen above it plans with the draft, and shows both."""

    form = getters.query_one("#form", RunForm)

    def __init__(self) -> None:
        super().__init__()
        self._draft = Draft()
        self._typed: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._history = FormHistory()
        self._plan_before: Plan | None = None

    def _show_plan(self) -> None:
        """Show draft and plan as they are now."""
        raise NotImplementedError

    def _show_hint(self) -> None:
        """Show the help of the field that has the focus."""
        raise NotImplementedError

    def _greet(self, welcome: bool) -> None:
        """Show the welcome in the form's place, or the form."""
        raise NotImplementedError

    @on(EditBegan)
    def _edit_began(self, event: EditBegan) -> None:
        self._plan_before = self._plan
        self._remember(event.key)
        self._show_hint()

    @on(EditEnded)
    def _edit_ended(self, event: EditEnded) -> None:
        if event.kept:
            self._history.close(self._state)
        else:
            self.action_undo(aloud=False)
        self._show_plan()
        self._show_hint()

    @on(FieldChanged)
    def _field_changed(self, event: FieldChanged) -> None:
        key, value = event.key, event.value
        self._remember(key)
        if "." in key:
            self._typed = {other: typed for other, typed in self._typed.items() if other != key}
            if value.strip():
                self._typed[key] = value
            self._change(overrides=dict(self._typed))
        elif key == "intensity":
            self._change(intensity=Intensity(value))
        elif key == "interruptible":
            self._change(interruptible=value == "yes")
        elif key in ("budget_usd", "max_hours"):
            self._change_number(key, value)
        else:
            self._change(**{key: value})

    def _change_number(self, key: str, value: str) -> None:
        number, why = read_amount(value)
        self.form.refuse(key, why)
        self._refused = {other: said for other, said in self._refused.items() if other != key}
        if why:
            self._refused[key] = why
        self._show_plan()
        if why:
            return
        self._change(**{key: number})

    @property
    def _state(self) -> FormState:
        return FormState(self._draft, dict(self._typed))

    def _remember(self, key: str = "") -> None:
        """Keep the form as it is now, for undo."""
        self._history.push(self._state, key)
        self.refresh_keys()

    def fill(self, draft: Draft) -> None:
        """Put another draft into the form; undo brings back what was there."""
        self._remember()
        self._typed = {key: show_value(value) for key, value in draft.overrides.items()}
        self._put(draft.model_copy(update={"overrides": dict(self._typed)}))

    def _put(self, draft: Draft) -> None:
        """Show and plan this draft."""
        self._change_all(**{name: getattr(draft, name) for name in Draft.model_fields})

    def _change_all(self, **changes: object) -> None:
        self._change(**changes)
        for key in ("budget_usd", "max_hours"):
            self.form.put_number(key, getattr(self._draft, key))
        self._show_plan()

    async def action_advanced(self) -> None:
        if await self.form.toggle_advanced():
            self._show_plan()

    def action_reset(self) -> None:
        if self._typed or self._draft.intensity != Intensity.BALANCED:
            self._remember()
        self._typed = {}
        self._change(overrides={}, intensity=Intensity.BALANCED)
        self.app.toast("Settings are as the template says; u takes that back.")

    @property
    def _focused_setting(self) -> str:
        row = row_of(self.focused)
        return row.setting.key if isinstance(row, SettingRow) else ""

    def action_reset_one(self) -> None:
        self._remember()
        self._typed.pop(self._focused_setting, None)
        self._change(overrides=dict(self._typed))

    def action_undo(self, *, aloud: bool = True) -> None:
        before = self._history.pop()
        if before is None:
            return
        self._typed = dict(before.typed)
        for key in list(self._refused):
            self.form.refuse(key, "")
        self._refused = {}
        self._put(before.draft)
        if aloud:
            self.app.toast("The last change is taken back.")

    async def show_setting(self, key: str) -> None:
        """Go to the field of one setting."""
        self._greet(False)
        await self.form.show_setting(key)
        self._show_plan()

    def action_find(self) -> None:
        self.query_one("#find", FilterBar).open()

    @on(FilterBar.Typed, "#find")
    async def _find(self, event: FilterBar.Typed) -> None:
        await self.form.find(event.text)
        self._show_plan()
        first = self.form.first_setting()
        if event.done and first is not None:
            first.field.focus()

    def action_next(self) -> None:
        self.focus_next()

    def action_previous(self) -> None:
        self.focus_previous()
