"""Whom a chat talks to, and their endpoints: started where there are none, and ended, or asked about, with the chat."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from textual import work

from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.requests import Undeploy
from brightrun_tui.tui.screens.chat_partner import Partner
from brightrun_tui.tui.screens.dialog import Confirm, Dialog

READY_SECONDS = 300.0

Result = TypeVar("Result")


class ChatPartners(Dialog[None]):
    """A dialogue that talks to one model or several. A subclass shows who they are, and how they are."""

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Chat with {model.ref}", classes="-large -chat")
        self._partners = [Partner(model)]
        self._started: dict[str, Partner] = {}
        self._begun: set[asyncio.Task[Any]] = set()

    def _say(self, text: str, style: str = "$muted") -> None:
        """Show in one line what is going on."""
        raise NotImplementedError

    def _title_anew(self) -> None:
        """Show who is talked to now."""
        raise NotImplementedError

    def _put_beside(self, partner: Partner) -> None:
        self._partners.append(partner)
        self._title_anew()
        self._prepare()

    async def _take_away(self) -> None:
        """Stop asking the second model."""
        gone = self._partners.pop()
        self._title_anew()
        self._say("")
        await asyncio.gather(*self._begun)
        await self._end_base(gone)

    @work(group="prepare", exclusive=True)
    async def _prepare(self) -> None:
        for partner in [*self._partners]:
            if await self._endpoint(partner) is None and partner.base_alone and partner in self._partners:
                self._partners.remove(partner)  # why stands in the line below the talk
                self._title_anew()
                await self._end_base(partner)

    async def _endpoint(self, partner: Partner) -> Endpoint | None:
        """Return the partner's endpoint, ready; deploys when there is none. None after saying why not."""
        found = partner.endpoint(self.app.snapshot)
        if found is None or found.state in ("failed", "stopping"):
            if self.app.read_only:
                self._say("✗ not served, and read-only mode cannot deploy it", "$error")
                return None
            self._say(f"◌ starting a server for {partner.name} …")
            if not await self._to_its_end(self._deploy(partner)):
                self._say("✗ it could not be deployed", "$error")
                return None
        try:
            return await self._until_ready(partner)
        except EngineError as error:
            self._say(f"✗ {error.what}{f' – {error.fix}' if error.fix else ''}", "$error")
            return None

    async def _deploy(self, partner: Partner) -> bool:
        """Say whether the engine has not refused."""
        reply = await self.app.ask(partner.deploy, wait=30.0)
        if reply is not None and reply.answer is not None and not reply.answer.already:
            self._started[reply.answer.endpoint] = partner
        return reply is not None

    async def _until_ready(self, partner: Partner) -> Endpoint | None:
        """Wait until the endpoint is ready; None if it was taken away meanwhile."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (waited := loop.time() - start) < READY_SECONDS:
            if partner not in self._partners:
                return None
            endpoint = partner.endpoint(self.app.snapshot)
            if endpoint is not None and endpoint.down:
                since = humanize.clock(endpoint.down_since)
                self._say(f"✗ its server has been down since {since}; start it again: brightrun engine start", "$error")
                return endpoint
            if endpoint is not None and endpoint.answers:
                self._say(partner.ready_words(endpoint), "$success")
                return endpoint
            if endpoint is not None and endpoint.state == "failed" and waited > 2.0:
                raise EngineError(endpoint.error or "the server did not come up")
            doing = f"starting {partner.name} again ({endpoint.restarting})" if endpoint and endpoint.restarting else ""
            self._say(f"◌ {doing or f'loading {partner.name}'}, {humanize.duration(waited)} so far …")
            await asyncio.sleep(0.3)
        raise EngineError(f"the server did not come up within {humanize.span(READY_SECONDS)}")

    async def _end_base(self, partner: Partner) -> None:
        """End the endpoint of a base that this chat began; those of versions may be kept."""
        ended = {endpoint.id for endpoint in self.app.snapshot.endpoints if endpoint.ended}
        for endpoint in [each for each, whose in self._started.items() if whose is partner and partner.base_alone]:
            del self._started[endpoint]
            if endpoint not in ended:
                await self._to_its_end(self.app.ask(Undeploy(target=endpoint), wait=0.0))

    def _started_here(self) -> list[Endpoint]:
        """Return endpoints that are there because of this chat."""
        return [e for e in self.app.snapshot.endpoints if e.id in self._started and e.serving]

    @work(group="leave", exclusive=True)
    async def _leave(self) -> None:
        """End what was started for the chat, or ask about it; a base that was started always ends."""
        await asyncio.gather(*self._begun)
        for partner in {*self._started.values()}:
            await self._end_base(partner)
        started = [endpoint for endpoint in self._started_here() if not endpoint.base_alone]
        if not started:
            self.dismiss(None)
            return
        names = " and ".join(endpoint.served_name for endpoint in started)
        many = "are" if len(started) > 1 else "is"
        stop = await self.app.push_screen_wait(
            Confirm(
                "The chat ends",
                f"{names} {many} being served for this chat, which keeps memory busy. Stop serving?",
                yes="Stop serving",
                no="Keep it up",
                danger=False,
            )
        )
        if stop is None:
            return
        for endpoint in started if stop else ():
            await self.app.ask(Undeploy(target=endpoint.id), wait=0.0)
        if not stop:
            self.app.toast(f"{names} {many} still served; U in the Registry ends that.")
        self.dismiss(None)

    async def _to_its_end(self, asking: Coroutine[Any, Any, Result]) -> Result:
        """Wait for it; it goes on when whoever waits is cancelled, and the chat does not end before it."""
        task = asyncio.create_task(asking)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)
