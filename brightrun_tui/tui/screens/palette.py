"""The command palette: every action that works where you are, by name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.markup import escape
from textual.types import IgnoreReturnCallbackType

from brightrun_tui.tui.actions import Action
from brightrun_tui.tui.widgets.footer import live_actions


class ActionProvider(Provider):
    """Offers the table of actions."""

    def _offered(self) -> Iterator[tuple[Action, IgnoreReturnCallbackType]]:
        for live in live_actions(self.focused, self.screen):
            if live.action.palette and live.possible:
                yield live.action, partial(self._run, live.action, live.node)

    async def _run(self, action: Action, node: DOMNode) -> None:
        await self.app.run_action(action.name, node)

    async def discover(self) -> Hits:
        for action, run in self._offered():
            text = f"{action.title}  ({action.key})"
            yield DiscoveryHit(escape(text), run, text, escape(action.help))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action, run in self._offered():
            text = f"{action.title}  ({action.key})"
            score = max(matcher.match(text), 0.8 * matcher.match(action.help))
            if score > 0:
                yield Hit(score, matcher.highlight(text), run, help=escape(action.help))
