"""A machine of one's own: address, user and key; tried before it is saved."""

from __future__ import annotations

import asyncio

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Button, Label

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations.boxes import delete_box, make_box, save_box
from brightrun_tui.integrations.connection import test_box
from brightrun_tui.providers.box import SshBox
from brightrun_tui.tui.screens.dialog import TryThenSave
from brightrun_tui.tui.widgets.fields import TextField

FIELDS = (
    ("name", "Name", "yours to choose", "studio"),
    ("host", "Address", "name or IP address", ""),
    ("user", "User", "who logs in", "root"),
    ("port", "Port", "of its SSH server", "22"),
    ("key", "Key file", "your private key; empty: the usual keys and agent", "~/.ssh/id_ed25519"),
    ("price_per_hour", "Price", "US dollars an hour, if it costs you anything", "0"),
)


class BoxScreen(TryThenSave[str]):
    """Answers the name of the machine once it is saved. The host key seen in the test is the one it is held to."""

    def __init__(self, name: str = "", box: SshBox | None = None) -> None:
        super().__init__("Your own machine")
        known = {key: str(value) for key, value in box.model_dump(exclude_defaults=True).items()} if box else {}
        self._known = {**known, "name": name}
        self._host_key = box.host_key if box else ""

    def compose_body(self) -> ComposeResult:
        for key, title, note, example in FIELDS:
            yield Label(Content.assemble((title, "bold $foreground"), f"  {note}"))
            yield TextField(key, self._known.get(key, ""), placeholder=example)
        yield from self.compose_saving()

    def on_mount(self) -> None:
        self.query(TextField).first().focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "cancel":
            self.dismiss(None)
            return
        typed = {field.key: field.value.strip() for field in self.query(TextField)}
        first = typed["host"].partition(".")[0]
        name = typed.pop("name") or (typed["host"].replace(".", "-") if first.isdigit() else first)
        if typed["host"] != self._known.get("host") or typed["port"] != self._known.get("port", ""):
            self._host_key = ""
        try:
            box = make_box({**typed, "host_key": self._host_key})
        except BrightrunError as error:
            fix = f" – {error.fix}" if error.fix else ""
            self.say(Content.styled(f"✗ {error.statement}{fix}", "$error"))
            return
        if event.button.id == "anyway":
            self._save(name, box)
        else:
            self._test(name, box)

    @work(exclusive=True, group="box")
    async def _test(self, name: str, box: SshBox) -> None:
        self.say_testing()
        status, met = await test_box(name, box, self.app.paths)
        if status.state == "ok":
            self._save(name, met)
            return
        self.say_failed(status)

    @work(group="save")
    async def _save(self, name: str, box: SshBox) -> None:
        try:
            await asyncio.to_thread(save_box, self.app.paths, name, box)
            if self._known["name"] not in ("", name):
                await asyncio.to_thread(delete_box, self.app.paths, self._known["name"])
        except BrightrunError as error:
            self.say(Content.styled(f"✗ {error.what}\n→ {error.fix}", "$error"))
            return
        self.app.toast(f"{name} is saved.")
        self.dismiss(name)
