"""What has the focus, explained, and the keys that work where you are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from brightrun_tui.tui.actions import SCOPES
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.footer import Live, live_actions
from brightrun_tui.tui.widgets.form import FormRow
from brightrun_tui.tui.widgets.loss_chart import LossChart
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.service_card import ServiceCard


class HelpScreen(Dialog[None]):
    """The focused field or card first, then keys, nearest first: the focused panel, the screen, everywhere."""

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__("Help", classes="-large")
        around = screen.focused.ancestors_with_self if screen.focused else ()
        self._focused = next((node for node in around if isinstance(node, FormRow | ServiceCard | LossChart)), None)
        self._live = live_actions(screen.focused, screen)

    def compose_body(self) -> ComposeResult:
        with Reading(classes="help") as scroll:
            scroll.border_subtitle = Content("every action has a key; : finds any by name")
            if self._focused:
                yield Static(Content.styled(self._focused.label, "bold $primary"), classes="help-title")
                yield Flow(partial(_explained, self._focused.explain()), classes="help-field")
            for scope, title in self._sections():
                yield Static(Content.styled(title, "bold $primary"), classes="help-title")
                yield Flow(partial(self._lines, scope), classes="help-keys")

    def on_mount(self) -> None:
        self.query_one(Reading).focus()

    def _sections(self) -> list[tuple[str, str]]:
        scopes = dict.fromkeys(live.action.scope for live in self._live)
        return [(scope, SCOPES[scope]) for scope in scopes]

    def _lines(self, scope: str, width: int) -> reflow.Lines:
        return [line for live in self._live if live.action.scope == scope for line in self._line(live, width)]

    def _line(self, live: Live, width: int) -> reflow.Lines:
        action = live.action
        why = "read-only" if self.app.read_only and action.changes else "" if live.possible else "not possible now"
        why = why or ("" if live.key else "leave the field first: esc")
        head = Content.assemble(
            (cells.fit("  ".join(live.keys) or action.all_keys, 13), "$faint" if why else "bold $accent"),
            " ",
            (cells.fit(action.title, 17), "$faint" if why else ""),
            " ",
        )
        text = Content.assemble((action.help, "$faint" if why else "$muted"), (f"  ({why})" if why else "", "$faint"))
        body = reflow.text(text, width - head.cell_length)
        return [
            Content.assemble(head if not index else " " * head.cell_length, line) for index, line in enumerate(body)
        ]


def _explained(facts: Sequence[tuple[str, str]], width: int) -> reflow.Lines:
    return reflow.pairs([(label, cells.plain(text)) for label, text in facts], width, 13)
