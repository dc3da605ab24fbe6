"""The keys that work where you are."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from brightrun_tui.actions import SCOPES, Action
from brightrun_tui.screens.dialog import Dialog
from brightrun_tui.widgets import words
from brightrun_tui.widgets.footer import live_actions


class HelpScreen(Dialog[None]):
    """Nearest first: the focused panel, the screen, everywhere."""

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__("Help", classes="-large")
        self._actions = [(action, enabled) for action, _, enabled in live_actions(screen.focused, screen)]

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True, classes="help") as scroll:
            scroll.border_subtitle = Content("every action has a key; : finds any by name")
            for scope, title in self._sections():
                yield Static(Content.styled(title, "bold $primary"), classes="help-title")
                yield Static(Content("\n").join([self._line(action, enabled) for action, enabled in self._actions
                                                 if action.scope == scope]), classes="help-keys")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _sections(self) -> list[tuple[str, str]]:
        scopes = dict.fromkeys(action.scope for action, _ in self._actions)
        return [(scope, SCOPES[scope]) for scope in scopes]

    def _line(self, action: Action, enabled: bool) -> Content:
        refused = self.app.read_only and action.changes
        keys, title = words.fit(action.all_keys, 13), words.fit(action.title, 16)
        if refused or not enabled:
            why = "  (read-only)" if refused else "  (not possible now)"
            return Content.styled(f"{keys} {title} {action.help}{why}", "$faint")
        return Content.assemble((keys, "bold $accent"), " ", title, " ", (action.help, "$muted"))
