"""The command palette: every action of every screen, and runs, models, datasets and themes by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.markup import escape

from brightrun_tui.domain import humanize
from brightrun_tui.domain.run import Run
from brightrun_tui.tui.action import Action
from brightrun_tui.tui.actions import SCOPES, of_scope
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.filter_bar import fits
from brightrun_tui.tui.widgets.footer import live_actions
from brightrun_tui.tui.widgets.too_small import TOO_SMALL, TooSmall, too_small
from brightrun_tui.tui.workspace import Workspace

if TYPE_CHECKING:
    from textual.types import IgnoreReturnCallbackType  # loads a dozen widgets that nobody needs

MODE_SCOPES = ("integrations", "new_run", "monitor", "registry")
ELSEWHERE_WEIGHT, NAME_WEIGHT, SETTING_WEIGHT = 0.9, 0.95, 0.8
"""What a match of an action of another screen, of a name, and of a setting counts beside one of an action that works here."""
HELP_SCORE = 0.01
"""Of what only its help speaks of: below all that is called so."""


@dataclass(frozen=True)
class PaletteCommand:
    """One line of the palette, what runs it, and how much a match counts."""

    text: str
    help: str
    run: IgnoreReturnCallbackType
    weight: float = 1.0


class Palette(CommandPalette):
    """Textual's, with the notice of every screen of ours where the terminal is too small."""

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield TooSmall()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(too_small(event.size), TOO_SMALL)


class ActionProvider(Provider):
    """Offers the table of actions: those that work here first, then those of other screens, and things by name."""

    @property
    def _workspace(self) -> Workspace:
        assert isinstance(self.app, Workspace)
        return self.app

    def _here(self) -> Iterator[PaletteCommand]:
        for live in live_actions(self.focused, self.screen):
            if live.action.palette and live.possible:
                action = live.action
                yield PaletteCommand(
                    f"{action.title}  ({action.key})", action.help, partial(self._run, action, live.node)
                )

    def _elsewhere(self) -> Iterator[PaletteCommand]:
        here = getattr(self.screen, "MODE", "")
        if not here:
            return
        for scope in MODE_SCOPES:
            for action in of_scope(scope) if scope != here else ():
                if action.palette:
                    text = f"{action.title}  ({SCOPES[scope]}: {action.key})"
                    yield PaletteCommand(text, action.help, partial(self._run_there, action), ELSEWHERE_WEIGHT)

    def _names(self) -> Iterator[PaletteCommand]:
        app = self._workspace
        for run in app.snapshot.runs:
            told = f"{run.state} · {humanize.ago(run.created_at)}"
            yield PaletteCommand(f"run {cells.one_line(run.name)}", told, partial(app.show_run, run.id), NAME_WEIGHT)
        groups: dict[str, list[Run]] = {}
        for run in app.snapshot.runs:
            if run.spec.group:
                groups.setdefault(run.spec.group, []).append(run)
        for group, of_one in sorted(groups.items(), key=lambda each: -each[1][0].created_at):
            told = f"{len(of_one)} runs beside one another · {humanize.ago(of_one[0].created_at)}"
            shown = partial(self._compare, group)
            yield PaletteCommand(f"sweep {cells.one_line(_sweep_name(of_one))}", told, shown, NAME_WEIGHT)
        for model in app.snapshot.models:
            yield PaletteCommand(
                f"model {cells.one_line(model.ref)}", "in the Registry", partial(app.show_model, model.ref), NAME_WEIGHT
            )
        for report in app.snapshot.datasets:
            told = f"{report.usable:,} records · {cells.one_line(report.path)}"
            yield PaletteCommand(
                f"data {cells.one_line(report.name)}", told, partial(app.show_data, report.name), NAME_WEIGHT
            )
        for theme in app.theme_names:
            yield PaletteCommand(f"theme {theme}", "colours", partial(self._take_theme, theme), NAME_WEIGHT)
        yield from self._services_and_settings()

    def _services_and_settings(self) -> Iterator[PaletteCommand]:
        from brightrun_tui.domain.settings import iter_settings
        from brightrun_tui.integrations.services import services

        app = self._workspace
        for service in services():
            yield PaletteCommand(
                f"service {service.title}", service.gives, partial(app.show_service, service.name), NAME_WEIGHT
            )
        for setting in iter_settings():
            yield PaletteCommand(
                f"setting {setting.title}", setting.hint, partial(app.show_setting, setting.key), SETTING_WEIGHT
            )

    async def _run(self, action: Action, node: DOMNode) -> None:
        await self.app.run_action(action.name, node)

    async def _run_there(self, action: Action) -> None:
        """Go to the screen of the action, and do it there if it is possible."""
        app = self._workspace
        await app.switch_mode(action.scope)
        app.screen.call_after_refresh(self._run_or_say, action)

    async def _run_or_say(self, action: Action) -> None:
        app = self._workspace
        if app.screen.check_action(action.name, ()):
            await app.run_action(action.name, app.screen)
        else:
            app.toast(f"“{action.title}” is not possible now.", severity="warning")

    def _compare(self, group: str) -> None:
        from brightrun_tui.tui.screens.sweep import SweepScreen

        self.app.push_screen(SweepScreen(group), self._show_of_sweep)

    async def _show_of_sweep(self, run_id: str | None) -> None:
        if run_id:
            await self._workspace.show_run(run_id)

    async def _take_theme(self, theme: str) -> None:
        self.app.theme = theme
        await self._workspace.keep_theme(theme)

    async def discover(self) -> Hits:
        for command in self._here():
            yield DiscoveryHit(escape(command.text), command.run, command.text, escape(command.help))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for commands in (self._here(), self._elsewhere(), self._names()):
            for command in commands:
                score = matcher.match(command.text) * command.weight or (HELP_SCORE if fits(query, command.help) else 0)
                if score > 0:
                    yield Hit(score, matcher.highlight(command.text), command.run, help=escape(command.help))


def _sweep_name(runs: Sequence[Run]) -> str:
    """Return what the names of its runs begin with, before the values."""
    parts = zip(*(run.name.split("-") for run in runs), strict=False)
    shared = takewhile(lambda words: len(set(words)) == 1, parts)
    return "-".join(words[0] for words in shared) or runs[0].name
