"""The last line: the keys that matter here, from the one table of actions."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.dom import DOMNode
from textual.widget import Widget

from brightrun_tui.actions import Action, of_scope

GAP = "   "


def scopes_of(node: DOMNode) -> tuple[str, ...]:
    """The scopes whose actions a node answers to, most specific first."""
    return getattr(node, "SCOPES", ())


def live_actions(focused: DOMNode | None, screen: DOMNode) -> list[tuple[Action, DOMNode, bool]]:
    """Every action that a key press would reach now, nearest first: the action, its node, and whether it is possible.

    A key taken by a nearer action hides it from a farther one.
    """
    found: list[tuple[Action, DOMNode, bool]] = []
    taken: set[str] = set()
    for node in (focused or screen).ancestors_with_self:
        fresh: list[Action] = []
        for scope in scopes_of(node):
            fresh += [action for action in of_scope(scope) if not taken.issuperset(action.keys)]
        for action in fresh:
            taken.update(action.keys)
            state = node.check_action(action.name, ())
            if state is not False:
                found.append((action, node, bool(state)))
    return found


class KeyFooter(Widget):
    """As many keys as fit, the most useful ones first; help and quit stay on the right."""

    def on_mount(self) -> None:
        self.watch(self.screen, "focused", self._focus_moved, init=False)

    def _focus_moved(self) -> None:
        self.refresh()

    def render(self) -> RenderResult:
        read_only = bool(getattr(self.app, "read_only", False))
        live = [entry for entry in live_actions(self.screen.focused, self.screen) if entry[0].footer and entry[2]]
        left = [entry for entry in live if entry[0].scope != "app"]
        right = sorted((entry for entry in live if entry[0].scope == "app"), key=lambda entry: entry[0].footer)
        tail = Content(GAP).join([_label(action, enabled) for action, _, enabled in right])
        room = self.size.width - 2 - tail.cell_length
        chosen: list[tuple[Action, bool]] = []
        for action, _, enabled in sorted(left, key=lambda entry: entry[0].footer):
            width = _label(action, enabled).cell_length + len(GAP)
            if width <= room:
                room -= width
                chosen.append((action, enabled and not (read_only and action.changes)))
        keys = Content(GAP).join([_label(action, enabled) for action, enabled in chosen])
        filler = self.size.width - 2 - keys.cell_length - tail.cell_length
        return Content.assemble(keys, " " * max(1, filler), tail)


def _label(action: Action, enabled: bool) -> Content:
    if not enabled:
        return Content.styled(f"{action.key} {action.title}", "$faint")
    return Content.assemble((action.key, "bold $accent"), " ", (action.title, "$muted"))
