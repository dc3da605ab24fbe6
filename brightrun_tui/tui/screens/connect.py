"""Enter a credential: masked, tested before it is saved."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr
from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.connection import ServiceStatus, test_service
from brightrun_tui.integrations.services import Service
from brightrun_tui.tui.screens.dialog import TryThenSave
from brightrun_tui.tui.widgets.fields import TextField


class ConnectScreen(TryThenSave[ServiceStatus]):
    """Answers the status of the test once the credential is saved."""

    def __init__(self, service: Service, place: str) -> None:
        super().__init__(f"Connect {service.title}")
        self._service = service
        self._place = place

    def compose_body(self) -> ComposeResult:
        service = self._service
        yield Static(Content(service.gives), classes="question")
        if self._place == "environment":
            yield Static(
                Content.styled(
                    f"{service.environment} is set in the environment and wins over what is saved here.", "$warning"
                ),
                classes="question",
            )
        for field in service.fields:
            yield Label(Content.assemble((field.title, "bold $foreground"), f"  {field.hint}"))
            yield TextField(field.name, password=field.secret)
        yield Static(Content.assemble("Get one at ", (service.where_to_get, "underline")), classes="spaced hint")
        yield from self.compose_saving()

    def on_mount(self) -> None:
        self.query_one(TextField).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        secret = self.query_one(TextField).value.strip()
        if event.button.id == "cancel":
            self.dismiss(None)
        elif not secret:
            self.say(Content.styled("Nothing is entered yet.", "$warning"))
        elif event.button.id == "anyway":
            self._save(secret, ServiceStatus(state="off", detail="saved, not tested"))
        else:
            self._test(secret)

    @work(exclusive=True, group="connect")
    async def _test(self, secret: str) -> None:
        self.say_testing()
        status = await test_service(self._service.name, self.app.paths, SecretStr(secret))
        if status.state == "ok":
            self._save(secret, status)
            return
        self.say_failed(status)

    @work(group="save")
    async def _save(self, secret: str, status: ServiceStatus) -> None:
        try:
            place = await asyncio.to_thread(credentials.save, self._service.name, SecretStr(secret), self.app.paths)
        except BrightrunError as error:
            self.say(Content.styled(f"✗ {error.what}", "$error"))
            return
        self.app.toast(f"{self._service.title}: saved {credentials.PLACES[place]}.")
        self.dismiss(status)
