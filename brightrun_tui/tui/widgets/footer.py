"""The last line: the keys that matter here, from the one table of actions."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import RenderResult
from textual.content import Content
from textual.dom import DOMNode
from textual.widget import Widget

from brightrun_tui.tui.action import Action, spell
from brightrun_tui.tui.actions import IN_DIALOGUES, of_scope

GAP = "   "
NARROW = 80
"""Columns of a terminal below which the keys of a place come before the way to the commands."""


def scopes_of(node: DOMNode) -> tuple[str, ...]:
    """Return the scopes whose actions a node answers to, most specific first."""
    return getattr(node, "SCOPES", ())


@dataclass(frozen=True)
class Live:
    """An action that can be reached now: on which node, by which keys (none: by name), and whether it is possible."""

    action: Action
    node: DOMNode
    keys: tuple[str, ...]
    possible: bool

    @property
    def title(self) -> str:
        """What it is called here: a node may have words of its own for it (``action_titles``)."""
        own: dict[str, str] = getattr(self.node, "action_titles", {})
        return own.get(self.action.name, self.action.title)

    @property
    def key(self) -> str:
        """The first of them, or empty."""
        return self.keys[0] if self.keys else ""


def live_actions(focused: Widget | None, screen: DOMNode) -> list[Live]:
    """Return every action that a key press or the palette would reach now, nearest first.

    A key taken by a nearer action, or typed into a field that has the focus, hides it from a farther one.
    """
    found: list[Live] = []
    taken: set[str] = set()
    for node in (focused or screen).ancestors_with_self:
        here: set[str] = set()
        for action in [action for scope in scopes_of(node) for action in of_scope(scope)]:
            state = node.check_action(action.name, ())
            if state is False:
                continue
            here.update(action.keys)
            if screen.is_modal and action.scope == "app" and action.name not in IN_DIALOGUES:
                continue
            free = [key for key in action.keys if key not in taken and not _typed_into(focused, key)]
            if free or not taken.intersection(action.keys):
                found.append(Live(action, node, tuple(map(spell, free)), bool(state)))
        taken |= here
    return found


def _typed_into(focused: Widget | None, key: str) -> bool:
    character = spell(key) if len(spell(key)) == 1 and spell(key).isprintable() and spell(key) not in "↑↓←→" else None
    return focused is not None and character is not None and focused.check_consume_key(key, character)


class KeyFooter(Widget):
    """As many keys as fit, the most useful ones first; help and quit stay on the right, the commands where there is room."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = Content("")

    def on_mount(self) -> None:
        self.watch(self.screen, "focused", self.look, init=False)
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.look())

    def look(self) -> None:
        """Draw what is possible now, if that is something else than what is shown."""
        if not self._keys().is_same(self._shown):
            self.refresh()

    def render(self) -> RenderResult:
        self._shown = self._keys()
        return self._shown

    def _keys(self) -> Content:
        live = [
            entry
            for entry in live_actions(self.screen.focused, self.screen)
            if entry.action.footer and entry.possible and entry.key
        ]
        left = sorted((entry for entry in live if entry.action.scope != "app"), key=lambda entry: entry.action.footer)
        right = sorted((entry for entry in live if entry.action.scope == "app"), key=lambda entry: entry.action.footer)
        labels, tail = [self._label(entry) for entry in left], self._joined(right)
        wanted = sum(label.cell_length + len(GAP) for label in labels)
        if self.size.width < NARROW and wanted > self.size.width - 2 - tail.cell_length:
            tail = self._joined([entry for entry in right if entry.action.name != "palette"])  # help tells of it
        room = self.size.width - 2 - tail.cell_length
        chosen: list[Content] = []
        for label in labels:
            if label.cell_length + len(GAP) <= room:
                room -= label.cell_length + len(GAP)
                chosen.append(label)
        keys = Content(GAP).join(chosen)
        filler = self.size.width - 2 - keys.cell_length - tail.cell_length
        return Content.assemble(keys, " " * max(1, filler), tail)

    def _joined(self, entries: list[Live]) -> Content:
        return Content(GAP).join([self._label(entry) for entry in entries])

    def _label(self, entry: Live) -> Content:
        if entry.action.changes and getattr(self.app, "read_only", False):
            return Content.styled(f"{entry.key} {entry.title}", "$faint strike")
        return Content.assemble((entry.key, "bold $accent"), " ", (entry.title, "$muted"))
