"""Talk to a model. Serves it first when it is not served yet."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError, EngineError
from brightrun_tui.domain.model import Endpoint, ModelVersion
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.screens.endpoint import served_name
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.sanitize import sanitize

READY_SECONDS = 300.0
PAINT_SECONDS = 0.1


class ChatScreen(Dialog[None]):
    """A conversation; the answer appears while it is written."""

    SCOPES = ("chat", "modal")
    BINDINGS = bindings("chat")

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Chat with {model.ref}", classes="-large -chat")
        self._model = model
        self._turns: list[dict[str, str]] = []

    def compose_body(self) -> ComposeResult:
        yield VerticalScroll(id="turns", can_focus=False)
        yield Static("", id="chat-status", markup=False)
        yield Input(placeholder="write, then enter", id="say", compact=True)

    def on_mount(self) -> None:
        self.query_one("#say", Input).focus()
        self._prepare()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        said = event.value.strip()
        if said and not self._busy:
            event.input.value = ""
            self._answer(said)

    def action_send(self) -> None:
        self.query_one("#say", Input).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "stop" and not self._busy else True

    def action_stop(self) -> None:
        self.workers.cancel_group(self, "answer")
        self._say("stopped")

    async def action_dismiss(self, result: None = None) -> None:
        """Escape ends the answer first, then the conversation."""
        if self._busy:
            self.action_stop()
        else:
            await super().action_dismiss()

    async def action_clear(self) -> None:
        self.workers.cancel_group(self, "answer")
        self._turns = []  # what is being answered still ends in the old ones
        await self.query_one("#turns").remove_children()
        self._say("")

    def action_page_up(self) -> None:
        self.query_one("#turns", VerticalScroll).scroll_page_up()

    def action_page_down(self) -> None:
        self.query_one("#turns", VerticalScroll).scroll_page_down()

    @property
    def _busy(self) -> bool:
        return any(worker.group == "answer" and worker.is_running for worker in self.workers)

    @work(group="prepare", exclusive=True)
    async def _prepare(self) -> None:
        await self._endpoint()

    @work(group="answer", exclusive=True)
    async def _answer(self, said: str) -> None:
        from brightrun_tui.serving import chat, read_key

        turns, asked = self._turns, {"role": "user", "content": said}
        bubbles = [await self._show_turn("user", said)]
        text, painted = "", 0.0
        loop = asyncio.get_running_loop()
        try:
            endpoint = await self._endpoint()
            if endpoint is None:
                return
            shown = await self._show_turn("assistant", "…")
            bubbles.append(shown)
            self._say("answering …")
            async for piece in chat(
                endpoint.url, read_key(Path(endpoint.directory)), served_name(endpoint), [*turns, asked]
            ):
                text += piece
                if loop.time() - painted > PAINT_SECONDS:
                    painted = loop.time()
                    self._paint(shown, text)
            self._say("" if text else "the answer was empty")
        except BrightrunError as error:
            self._say(f"✗ {error.what}{f' – {error.fix}' if error.fix else ''}", "$error")
        finally:
            if text:
                self._paint(shown, text)
                turns += [asked, {"role": "assistant", "content": text}]
            else:
                self._take_back(said, bubbles, turns)

    def _take_back(self, said: str, bubbles: list[Static], turns: list[dict[str, str]]) -> None:
        """A question without an answer is not a part of the conversation; it can be sent again."""
        for bubble in bubbles:
            if bubble.is_attached:
                bubble.remove()
        if self.is_attached and turns is self._turns:
            line = self.query_one("#say", Input)
            line.value = line.value or said
            line.cursor_position = len(line.value)

    async def _endpoint(self) -> Endpoint | None:
        """The model's endpoint, ready; deploys when there is none. None after saying why not."""
        found = self.app.snapshot.endpoint_of(self._model)
        if found is None or found.state in ("failed", "stopping"):
            if self.app.read_only:
                self._say("✗ not served, and read-only mode cannot deploy it", "$error")
                return None
            self._say("◌ starting a server for it …")
            if await self.app.ask("deploy", self._model.ref, wait=30.0) is None:
                self._say("✗ it could not be deployed", "$error")
                return None
        try:
            return await self._until_ready()
        except EngineError as error:
            self._say(f"✗ {error.what}{f' – {error.fix}' if error.fix else ''}", "$error")
            return None

    async def _until_ready(self) -> Endpoint:
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (waited := loop.time() - start) < READY_SECONDS:
            endpoint = self.app.snapshot.endpoint_of(self._model)
            if endpoint is not None and endpoint.state == "ready":
                self._say("● ready; the model runs on " + endpoint.provider, "$success")
                return endpoint
            if endpoint is not None and endpoint.state == "failed" and waited > 2.0:
                raise EngineError(endpoint.error or "the server did not come up")
            self._say(f"◌ loading the model, {humanize.duration(waited)} so far …")
            await asyncio.sleep(0.3)
        raise EngineError(f"the server did not come up within {READY_SECONDS:.0f} s")

    async def _show_turn(self, role: str, text: str) -> Static:
        turns = self.query_one("#turns", VerticalScroll)
        turn = Static(Content(cells.plain(text)), classes=f"turn -{role}", markup=False)
        await turns.mount(turn)
        turns.scroll_end(animate=False)
        return turn

    def _paint(self, turn: Static, text: str) -> None:
        turn.update(Content(cells.plain(text)))
        self.query_one("#turns", VerticalScroll).scroll_end(animate=False)

    def _say(self, text: str, style: str = "$muted") -> None:
        self.query_one("#chat-status", Static).update(sanitize(Content.styled(text, style)))
