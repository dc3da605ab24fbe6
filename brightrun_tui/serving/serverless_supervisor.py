"""What the gate knows of workers that come and go: it wakes one with a question that costs nothing, and waits for it.

The endpoint at the service, and what it costs, are the business of whoever wrote ``hosting.json``.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from brightrun_tui.domain import humanize
from brightrun_tui.serving.ask import RequestRefused
from brightrun_tui.serving.engine_client import EngineGone, Reply
from brightrun_tui.serving.engines import VLLM
from brightrun_tui.serving.hosted_client import HostedClient
from brightrun_tui.serving.hosted_refusals import hosted_refusal, unavailable
from brightrun_tui.serving.hosting import Hosting, read_hosting
from brightrun_tui.serving.prompts import Prompts
from brightrun_tui.serving.supervision import Watch

LOOK_SECONDS = 0.5
AGAIN_SECONDS = 2.0
"""Between two questions to a service that has no worker yet."""
QUESTION_SECONDS = 90.0
"""For the question that wakes a worker: the service itself keeps one waiting for about as long."""
NO_WORKER = (408, 500, 502, 503, 504, 524)
"""What a service answers that has no worker in time."""


class ServerlessSupervisor(Watch):
    """As `Supervisor`, of workers that a service brings when it is asked. ``home`` is the endpoint's directory.

    Asleep means that the next request is to find out whether a worker is there; it waits for one where there is none.
    """

    def __init__(self, home: Path, url: str, port: int, prompts: Prompts, key: str) -> None:
        super().__init__(home, url, port, prompts)
        self._directory = home
        self._waking: asyncio.Task[None] | None = None
        self._hosting: Hosting | None = None
        self._client = HostedClient(self._url, key)

    @property
    def engine(self) -> ServerlessSupervisor:
        """Whom the gate asks: this very object, which wakes a worker where one ended unseen."""
        return self

    async def sleep(self) -> None:
        """Say that it is asleep: nobody has asked for so long that the worker is gone, or about to go."""
        if self.ready:
            self._say("asleep")

    async def wake(self) -> bool:
        """Wait until a worker has the model. Raises `RequestRefused` with why none comes."""
        if self.state.status != "asleep":
            return self.ready
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())
        await asyncio.shield(self._waking)
        return self.ready

    async def post(self, path: str, document: bytes) -> Reply:
        """Do as `EngineClient.post`; where the worker ended unseen another one is waited for, once."""
        self._require_watched(await self._read_hosting())
        try:
            reply = await self._client.post(path, document)
            if reply.status not in NO_WORKER:
                return reply
            await reply.close()
        except EngineGone:
            pass
        self._say("asleep")
        await self.wake()
        return await self._client.post(path, document)

    async def _look(self, presentable: bool) -> float:
        there = await self._read_hosting() is not None
        if not there and self.state.serves:
            self._say("restarting", error="there is no endpoint at the service")
        elif there and presentable and not self.state.serves:
            self._say("asleep", engine=VLLM, error="")
        return LOOK_SECONDS

    async def _let_go(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.gather(self._waking, return_exceptions=True)
        await self._client.close()

    async def _wake(self) -> None:
        began = time.monotonic()
        said = ""
        try:
            while True:
                hosting = await self._read_hosting()
                self._require_watched(hosting)
                assert hosting is not None
                waited = time.monotonic() - began
                if said != hosting.workers_words and waited > LOOK_SECONDS:
                    said = hosting.workers_words
                    self._say(self.state.status, engine_note=f"waiting for a worker: {said}")
                if await self._has_model(hosting):
                    self._say("ready", device=hosting.service, engine_note="", error="")
                    return
                if time.monotonic() - began > hosting.patience:
                    raise unavailable(
                        f"no worker answers after {humanize.span(waited)}: {hosting.workers_words}", code="no_worker"
                    )
                await asyncio.sleep(min(AGAIN_SECONDS, hosting.patience / 10))
        except RequestRefused as refused:
            self._say(self.state.status, engine_note="", error=str(refused))
            raise

    async def _has_model(self, hosting: Hosting) -> bool:
        """Say whether a worker answers, and has the model that is served. Raises `RequestRefused`: waiting would not help."""
        try:
            status, content = await self._client.get("/v1/models", min(QUESTION_SECONDS, hosting.patience))
        except EngineGone:
            return False
        if status == 429 or status in NO_WORKER:
            return False
        if status != 200:
            raise hosted_refusal(hosting.service, status, content)
        names = _names(content)
        if names is None:
            return False
        if hosting.model not in names:
            raise unavailable(
                f"the worker at {hosting.service} does not have the model: it names {', '.join(names) or 'none'}",
                code="model_missing",
            )
        return True

    async def _read_hosting(self) -> Hosting | None:
        self._hosting = await asyncio.to_thread(read_hosting, self._directory)
        return self._hosting

    def _require_watched(self, hosting: Hosting | None) -> None:
        if hosting is None:
            raise unavailable("there is no endpoint at the service at present", code="no_endpoint")
        if hosting.unwatched:
            raise unavailable(
                "nobody watches what this costs, so no worker is asked: start the engine with: brightrun engine start",
                code="unwatched",
            )

    def _url(self) -> str:
        if self._hosting is None:
            raise EngineGone("there is no endpoint at the service at present")
        return self._hosting.url


def _names(content: bytes) -> list[str] | None:
    """Return the names of the models that a worker lists; None where it lists none as OpenAI does."""
    try:
        return [str(one["id"]) for one in json.loads(content)["data"]]
    except (ValueError, TypeError, KeyError):
        return None
