"""The app as it is, and somebody beside it who looks whether all that changes is seen: ``python -m tests.fuzz.watched FILE``.

What is seen to be wrong is written into FILE, a line each:

* a setting that is not the template's has no mark, neither itself nor the group that hides it;
* what a field shows is not what is planned with;
* config.toml, a template of one's own or the theme has changed, and no message says so;
* an action would act on something else than what is shown as chosen, or on something that is not in sight.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from brightrun_tui.domain.requests import Answer, Ask, RequestOutcome
from brightrun_tui.domain.settings import show_value
from brightrun_tui.planning.intensity import Intensity
from brightrun_tui.planning.resolve import PERSON
from brightrun_tui.tui import actions, app
from brightrun_tui.tui.screens.integrations import IntegrationsScreen
from brightrun_tui.tui.screens.monitor import MonitorScreen
from brightrun_tui.tui.screens.new_run import NewRunScreen
from brightrun_tui.tui.screens.registry import RegistryScreen
from brightrun_tui.tui.widgets.fields import ChoiceField, PickField, TextField
from brightrun_tui.tui.widgets.footer import scopes_of
from brightrun_tui.tui.widgets.form import SettingRow
from brightrun_tui.tui.widgets.row_table import RowTable
from brightrun_tui.tui.widgets.too_small import too_small

LOOK_SECONDS = 0.1
SETTLED = 4
"""Looks in a row at which the form must be wrong: between a key and what follows from it is a moment."""
PATIENCE = 15
"""Looks after which a change must have been told."""
SUBJECTS = {
    "monitor": "pause stop stop_later change checkpoint retry sooner later delete again open note pin mark compare copy",
    "registry": "deploy undeploy endpoint promote rollback chat evaluate corrections rate tag export html delete again answers "
    "judge",
    "integrations": "configure test disconnect",
}
"""Actions that act on what is chosen, by the screen."""


class Watched(app.BrightRunApp):
    """Looks after every action and ten times a second."""

    found: Path
    CSS_PATH = str(Path(app.__file__).with_name("screens") / "app.tcss")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._said: set[str] = set()
        self._told_at = 0
        self._looks = 0
        self._kept: tuple[object, ...] | None = None
        self._kept_since = 0
        self._meant: list[str] = []
        self._wrong: dict[str, int] = {}

    async def on_mount(self) -> None:  # beside the app's own, which Textual calls as well
        self.set_interval(LOOK_SECONDS, self._look)

    def notify(self, *arguments: Any, **options: Any) -> None:
        self._told_at = self._looks
        super().notify(*arguments, **options)

    async def run_action(self, action: Any, default_namespace: DOMNode | None = None, namespaces: Any = None) -> bool:
        name = action if isinstance(action, str) else action[1]
        known = actions.find(scopes_of(default_namespace or self), name)
        screen = self.screen
        if known and known.name in SUBJECTS.get(known.scope, "").split():
            possible = screen.check_action(known.name, ())
            if possible and not (self.read_only and known.changes) and not too_small(self.size):
                self._check_subject(screen, known.id)
        return await super().run_action(action, default_namespace, namespaces)

    async def ask(self, ask: Ask[Answer], *, wait: float = 10.0) -> RequestOutcome[Answer] | None:  # type: ignore[override]
        served = [f"{each.model}:{each.model_version}" for each in self.snapshot.endpoints if each.id == ask.target]
        names = [ask.target, *served]  # a chat ends the endpoint that it began for its model
        if ask.target and not any(name in meant for meant in self._meant[-20:] for name in names):
            self._say(f"{type(ask).__name__} asks for {ask.target}, which nobody had chosen")
        return await super().ask(ask, wait=wait)

    def _check_subject(self, screen: Screen[Any], action: str) -> None:
        """Before an action: what it acts on is the row under the cursor, or marked, and in sight."""
        if isinstance(screen, MonitorScreen):
            meant = {one.id for one in screen.targets()}
            table = screen.runs
            marked = {id_ for id_ in table.ids if id_ in screen._marked}
            if meant != (marked or {table.chosen}):
                self._say(f"{action} acts on {sorted(meant)}, and {sorted(marked) or table.chosen} is chosen")
            place = table.ids.index(table.chosen) if table.chosen else 0
            seen = marked or _row_in_sight(table, place) or _in_sight(screen.query_one("#summary"))
            if not seen:
                self._say(f"{action} acts on a run that is not in sight at {self.size.width}x{self.size.height}")
            self._meant.append(" ".join(meant))
        elif isinstance(screen, RegistryScreen) and screen.model is not None:
            if screen.model.ref != screen.models.chosen:
                self._say(f"{action} acts on {screen.model.ref}, and {screen.models.chosen or 'nothing'} is chosen")
            if not _in_sight(screen.models) and not _in_sight(screen.query_one("#page")):
                self._say(f"{action} acts on a model that is not in sight at {self.size.width}x{self.size.height}")
            endpoint = screen.endpoint.id if screen.endpoint else ""
            self._meant.append(f"{screen.model.ref} {screen.model.name} {endpoint} {screen.model.run_id}")
        elif isinstance(screen, IntegrationsScreen) and screen.card is not None:
            self.set_timer(SETTLED * LOOK_SECONDS, partial(self._check_card, screen, screen.card, action))

    def _check_card(self, screen: IntegrationsScreen, card: Widget, action: str) -> None:
        """A moment after the action: where somebody has looked elsewhere since, nothing is to be said."""
        if screen is self.screen and screen.card is card and not _in_sight(card) and not too_small(self.size):
            self._say(f"{action} acts on {card.id}, which is not in sight at {self.size.width}x{self.size.height}")

    def _look(self) -> None:
        self._looks += 1
        screen: Screen[Any] = self.screen
        wrong = set(self._wrong_in_form(screen)) if isinstance(screen, NewRunScreen) and screen.is_mounted else set()
        self._wrong = {what: self._wrong.get(what, 0) + 1 for what in wrong}
        for what, looks in self._wrong.items():
            if looks >= SETTLED:
                self._say(what)
        self._look_at_files()

    def _wrong_in_form(self, screen: NewRunScreen) -> Iterator[str]:
        plan, draft = screen.plan, screen.draft
        if plan is None or plan.draft is not draft:
            return
        rows = {row.setting.key: row for row in screen.form.query(SettingRow)}
        unsaid = {key for key, source in plan.sources.items() if source == PERSON} - draft.overrides.keys()
        if unsaid:
            yield f"{sorted(unsaid)} are set, and the form does not know it"
        hidden = 0
        for key in draft.overrides:
            row = rows.get(key)
            if row is None or not _displayed(row):
                hidden += 1
            elif not row.has_class("-changed"):
                yield f"{key} is changed, and its row has no mark"
        if hidden and not any(
            " changed" in _text(field) for field in screen.form.query("#advanced-toggle, #settings-title")
        ):
            yield f"{hidden} changed settings are hidden, and nothing says so"
        intensity = screen.form.row("intensity")
        if draft.intensity != Intensity.BALANCED and not intensity.has_class("-changed"):
            yield "the intensity is changed, and its row has no mark"
        for key, row in rows.items():
            field = row.field
            value = show_value(plan.settings.value(row.setting.key))
            shown = getattr(field, "value", value)
            typing = isinstance(field, TextField) and field.typing
            if (
                not typing
                and shown not in (value, draft.overrides.get(key))
                and isinstance(field, TextField | ChoiceField)
            ):
                yield f"{key} shows {shown!r}, and {value!r} is planned with"

    def _look_at_files(self) -> None:
        """What is kept for the next start changes with a word about it."""
        files = [self.paths.config_file, *sorted(self.paths.user_templates.glob("*.toml"))]
        states = tuple((str(file), file.read_bytes()) for file in files if file.is_file())
        theme = "" if isinstance(self.screen, ModalScreen) else self.theme
        now = (states, theme)
        if self._kept is not None and theme and self._kept[1] and now != self._kept and not self._kept_since:
            self._kept_since = self._looks
        if self._kept is None or not self._kept_since:
            self._kept = (states, theme or (self._kept[1] if self._kept else ""))
        if self._kept_since and self._looks - self._kept_since > PATIENCE:
            if self._told_at < self._kept_since - PATIENCE:
                self._say("config.toml, a template or the theme has changed, and nothing was said")
            self._kept, self._kept_since = now, 0

    def _say(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            with self.found.open("a") as file:
                file.write(f"{what}\n")


def _displayed(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def _in_sight(widget: Widget) -> bool:
    """Whether some of it is drawn, inside of all that scrolls around it."""
    region = widget.region
    for node in widget.ancestors:
        if isinstance(node, Widget) and node.size:
            region = region.intersection(node.region)
    return _displayed(widget) and bool(region)


def _row_in_sight(table: RowTable, place: int) -> bool:
    if not _in_sight(table) or not table.chosen:
        return False
    top: int = place * table._row_height - table.scroll_offset.y
    room: int = table.scrollable_content_region.height - table._head
    return 0 <= top < room


def _text(widget: Widget) -> str:
    return widget.value if isinstance(widget, PickField) else str(widget.render())


if __name__ == "__main__":
    Watched.found = Path(sys.argv.pop(1))
    app.BrightRunApp = Watched  # type: ignore[misc]
    from brightrun_tui.cli import main

    main()
