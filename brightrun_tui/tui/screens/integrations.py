"""Integrations: is everything I need connected, and does it work right now?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.service_names import NEWS, OWN_BOXES
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.boxes import configured_boxes, delete_box
from brightrun_tui.integrations.channels import SavedChannel, open_channel, remove_channel, saved_channels, try_channel
from brightrun_tui.integrations.connection import ServiceStatus, is_set_up
from brightrun_tui.integrations.services import Service, services
from brightrun_tui.orchestrator.service_tests import is_due
from brightrun_tui.providers.box import SshBox
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.mode_screen import ModeScreen
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets.possible_text import possible_lines
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.service_card import CardState, ServiceCard

AGE_SECONDS = 30.0
FRESH_SECONDS = 60.0
"""What was tested so lately counts as so when the screen opens."""
ANOTHER = "…"
"""Stands for a box that is not known yet; no box can have this name."""


class Cards(VerticalScroll, inherit_bindings=False):
    """Arrows go from card to card, and it scrolls with them."""


class IntegrationsScreen(ModeScreen):
    """A card a service."""

    MODE = "integrations"
    SCOPES = ("integrations",)
    BINDINGS = bindings("integrations")
    CSS_PATH = "integrations.tcss"
    AUTO_FOCUS = "ServiceCard"

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[str, str] = {}
        self._boxes = False
        self._ready: set[str] = set()

    def compose_body(self) -> ComposeResult:
        yield Flow(id="welcome")
        with Cards(id="cards", classes="scroll", can_focus=False):
            for service in services():
                yield ServiceCard(service)

    def on_mount(self) -> None:
        super().on_mount()
        self.app.service_tester.changed.subscribe(self, lambda _: self.redraw())
        self._look_first()
        self.set_interval(AGE_SECONDS, self._look_again)

    def _look_again(self) -> None:
        """Update ages, and test again what was tested long ago or failed."""
        now = time.time()
        for service in services():
            known = self.app.snapshot.services.get(service.name)
            tested = (
                max(known["checked_at"], self.app.service_tester.tested_at.get(service.name, 0.0)) if known else now
            )
            if known and is_due(known["state"], tested, now):
                self._test(service)
        if self.app.current_mode == self.MODE:
            self.redraw()

    @work(group="look")
    async def _look_first(self) -> None:
        """Look where credentials come from, then test everything that needs no further word from the person, and was not
        tested a moment ago.
        """
        await self._find_places()
        now = time.time()
        for service in services():
            tested_at = self.app.snapshot.services.get(service.name, {}).get("checked_at", 0.0)
            ready = not service.environment or service.name in self._ready
            if ready and now - tested_at > FRESH_SECONDS:
                self._test(service)

    async def _find_places(self) -> None:
        try:
            places = await asyncio.to_thread(
                lambda: {
                    service.name: credentials.where(service.name, self.app.paths)
                    for service in services()
                    if service.environment
                }
            )
            self._boxes = bool(await asyncio.to_thread(configured_boxes, self.app.paths))
            self._ready = await asyncio.to_thread(
                lambda: {service.name for service in services() if is_set_up(service, self.app.paths)}
            )
        except BrightrunError as error:
            self.app.show_error(error)
            return
        self._places = dict(places)
        self.redraw()

    def _lacks_key(self, service: Service) -> bool:
        """Say whether it cannot be asked anything now, for want of a key."""
        return not (service.optional or self._places.get(service.name, "file"))

    @property
    def card(self) -> ServiceCard | None:
        """The card with the focus."""
        return self.focused if isinstance(self.focused, ServiceCard) else None

    def show(self, snapshot: Snapshot) -> None:
        keyless = {
            service.name
            for service in services()
            if self._lacks_key(service)
            or (service.kind == "models" and not self._places.get(service.name, "file"))  # nobody has asked for it
        }
        self.query_one("#welcome", Flow).show(lambda width: possible_lines(snapshot, width, keyless))
        for card in self.query(ServiceCard):
            card.show_state(self._state_of(card.service, snapshot))

    def _state_of(self, service: Service, snapshot: Snapshot) -> CardState:
        known = snapshot.services.get(service.name, {})
        status = self.app.service_tester.status(service.name, known)
        place = self._places.get(service.name, "")
        words = credentials.PLACES[place]  # type: ignore[index]
        credential = f"{words} ({service.environment})" if place == "environment" else words
        state = status.state if status else str(known.get("state", ""))
        detail = status.detail if status else str(known.get("detail", ""))
        fix = status.fix if status else str(known.get("fix", ""))
        facts = status.facts if status else known.get("facts", {})
        if self._lacks_key(service):
            bare = service.where_to_get.removeprefix("https://")  # a card has no room for all of it; the dialogue has
            state, detail, fix = "off", "", f"enter connects it, with a key from {bare}"
        if service.kind == "judge" and not state and service.name in self._places and not place:
            state, fix = "off", "name its model under [judge] in config.toml; enter saves its key"
        if service.name == NEWS and state == "off":
            fix = "enter adds a channel"
        if service.name == OWN_BOXES and state == "off":
            detail, fix = "", "enter adds one: its address, a user and an SSH key"
        return CardState(
            state="testing" if service.name in self.app.service_tester.testing else state,
            detail=detail,
            fix=fix,
            credential=credential,
            placed=bool(place),
            checked_at=known.get("checked_at"),
            facts=tuple(facts.items()),
        )

    def choose(self, name: str) -> None:
        """Put the focus on the card of one service."""
        for card in self.query(ServiceCard):
            if card.service.name == name:
                card.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        card = self.card
        if action == "test":
            return True if card else None
        if action == "configure":
            return True if card and (card.service.environment or card.service.name in (OWN_BOXES, NEWS)) else None
        if action == "disconnect" and card and card.service.name == NEWS:
            return True if self.app.snapshot.services.get(NEWS, {}).get("state") in ("ok", "failed") else None
        if action == "disconnect":
            forgettable = self._boxes if card and card.service.name == OWN_BOXES else None
            return (
                True if card and (forgettable or self._places.get(card.service.name) in ("keyring", "file")) else None
            )
        return True

    def on_descendant_focus(self) -> None:
        self.refresh_keys()

    @on(ServiceCard.Clicked)
    async def _card_clicked(self) -> None:
        await self.app.run_action("configure", self)

    def _show_card(self) -> ServiceCard | None:
        """Show the card with the focus, brought into sight where it was scrolled away from under the keys."""
        if self.card:
            self.card.scroll_visible(animate=False)
        return self.card

    def action_test(self) -> None:
        self._show_card()
        if self.card and self.card.service.name == NEWS:
            self._try_channels(self.card.service)
        elif self.card:
            self._test(self.card.service)

    @work(group="test")
    async def _try_channels(self, service: Service) -> None:
        """Send a word over each of them: only a person asks for that."""
        try:
            known = await asyncio.to_thread(saved_channels, self.app.paths)
            for name in known:
                why = await try_channel(name, await asyncio.to_thread(open_channel, self.app.paths, name))
                self.app.toast(
                    why or "a word was sent; has it arrived?", title=name, severity="error" if why else "information"
                )
        except BrightrunError as error:
            self.app.show_error(error)
        self._test(service)

    def action_test_all(self) -> None:
        for service in services():
            self._test(service)

    @work(group="test")
    async def _test(self, service: Service) -> None:
        await self.app.service_tester.test(service)

    @work(group="configure")
    async def action_configure(self) -> None:
        from brightrun_tui.tui.screens.connect import ConnectScreen

        card = self._show_card()
        if card is None:
            return
        if card.service.name == OWN_BOXES:
            await self._configure_box(card.service)
            return
        if card.service.name == NEWS:
            await self._configure_channel(card.service)
            return
        if not card.service.environment:
            self.app.toast(f"{card.service.title} needs no credential.")
            return
        status = await self.app.push_screen_wait(ConnectScreen(card.service, self._places.get(card.service.name, "")))
        if status is not None:
            await self._find_places()
            await self.app.service_tester.keep(card.service, status)

    async def _configure_box(self, service: Service) -> None:
        """Add a machine of one's own, or change one."""
        from brightrun_tui.tui.screens.box import BoxScreen

        boxes = await asyncio.to_thread(configured_boxes, self.app.paths)
        chosen: str | None = ""
        if boxes:
            chosen = await self._pick(
                "Your own machines", _addresses(boxes), another="New machine", hint="address, user and key"
            )
        if chosen is None:
            return
        if await self.app.push_screen_wait(BoxScreen(chosen, boxes.get(chosen))) is not None:
            await self._find_places()
            self._test(service)

    async def _configure_channel(self, service: Service) -> None:
        """Add a channel, or change one."""
        from brightrun_tui.tui.screens.channel import ChannelScreen

        known = await asyncio.to_thread(saved_channels, self.app.paths)
        chosen: str | None = ""
        if known:
            hint = "mail, Slack, Teams, Discord, ntfy, a webhook …"
            chosen = await self._pick("Channels", _services(known), another="New channel", hint=hint)
        if chosen is not None and await self.app.push_screen_wait(ChannelScreen(chosen, known.get(chosen))) is not None:
            self._test(service)

    async def _forget_channel(self, service: Service) -> None:
        known = await asyncio.to_thread(saved_channels, self.app.paths)
        chosen = await self._pick("Forget a channel", _services(known))
        if chosen and await self.confirm(f"Forget {chosen}", "Forget the channel and its address?", yes="Forget it"):
            await asyncio.to_thread(remove_channel, self.app.paths, chosen)
            self._test(service)

    async def _pick(self, title: str, notes: Mapping[str, str], *, another: str = "", hint: str = "") -> str | None:
        """Return one of what is configured, by its name; empty for ``another`` one; None where nothing was chosen."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        choices = [Choice(name, name, note) for name, note in notes.items()]
        choices += [Choice(ANOTHER, another, hint)] if another else []
        chosen = await self.app.push_screen_wait(PickScreen(title, choices))
        return "" if chosen == ANOTHER else chosen

    async def _forget_box(self, service: Service) -> None:
        chosen = await self._pick(
            "Forget a machine", _addresses(await asyncio.to_thread(configured_boxes, self.app.paths))
        )
        question = "Forget where it is and how to log in? Nothing on the machine itself is changed."
        if chosen and await self.confirm(f"Forget {chosen}", question, yes="Forget it"):
            await asyncio.to_thread(delete_box, self.app.paths, chosen)
            await self._find_places()
            self._test(service)

    @work(group="configure")
    async def action_disconnect(self) -> None:
        card = self._show_card()
        if card is None:
            return
        service = card.service
        if service.name == OWN_BOXES:
            await self._forget_box(service)
            return
        if service.name == NEWS:
            await self._forget_channel(service)
            return
        if not await self.confirm(
            f"Disconnect {service.title}", "Forget the credential that is stored on this machine?", yes="Forget it"
        ):
            return
        try:
            await asyncio.to_thread(credentials.delete, service.name, self.app.paths)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        await self._find_places()
        if self._places.get(service.name):
            self._test(service)
        else:
            await self.app.service_tester.keep(service, ServiceStatus(state="off", detail="not connected"))

    def action_left(self) -> None:
        self._move(-1)

    def action_right(self) -> None:
        self._move(1)

    def action_up(self) -> None:
        self._move(-self._columns)

    def action_down(self) -> None:
        self._move(self._columns)

    @property
    def _columns(self) -> int:
        return 3 if self.has_class("-wide") else 2

    def _move(self, by: int) -> None:
        cards = list(self.query(ServiceCard))
        place = cards.index(self.card) + by if self.card in cards else 0
        if 0 <= place < len(cards):
            cards[place].focus()


def _addresses(boxes: Mapping[str, SshBox]) -> dict[str, str]:
    return {name: f"{box.user}@{box.host}:{box.port}" for name, box in boxes.items()}


def _services(channels: Mapping[str, SavedChannel]) -> dict[str, str]:
    return {name: channel.service for name, channel in channels.items()}
