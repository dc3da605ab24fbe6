"""Another learning rate, other epochs, another budget or time limit for a run that is under way."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.domain import humanize
from brightrun_tui.domain.requests import ChangeRun
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import TextField

SETTINGS = {"training.learning_rate": "Learning rate", "training.epochs": "Epochs in total"}
LIMITS = {"budget_usd": "Budget in US dollars", "max_hours": "Time limit in hours"}


class ChangeScreen(Dialog[ChangeRun]):
    """Answers with what was changed; None if nothing was."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"Change {run.name}")
        self._run_id = run.id
        now = run.spec.settings.model_copy()
        for one in run.changes:
            now = now.with_overrides(dict(one.settings))
        over = run.state in TERMINAL
        self._holds = (
            "Changes take effect when the run is retried (R)" if over else "Changes take effect at the next step"
        )
        self._used = f"{humanize.money(run.cost_usd)} spent, {humanize.duration(run.active_seconds)} of training"
        self._before = {
            "training.learning_rate": f"{now.training.learning_rate:g}",
            "training.epochs": f"{now.training.epochs:g}",
            "budget_usd": "" if run.limits.budget_usd is None else f"{run.limits.budget_usd:g}",
            "max_hours": "" if run.limits.max_hours is None else f"{run.limits.max_hours:g}",
        }

    def compose_body(self) -> ComposeResult:
        keys = {**SETTINGS, **LIMITS}
        for key, title in keys.items():
            yield Label(Content(title), classes="" if key == next(iter(keys)) else "spaced")
            yield TextField(key, self._before[key], placeholder="no limit")
        yield Label(Content.styled(f"So far: {self._used}. {self._holds}.", "$muted"), classes="spaced")
        with Horizontal(classes="buttons"):
            yield Button("Change it", id="save", variant="primary", compact=True)

    def on_button_pressed(self) -> None:
        typed = {field.key: field.value.strip() for field in self.query(TextField)}
        changed = {key: value for key, value in typed.items() if value and value != self._before[key]}
        settings = {key: value for key, value in changed.items() if key in SETTINGS}
        limits: dict[str, float] = {}
        for key in LIMITS.keys() & changed.keys():
            try:
                limits[key] = float(changed[key].replace(",", "."))
            except ValueError:
                self.app.toast(f"“{changed[key]}” is not a number: {LIMITS[key]}", severity="error")
                return
        self.dismiss(ChangeRun(target=self._run_id, settings=settings, **limits) if changed else None)
