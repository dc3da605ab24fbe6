"""The machine that is planned for: found unasked, chosen by a person, and paid from an account."""

from __future__ import annotations

import time

from textual import work

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.money import Offer
from brightrun_tui.integrations.rental import account_of
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.offers import WeighedOffer, best_offer
from brightrun_tui.providers.base import Account
from brightrun_tui.tui.screens.mending import Mending


class Renting(Mending):
    """Asks for offers where the plan needs one, and holds the one that is planned with."""

    def __init__(self) -> None:
        super().__init__()
        self._offer: Offer | None = None
        self._account: Account | BrightrunError | None = None
        self._refusal: BrightrunError | None = None
        self._asking = False
        self._refused_at = 0.0

    def _ask_again_if_mended(self) -> None:
        """Ask again where the service refused and was tested since: it may have been mended on another screen."""
        tested_at = self.app.snapshot.services.get(self._draft.provider, {}).get("checked_at") or 0.0
        if 0.0 < self._refused_at < tested_at:
            self._drop_offer()
            self._change()

    @work(exclusive=True, group="offers")
    async def _find_offer(self, draft: Draft) -> None:
        """Take the machine that the run would get unasked, so that there is a price; then see whether it can be paid."""
        self._asking = True
        self._show_plan()
        try:
            offer = await best_offer(draft, self.app.paths)
        except BrightrunError as error:
            self._hold(None, error)
        else:
            self._hold(offer)

    def _hold(self, offer: Offer | None, refusal: BrightrunError | None = None) -> None:
        """Plan with this machine, or with the reason why there is none."""
        self._offer, self._refusal, self._asking = offer, refusal, False
        self._refused_at = time.time() if refusal else 0.0
        if offer is not None and self._account is None:
            self._ask_account(offer.provider)
        self._show_plan()
        self._change()

    @work(exclusive=True, group="account")
    async def _ask_account(self, provider: str) -> None:
        try:
            account: Account | BrightrunError = await account_of(provider, self.app.paths)
        except BrightrunError as error:
            account, self._refused_at = error, time.time()
        if provider == self._draft.provider:
            self._account = account
            self._change()

    def _drop_offer(self) -> None:
        """Drop what was found: the plan asks anew when it needs a machine."""
        self.workers.cancel_group(self, "offers")
        self.workers.cancel_group(self, "account")
        self._offer = self._account = self._refusal = None
        self._asking, self._refused_at = False, 0.0

    @work(group="pick")
    async def action_machine(self) -> None:
        from brightrun_tui.tui.screens.offers import OffersScreen

        one = await self.app.push_screen_wait(OffersScreen(self._draft, self._offer))
        if one is not None:
            self._take_machine(one)

    def _take_machine(self, one: WeighedOffer) -> None:
        """Plan with this machine, at its provider."""
        offer = one.offer
        welcome = self._draft.interruptible or offer.interruptible
        if offer.provider != self._draft.provider or welcome != self._draft.interruptible:
            self._change(provider=offer.provider, interruptible=welcome)
        self.workers.cancel_group(self, "offers")
        self._hold(offer)
