"""Every machine that is for rent now, weighed for one run; enter takes the one under the cursor."""

from __future__ import annotations

from functools import partial

from textual import events, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.money import Offer
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.offers import Market, WeighedOffer, weigh_market
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import ListDialog
from brightrun_tui.tui.widgets import offer_text, places, reflow
from brightrun_tui.tui.widgets.filter_bar import fits
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.rows import ListRow, RowList


class OffersScreen(ListDialog[WeighedOffer]):
    """Answers the machine that was chosen. Asks for machines and prices when it opens."""

    SCOPES = ("offers", "choose", "modal")
    BINDINGS = bindings("offers")

    def __init__(self, draft: Draft, chosen: Offer | None) -> None:
        super().__init__("Machines for rent", classes="-large -offers")
        self._draft, self._chosen = draft, chosen
        self._market: Market | None = None
        self._trouble: BrightrunError | None = None
        self._interruptible = True

    def compose_body(self) -> ComposeResult:
        yield Input(placeholder="type to narrow: a GPU, a provider, a region", compact=True, id="narrow")
        yield Flow(id="offers-head")
        yield RowList(id="offers")
        yield Flow(id="offer-words")

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._ask()

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self._show)

    @work(exclusive=True, group="ask")
    async def _ask(self) -> None:
        self._market = self._trouble = None
        self._show()
        try:
            self._market = await weigh_market(self._draft, self.app.paths)
        except BrightrunError as error:
            self._trouble = error
        self._show()
        if self._chosen is not None:
            self.query_one(RowList).choose(_id(self._chosen))
        self._show_machine()

    @property
    def _listed(self) -> list[WeighedOffer]:
        needle = self.query_one(Input).value
        return [
            one
            for one in (self._market.offers if self._market else ())
            if (self._interruptible or not one.offer.interruptible)
            and fits(needle, *(column.show(one) for column in offer_text.COLUMNS), places.place(one.offer.provider))
        ]

    def _show(self) -> None:
        table = self.query_one(RowList)
        listed = self._listed
        table.show([ListRow(_id(one.offer), one, partial(offer_text.table_row, one)) for one in listed])
        head = self.query_one("#offers-head", Flow)
        head.show(lambda width: [offer_text.table_head(table.room)] if listed else [])
        self._show_machine()

    def _show_machine(self) -> None:
        one = self._under_cursor
        self.query_one("#offer-words", Flow).show(lambda width: self._words(one, width))

    def _words(self, one: WeighedOffer | None, width: int) -> reflow.Lines:
        if self._trouble is not None:
            return offer_text.silent_lines({"": self._trouble}, width)
        if self._market is None:
            return [Content.styled("◌ asking for machines and prices …", "$primary")]
        lines = offer_text.machine_lines(one, width) if one else []
        if not one:
            if not self._market.asked:
                said = "No service that rents out machines is connected: press esc, then 1."
            elif not self._market.offers:
                said = "No machine that could take this run is for rent now."
            elif not self._interruptible:
                said = "No machine fits, and those that may be taken away are hidden: f4 shows them."
            else:
                said = "No machine fits what you typed."
            lines = reflow.text(said, width, "$muted")
        return [*lines, *offer_text.silent_lines(self._market.silent, width)]

    @property
    def _under_cursor(self) -> WeighedOffer | None:
        chosen = self.query_one(RowList).chosen
        return next((one for one in self._listed if _id(one.offer) == chosen), None)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._take()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._show_machine()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._take()

    def _take(self) -> None:
        one = self._under_cursor
        if one is not None:
            self.dismiss(one)

    def action_interruptible(self) -> None:
        self._interruptible = not self._interruptible
        self._show()

    def action_again(self) -> None:
        self._ask()


def _id(offer: Offer) -> str:
    return f"{offer.provider} {offer.id}"
