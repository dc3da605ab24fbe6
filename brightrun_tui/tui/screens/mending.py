"""What is red in the plan, or warned of and easily mended, and the one change that does it under one key."""

from __future__ import annotations

import asyncio

from textual import work

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.settings import show_value
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.remedies import Remedy, find_remedies
from brightrun_tui.providers.base import Account
from brightrun_tui.tui.screens.draft_actions import DraftActions


class Mending(DraftActions):
    """Looks for remedies once a plan is shown, and applies the first of them."""

    _account: Account | BrightrunError | None
    _refusal: BrightrunError | None

    def __init__(self) -> None:
        super().__init__()
        self._remedies: tuple[Remedy, ...] = ()

    def _show_plan(self) -> None:
        raise NotImplementedError

    @work(exclusive=True, group="remedies")
    async def _find_remedies(self, plan: Plan) -> None:
        """Find remedies for this plan, while it is the one that is shown."""
        found = await asyncio.to_thread(
            find_remedies, plan, self.app.paths, account=self._account, refusal=self._refusal
        )
        if found and plan is self._plan:
            self._remedies = found
            self._show_plan()

    def action_fix(self) -> None:
        """Apply the first remedy; undo takes it back."""
        if not self._remedies:
            return
        remedy = self._remedies[0]
        self._remember()
        self._apply(remedy)
        self.app.toast(f"{remedy.words}; u takes that back.", title="Changed")

    def _apply(self, remedy: Remedy, **with_it: object) -> None:
        """Put a remedy into the form, and other fields of the draft ``with_it``; the machine that is held stays so."""
        offer = self._offer
        self._remedies = ()
        for key, value in remedy.overrides.items():
            self._typed.pop(key, None)
            if value is not None:
                self._typed[key] = show_value(value)
        self._change_all(overrides=dict(self._typed), **with_it, **remedy.fields)
        if offer is not None and "gpu" not in remedy.fields:
            self._hold(offer)

    def _change_all(self, **changes: object) -> None:
        """Do as `_change`, with the numbers that stand in fields shown, too."""
        raise NotImplementedError
