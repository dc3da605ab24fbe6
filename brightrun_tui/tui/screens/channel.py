"""A channel for news: where it leads, what it tells and when it is silent; a word is sent before it is saved."""

from __future__ import annotations

import asyncio

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.notification import NewsKind
from brightrun_tui.integrations.channels import (
    EVERYTHING,
    AppriseChannel,
    SavedChannel,
    add_channel,
    kinds_of,
    open_channel,
    try_channel,
)
from brightrun_tui.integrations.connection import ServiceStatus
from brightrun_tui.tui.screens.dialog import TryThenSave
from brightrun_tui.tui.widgets.fields import TextField


class ChannelScreen(TryThenSave[str]):
    """Answers the name of the channel once it is saved."""

    def __init__(self, name: str = "", channel: SavedChannel | None = None) -> None:
        super().__init__(f"Channel {name}" if name else "New notification channel")
        self._called, self._channel = name, channel or SavedChannel()

    def compose_body(self) -> ComposeResult:
        known = self._channel
        tells = "" if set(known.kinds) == set(EVERYTHING) else ", ".join(known.kinds)
        fields = (
            ("name", "Name", "yours to choose", self._called, "mail"),
            (
                "url",
                "Address",
                f"of {known.service}; empty: unchanged"
                if known.service
                else "mail, Slack, Teams, ntfy …, as an Apprise URL",
                "",
                "mailtos://USER:PASSWORD@example.com?to=YOU" if not known.service else "",
            ),
            ("kinds", "Events", ", ".join(NewsKind), tells, "everything"),
            ("quiet", "Quiet hours", "when nothing is sent", known.quiet, "none; or as 22:00-07:00"),
        )
        for key, title, note, value, example in fields:
            yield Label(Content.assemble((title, "bold $foreground"), f"  {note}"))
            yield TextField(key, value, placeholder=example, password=key == "url")
        yield from self.compose_saving()

    def on_mount(self) -> None:
        fields = list(self.query(TextField))
        fields[1 if self._called else 0].focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "cancel":
            self.dismiss(None)
            return
        typed = {field.key: field.value.strip() for field in self.query(TextField)}
        try:
            kinds = kinds_of(typed["kinds"])
        except BrightrunError as error:
            self._refuse(error)
            return
        self._try(typed["name"], typed["url"], kinds, typed["quiet"], tested=event.button.id != "anyway")

    @work(exclusive=True, group="channel")
    async def _try(self, name: str, url: str, kinds: tuple[NewsKind, ...], quiet: str, *, tested: bool) -> None:
        try:
            if tested:
                self.say_testing()
                channel = (
                    AppriseChannel(name, url) if url else await asyncio.to_thread(open_channel, self.app.paths, name)
                )
                if why := await try_channel(name, channel):
                    self.say_failed(ServiceStatus(state="failed", detail=why))
                    return
            await asyncio.to_thread(add_channel, self.app.paths, name, url, kinds=kinds, quiet=quiet)
        except BrightrunError as error:
            self._refuse(error)
            return
        self.app.toast(f"{name} is saved. News goes there from now on.")
        self.dismiss(name)

    def _refuse(self, error: BrightrunError) -> None:
        fix = f"\n→ {error.fix}" if error.fix else ""
        self.say(Content.styled(f"✗ {error.what}{fix}", "$error"))
