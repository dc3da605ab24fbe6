"""The form of a new run: what to train, on what, where, and every setting."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.schedule import moment_words
from brightrun_tui.domain.settings import iter_settings, show_value
from brightrun_tui.integrations.services import services
from brightrun_tui.planning.check import CheckName
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.intensity import Intensity
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.resolve import intensity_source
from brightrun_tui.planning.settings_file import changed_settings
from brightrun_tui.providers.spec import Capability, can
from brightrun_tui.tui.widgets import cells, plan_text
from brightrun_tui.tui.widgets.fields import ChoiceField, PickField, TextField, WaitingField
from brightrun_tui.tui.widgets.filter_bar import fits
from brightrun_tui.tui.widgets.form import FormRow, SettingRow
from brightrun_tui.tui.widgets.reflow import TALL, Flow

GROUPS = {
    "lora": "Adapter",
    "quantisation": "Base in memory",
    "data": "Data",
    "training": "Training",
    "evaluation": "Measuring",
}
"""Groups of settings as people read them."""
_SIMPLE = {setting.key: setting.simple for setting in iter_settings()}
MAIN = {"lora.r": "rank", "training.epochs": "epochs", "training.learning_rate": "rate"}
"""What an intensity moves, in few words."""


class RunForm(VerticalScroll, can_focus=False):
    """Posts `FieldChanged` and `PickField.Opened`; the keys are those of `Draft`, or a setting's."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._hidden = 0
        self._rows: dict[str, FormRow] = {}

    def compose(self) -> ComposeResult:
        places = [service for service in services() if service.kind in ("machine", "gpu")]
        yield _pick_row("Dataset", "data", "A file, an added dataset or the example (d).")
        yield Flow(id="data-report")
        yield _pick_row("Base model", "base", "The larger, the better and the slower (b).")
        yield _pick_row("Template", "template", "A proven set of settings for a kind of task (t).")
        yield FormRow(
            "Intensity",
            ChoiceField("intensity", [*Intensity], Intensity.BALANCED),
            "How hard it learns, on top of the template: "
            + "; ".join(f"{one}: {one.purpose}" for one in Intensity)
            + ".",
        )
        yield FormRow(
            "Name", WaitingField("name"), "Of the run and of its model. The same name again makes version 2.", long=True
        )
        yield FormRow(
            "Where",
            ChoiceField(
                "provider", [place.name for place in places], titles={place.name: place.title for place in places}
            ),
            "This machine is free; rented ones cost money by the hour.",
            long=True,
        )
        yield FormRow("GPU", WaitingField("gpu", placeholder="any that fits"), "The GPU to rent, e.g. RTX 4090.")
        yield FormRow(
            "Interruptible",
            ChoiceField("interruptible", ("no", "yes")),
            "Cheaper machines that may be taken away at any time; the run then goes on elsewhere.",
        )
        yield _pick_row("Machine", "machine", "The machine that is rented, with its price; m shows all others.")
        yield FormRow("Budget ($)", WaitingField("budget_usd", placeholder="no limit"),
                      "A ceiling: the run is saved and ended before it costs more.")  # fmt: skip
        yield FormRow("Time limit (h)", WaitingField("max_hours", placeholder="no limit"),
                      "The run is saved and ended after so many hours.")  # fmt: skip
        yield FormRow("Not before", WaitingField("not_before", placeholder="at once"),
                      "It waits in the queue until then: 22:00, or 2026-12-01 22:00. No app need be open.")  # fmt: skip
        yield Static(Content.styled("Settings", "bold $primary"), classes="form-title", id="settings-title")
        for setting in iter_settings():
            if setting.simple:
                yield SettingRow(setting)
        toggle = PickField("advanced", arrow="")
        toggle.id = "advanced-toggle"
        yield toggle
        yield Vertical(id="advanced")

    def on_mount(self) -> None:
        self._show_toggle(False)

    def watch_virtual_size(self) -> None:
        """Keep the field that keys act on in sight when rows came or went."""
        focused = self.screen.focused
        if focused is not None and self in focused.ancestors:
            self.call_after_refresh(focused.scroll_visible, animate=False)

    def _show_title(self, typed: Mapping[str, str]) -> None:
        """Show over the settings how many of all are the person's own, visible or not."""
        mark = f"  ● {len(typed)} changed" if typed else ""
        text = Content.assemble(("Settings", "bold $primary"), (mark, "$accent"))
        self.query_one("#settings-title", Static).update(text)

    def row(self, key: str) -> FormRow:
        """Return the row of a field; once it is there it stays, so it is looked for once."""
        if key not in self._rows:
            self._rows = {getattr(row.field, "key", ""): row for row in self.query(FormRow)}
        return self._rows[key]

    def put_number(self, key: str, value: float | None) -> None:
        """Show a number that was not typed."""
        field = self.row(key).field
        if isinstance(field, TextField):
            field.put("" if value is None else show_value(value))

    def refuse(self, key: str, why: str) -> None:
        """Mark a field as wrong; an empty ``why`` heals it."""
        row = self.row(key)
        row.set_class(bool(why), "-wrong")
        row.remark(f"✗ {why}" if why else "", "$error")

    async def toggle_advanced(self, *, focus: bool = True) -> bool:
        """Show or hide all other settings; True when they are shown now. They are made when first wanted."""
        advanced = self.query_one("#advanced", Vertical)
        if not advanced.children:
            await advanced.mount_all(_advanced_rows())
        advanced.toggle_class("-open")
        is_open = advanced.has_class("-open")
        self._show_toggle(is_open)
        if is_open and focus:
            advanced.query(SettingRow).first().field.focus()
            self.call_after_refresh(self.scroll_to_widget, self.query_one("#advanced-toggle"), top=True, animate=False)
        return is_open

    async def find(self, needle: str) -> None:
        """Show only the settings that fit; an empty ``needle`` shows all again. Opens the advanced ones to look there, too."""
        if needle and not self.query_one("#advanced").has_class("-open"):
            await self.toggle_advanced(focus=False)
        for row in self.query(SettingRow):
            setting = row.setting
            row.display = not needle or fits(needle, setting.title, setting.key, setting.hint)
        for title in self.query(".group-title"):
            title.display = not needle
        for other in self.query("FormRow, #data-report"):
            if not isinstance(other, SettingRow):
                other.set_class(bool(needle), "-elsewhere")

    async def show_setting(self, key: str) -> None:
        """Go to the field of one setting, wherever it is hidden."""
        if not _SIMPLE[key] and not self.query_one("#advanced").has_class("-open"):
            await self.toggle_advanced(focus=False)
        self.row(key).field.focus()

    def first_setting(self) -> FormRow | None:
        """Return the first setting that is shown now."""
        return next((row for row in self.query(SettingRow) if row.display), None)

    def show(
        self, draft: Draft, plan: Plan | None, typed: Mapping[str, str], offer: Offer | None, offer_text: str
    ) -> None:
        """Show what was chosen, and what follows for everything that was not."""
        report = plan.report if plan else None
        brief = report is not None and report.ok and self.app.size.height < TALL
        self.query_one("#data-report", Flow).show(
            lambda width: plan_text.data_report(report, width, brief=brief, more="new_run.preview")
        )
        self._show_pick("data", report.name if report else draft.data, draft.data, "choose what to learn from")
        base = plan.base.title if plan and plan.base and plan.base.id == draft.base else ""
        self._show_pick("base", base or draft.base, draft.base if base else "", "choose a model")
        self._show_pick("template", plan.template.title if plan and plan.template else draft.template, "", "")
        if offer is None:
            none = "none is offered; m says why" if report else "choose a dataset first"
            self._show_pick("machine", "", "", offer_text or none)
        else:
            self.query_one("#machine", PickField).show(plan_text.machine_words(offer))
        name, provider = self.row("name").field, self.row("provider").field
        assert isinstance(name, TextField) and isinstance(provider, ChoiceField)
        name.placeholder = plan.name if plan and draft.data else "after the dataset"
        provider.put(draft.provider)
        name.put(draft.name)
        gpu = self.row("gpu").field
        assert isinstance(gpu, TextField)
        gpu.put(draft.gpu)
        self._show_intensity(draft, plan)
        begins = self.row("not_before")
        if isinstance(begins.field, TextField):
            begins.field.put(draft.not_before)
        failed = any(check.name == CheckName.SCHEDULE and check.error for check in plan.checks) if plan else False
        begins.set_class(failed, "-wrong")
        begins.remark(
            "✗ no time to come" if failed else moment_words(plan.not_before) if plan and plan.not_before else "",
            "$error" if failed else "$muted",
        )
        for key in ("gpu", "machine"):
            self.row(key).set_class(draft.here, "-off")
        interruptible = self.row("interruptible")
        interruptible.set_class(not can(draft.provider, Capability.INTERRUPTIBLE), "-off")
        if isinstance(interruptible.field, ChoiceField):
            interruptible.field.put("yes" if draft.interruptible else "no")
        self._show_title(typed)
        self._hidden = sum(not _SIMPLE.get(key, True) for key in typed)
        self._show_toggle(self.query_one("#advanced").has_class("-open"))
        if plan:
            for row in self.query(SettingRow):
                key = row.setting.key
                row.show(plan.settings.value(key), plan.sources.get(key, ""), typed.get(key))

    def _show_intensity(self, draft: Draft, plan: Plan | None) -> None:
        """Show the choice, and what it has set."""
        row = self.row("intensity")
        if isinstance(row.field, ChoiceField):
            row.field.put(draft.intensity)
        changed = draft.intensity != Intensity.BALANCED
        row.set_class(changed, "-changed")
        source = intensity_source(draft.intensity)
        moved = [key for key, by in plan.sources.items() if by == source] if plan else []
        values = changed_settings(plan) if plan else {}
        titles = {setting.key: setting.title for setting in iter_settings()}
        said = ", ".join(f"{titles[key]} {show_value(values[key])}" for key in moved)
        row.hint = f"How hard it learns, on top of the template. {draft.intensity}: {said or draft.intensity.purpose}."
        short = ", ".join(f"{word} {show_value(values[key])}" for key, word in MAIN.items() if key in moved)
        row.remark(short if changed else draft.intensity.purpose, "$accent" if changed else "$faint")

    def _show_pick(self, key: str, title: str, note: str, empty: str) -> None:
        shown_note = f"  {cells.one_line(note)}" if note and note.casefold() != title.casefold() else ""
        text = Content.assemble((cells.one_line(title), "bold"), (shown_note, "$muted"))
        self.query_one(f"#{key}", PickField).show(
            text if title else Content.styled(cells.one_line(empty), "italic $muted")
        )

    def _show_toggle(self, is_open: bool) -> None:
        count = sum(not simple for simple in _SIMPLE.values())
        hidden = self._hidden
        changed = f"  ● {hidden} changed" if hidden and not is_open else ""
        note = "" if is_open else f"  {count} more" if hidden else f"  {count} more, all with good values"
        self.query_one("#advanced-toggle", PickField).show(
            Content.assemble(
                ("▾ " if is_open else "▸ ", "bold $accent"),
                ("Advanced", "bold $primary"),
                (note, "$muted"),
                (changed, "$accent"),
            )
        )


def _advanced_rows() -> list[Widget]:
    """Return all settings that are not simple, each group under its name."""
    rows: list[Widget] = []
    group = ""
    for setting in iter_settings():
        if setting.simple:
            continue
        if setting.group != group:
            group = setting.group
            rows.append(Static(Content.styled(GROUPS.get(group, group), "$primary"), classes="group-title"))
        rows.append(SettingRow(setting))
    return rows


def row_of(widget: Widget | None) -> FormRow | None:
    """Return the row that a widget is part of."""
    return next((node for node in widget.ancestors_with_self if isinstance(node, FormRow)), None) if widget else None


def _pick_row(label: str, key: str, hint: str) -> FormRow:
    field = PickField(key)
    field.id = key
    return FormRow(label, field, hint, long=True)
