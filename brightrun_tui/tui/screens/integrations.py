"""Integrations: is everything I need connected, and does it work right now?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.boxes import configured_boxes, delete_box
from brightrun_tui.integrations.connection import ServiceStatus, test_service
from brightrun_tui.integrations.services import Service, services
from brightrun_tui.providers.box import SshBox
from brightrun_tui.store import engine
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.base import ModeScreen
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import reflow
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.service_card import CardState, ServiceCard

OWN = "ssh"
ANOTHER = "…"
"""Stands for a box that is not known yet; no box can have this name."""


class IntegrationsScreen(ModeScreen):
    """A card a service."""

    MODE = "integrations"
    SCOPES = ("integrations",)
    BINDINGS = bindings("integrations")
    CSS_PATH = "integrations.tcss"
    AUTO_FOCUS = "ServiceCard"

    def __init__(self) -> None:
        super().__init__()
        self._testing: set[str] = set()
        self._statuses: dict[str, ServiceStatus] = {}
        self._places: dict[str, str] = {}
        self._boxes = False

    def compose_body(self) -> ComposeResult:
        yield Flow(_welcome, id="welcome")
        with VerticalScroll(id="cards", classes="scroll", can_focus=False):
            for service in services():
                yield ServiceCard(service)

    def on_mount(self) -> None:
        super().on_mount()
        self._look_first()

    @work(group="look")
    async def _look_first(self) -> None:
        """Where credentials come from, then a test of everything that needs no further word from the person."""
        await self._find_places()
        for service in services():
            if not service.environment or self._places.get(service.name):
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
        except BrightrunError as error:
            self.app.show_error(error)
            return
        self._places = dict(places)
        self.redraw()

    @property
    def card(self) -> ServiceCard | None:
        """The card with the focus."""
        return self.focused if isinstance(self.focused, ServiceCard) else None

    def show(self, snapshot: Snapshot) -> None:
        for card in self.query(ServiceCard):
            card.show_state(self._state_of(card.service, snapshot))

    def _state_of(self, service: Service, snapshot: Snapshot) -> CardState:
        known = snapshot.services.get(service.name, {})
        status = self._statuses.get(service.name)
        place = self._places.get(service.name, "")
        words = credentials.PLACES[place]  # type: ignore[index]
        credential = f"{words} ({service.environment})" if place == "environment" else words
        state = str(known.get("state", "")) if not status else status.state
        detail, fix = (status.detail, status.fix) if status else (str(known.get("detail", "")), "")
        if service.name in self._places and not place and not service.optional:
            state, detail, fix = "off", "", f"enter connects it, with a key from {service.where_to_get}"
        if service.name == OWN and state == "off":
            detail, fix = "", "enter adds one: its address, a user and an SSH key"
        return CardState(
            state="testing" if service.name in self._testing else state,
            detail=detail,
            fix=fix,
            credential=credential,
            checked_at=known.get("checked_at"),
            facts=tuple(status.facts.items()) if status else (),
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        card = self.card
        if action == "test":
            return True if card else None
        if action == "configure":
            return True if card and (card.service.environment or card.service.name == OWN) else None
        if action == "disconnect":
            forgettable = self._boxes if card and card.service.name == OWN else None
            return (
                True if card and (forgettable or self._places.get(card.service.name) in ("keyring", "file")) else None
            )
        return True

    def on_descendant_focus(self) -> None:
        self.refresh_keys()

    @on(ServiceCard.Clicked)
    async def _card_clicked(self) -> None:
        await self.app.run_action("configure", self)

    def action_test(self) -> None:
        if self.card:
            self._test(self.card.service)

    def action_test_all(self) -> None:
        for service in services():
            self._test(service)

    @work(group="test")
    async def _test(self, service: Service) -> None:
        if service.name in self._testing:
            return
        self._testing.add(service.name)
        self.redraw()
        try:
            status = await test_service(service.name, self.app.paths)
        finally:
            self._testing.discard(service.name)
        await self._keep(service, status)

    async def _keep(self, service: Service, status: ServiceStatus) -> None:
        self._statuses[service.name] = status
        if not self.app.read_only:
            try:
                await engine.save_service(await self.app.opened_store(), service.name, status.state, status.detail)
            except BrightrunError as error:
                self.app.show_error(error)
        self.app.look_now()
        self.redraw()

    @work(group="configure")
    async def action_configure(self) -> None:
        from brightrun_tui.tui.screens.connect import ConnectScreen

        card = self.card
        if card is None:
            return
        if card.service.name == OWN:
            await self._configure_box(card.service)
            return
        if not card.service.environment:
            self.app.toast(f"{card.service.title} needs no credential.")
            return
        status = await self.app.push_screen_wait(ConnectScreen(card.service, self._places.get(card.service.name, "")))
        if status is not None:
            await self._find_places()
            await self._keep(card.service, status)

    async def _configure_box(self, service: Service) -> None:
        """Add a machine of one's own, or change one."""
        from brightrun_tui.tui.screens.box import BoxScreen

        boxes = await asyncio.to_thread(configured_boxes, self.app.paths)
        chosen = await self._pick_box("Your own machines", boxes, another="Another machine") if boxes else ""
        if chosen is None:
            return
        if await self.app.push_screen_wait(BoxScreen(chosen, boxes.get(chosen))) is not None:
            await self._find_places()
            self._test(service)

    async def _pick_box(self, title: str, boxes: Mapping[str, SshBox], *, another: str = "") -> str | None:
        """The name of a box; empty for another one; None where nothing was chosen."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        choices = [Choice(name, name, f"{box.user}@{box.host}:{box.port}") for name, box in boxes.items()]
        choices += [Choice(ANOTHER, another, "address, user and key")] if another else []
        chosen = await self.app.push_screen_wait(PickScreen(title, choices))
        return "" if chosen == ANOTHER else chosen

    async def _forget_box(self, service: Service) -> None:
        chosen = await self._pick_box("Forget a machine", await asyncio.to_thread(configured_boxes, self.app.paths))
        question = "Forget where it is and how to log in? Nothing on the machine itself is changed."
        if chosen and await self.confirm(f"Forget {chosen}", question, yes="Forget it"):
            await asyncio.to_thread(delete_box, self.app.paths, chosen)
            await self._find_places()
            self._test(service)

    @work(group="configure")
    async def action_disconnect(self) -> None:
        card = self.card
        if card is None:
            return
        service = card.service
        if service.name == OWN:
            await self._forget_box(service)
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
            await self._keep(service, ServiceStatus(state="off", detail="not connected"))

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


def _welcome(width: int) -> reflow.Lines:
    return reflow.text(
        Content.assemble(
            ("Everything works on this machine alone. ", "$foreground"),
            "Connect a service for more base models or rented GPUs.",
        ),
        width,
    )[:2]
