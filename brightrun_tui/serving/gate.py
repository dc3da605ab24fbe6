"""The door of an endpoint: who may come in, what may be asked, what is counted.

A reverse proxy before the server of an engine: that has no key, lets any caller load other models, or ignores requests that it
cannot honour.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from brightrun_tui.domain import humanize
from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving.access import KEY_NAME, BearerKey
from brightrun_tui.serving.answers import AnswerStream, Tokens, event, failure, whole_answer
from brightrun_tui.serving.ask import Ask, RequestRefused
from brightrun_tui.serving.engine_client import EngineGone, Reply
from brightrun_tui.serving.engine_limits import check_engine_can
from brightrun_tui.serving.engine_request import engine_body, engine_refused, finished_prompt
from brightrun_tui.serving.engines import VLLM
from brightrun_tui.serving.fault_replies import HANDLERS
from brightrun_tui.serving.hosted_refusals import hosted_refusal
from brightrun_tui.serving.kept_answers import add_answer
from brightrun_tui.serving.keys import KeyRing
from brightrun_tui.serving.llama_dialect import PATH as LLAMA_PATH
from brightrun_tui.serving.llama_dialect import translated
from brightrun_tui.serving.metrics import exposition
from brightrun_tui.serving.one_by_one import OneByOne
from brightrun_tui.serving.openai_requests import ROUTES, model_of, parse
from brightrun_tui.serving.process import shorten_log
from brightrun_tui.serving.request_log import LoggedRequest, add_requests
from brightrun_tui.serving.segments import MARKERS
from brightrun_tui.serving.sse import lines
from brightrun_tui.serving.state import Usage, read_usage, show_life, show_use
from brightrun_tui.serving.swap import ServedVersion, Services
from brightrun_tui.serving.visit import Visit

MAX_BODY_BYTES = 4 << 20
MAX_IN_FLIGHT = 64
USAGE_EVERY_SECONDS = 2.0
MOST_UNLOGGED = 10_000
"""Requests that wait to be written down; older ones are forgotten."""


class _Relay(StreamingResponse):
    """A streamed answer; ``finish`` is called whatever becomes of the caller, even before the first piece."""

    def __init__(self, pieces: AsyncIterator[str], finish: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            pieces, media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no"}
        )
        self._finish = finish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._finish()


class Gate:
    """The requests of one endpoint."""

    def __init__(self, directory: Path, services: Services) -> None:
        self._directory = directory
        self._services = services
        self._in_flight = 0
        self._unlogged: deque[LoggedRequest] = deque(maxlen=MOST_UNLOGGED)
        self.usage = read_usage(directory)

    def app(self) -> Starlette:
        """Build the ASGI application. It asks for one of the keys that lie in the endpoint's directory."""
        routes = [
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/v1/models", self.models),
            Route("/v1/models/{name}", self.model),
            *(Route(path, self.generate, methods=["POST"]) for path in ROUTES),
        ]
        return Starlette(
            routes=routes,
            middleware=[Middleware(BearerKey, keys=KeyRing(self._directory))],
            exception_handlers=HANDLERS,
        )

    async def keep_usage(self) -> None:
        """Write ``usage.json`` and the log of requests whenever there were some, and keep the log short, until cancelled."""
        written = self.usage
        try:
            while True:
                await asyncio.sleep(USAGE_EVERY_SECONDS)
                await asyncio.to_thread(shorten_log, self._directory)
                await asyncio.to_thread(show_life, self._directory)
                await asyncio.to_thread(self._log_requests)
                if self.usage is not written:
                    written = self.usage
                    await asyncio.to_thread(written.write, self._directory)
                elif self._in_flight:
                    await asyncio.to_thread(show_use, self._directory)
        finally:
            self._log_requests()
            if self.usage is not written:
                self.usage.write(self._directory)

    def _log_requests(self) -> None:
        told: list[LoggedRequest] = []
        with suppress(IndexError):
            while True:
                told.append(self._unlogged.popleft())
        if told:
            add_requests(self._directory, told)

    async def health(self, request: Request) -> Response:
        status = self._services.current.supervisor.state.status
        return JSONResponse({"status": "ok" if status == "ready" else status}, 200 if self._serves else 503)

    async def metrics(self, request: Request) -> Response:
        """Return what the endpoint has done, as Prometheus reads it. Asks for the key like everything else."""
        current = self._services.current
        text = exposition(self.usage, self._in_flight, current.supervisor.state.status, current.plan.ref)
        return Response(text, media_type="text/plain; version=0.0.4")

    async def models(self, request: Request) -> Response:
        """List the model under every name, first the one that stays when another version comes: programs offer these to
        choose from.
        """
        names = dict.fromkeys(self._services.current.plan.names)
        return JSONResponse({"object": "list", "data": [self._model_object(name) for name in names]})

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._services.current.plan.names:
            raise RequestRefused("there is no such model here", param="model", code="model_not_found", status=404)
        return JSONResponse(self._model_object(name))

    async def generate(self, request: Request) -> Response:
        """Answer one generation, whole or streamed."""
        visit = Visit(key=str(request.scope.get(KEY_NAME, "")), path=request.url.path)
        try:
            reply = await self._generate(request, visit)
            visit.status = reply.status_code
            return reply
        except RequestRefused as error:
            visit.outcome = "failed" if error.status == 500 else "refused"
            visit.status, visit.code = error.status, str(error.body["error"]["code"] or "")
            raise
        except BaseException as error:
            visit.outcome, visit.status = "failed", 503 if isinstance(error, EngineGone) else 500
            raise
        finally:
            if not visit.streams:
                self._count(visit)

    async def _generate(self, request: Request, visit: Visit) -> Response:
        if not self._serves:
            raise _loading()
        beside = self._services.candidate is not None
        if self._in_flight >= MAX_IN_FLIGHT + (MAX_IN_FLIGHT if beside else 0):
            raise _too_many()
        self._in_flight += 1
        visit.counted_in = True
        content = await _read_body(request)
        service = self._services.named(model_of(content) if beside else "")
        if service is self._services.current and self._in_flight > MAX_IN_FLIGHT:
            raise _too_many()  # what is left is for the version beside it: a busy endpoint, too, can get another one
        service.answering += 1
        visit.service = service
        if not service.supervisor.ready and not await service.supervisor.wake():
            raise _loading()
        ask = await asyncio.to_thread(parse, request.url.path, content, service.plan)
        engine = service.supervisor.state.engine
        llama, vllm = engine == "llama.cpp", engine == VLLM
        check_engine_can(ask, engine, service.defaults)
        (prompt, new_tokens), read = await finished_prompt(service, ask), 0
        if llama:
            visit.room = await service.room.take(ask.n * (prompt.tokens + new_tokens), ask.n)
            read = await service.long_prompts.read(
                service.supervisor.engine, prompt.ids, request.is_disconnected, lambda: service.answering > 1
            )
        reply: Reply | OneByOne
        if llama and ask.body.get("presence_penalty"):
            asked = OneByOne(service.supervisor.engine, ask, prompt.ids, new_tokens, service.defaults)
            reply = await asked.begin()
        else:
            told = await asyncio.to_thread(engine_body, service, ask, prompt, new_tokens, engine)
            reply = await service.supervisor.engine.post(LLAMA_PATH if llama or vllm else request.url.path, told)
        if reply.status != 200:
            content = await reply.read()
            await reply.close()
            if service.plan.serverless is not None:
                raise hosted_refusal(service.supervisor.state.device or VLLM, reply.status, content)
            raise engine_refused(reply.status, content)
        answer = AnswerStream(ask, service.plan.ref)
        said = lines(reply.chunks())
        if llama or vllm:
            said = translated(said, ask, prompt.text.rstrip().endswith(MARKERS["reasoning"][0]), read)
        if ask.stream:
            visit.streams = True
            return self._relay(reply, said, ask, answer, visit, service)
        try:
            whole = await _unless_left(request, _whole(said, answer, ask, visit))
        finally:
            await reply.close()
        visit.tokens = answer.tokens
        if whole is None:
            return Response(status_code=499)
        await self._keep(ask, answer, service)
        return JSONResponse(whole)

    async def _keep(self, ask: Ask, answer: AnswerStream, service: ServedVersion) -> None:
        """Keep what was asked and answered, where the endpoint's owner wants that."""
        if ask.messages and not ask.tools and answer.text.strip():
            await asyncio.to_thread(add_answer, self._directory, service.plan.ref, ask.messages, answer.text)

    def _relay(
        self,
        reply: Reply | OneByOne,
        said: AsyncIterator[str],
        ask: Ask,
        answer: AnswerStream,
        visit: Visit,
        service: ServedVersion,
    ) -> Response:
        whole = False

        async def pieces() -> AsyncIterator[str]:
            nonlocal whole
            try:
                async for line in said:
                    visit.begun()
                    if rewritten := answer.rewrite(line):
                        yield rewritten
                whole = not answer.failed
                yield answer.end()
            except RequestRefused as error:
                answer.failed = True
                yield event(error.body)
            except EngineGone:
                answer.failed = True
                yield event(
                    failure("the model server ended while answering; it is being restarted", code="engine_restarting")
                )

        async def finish() -> None:
            visit.outcome, visit.tokens = ("failed", Tokens()) if answer.failed else ("answered", answer.tokens)
            self._count(visit)
            await reply.close()
            if whole:
                await self._keep(ask, answer, service)

        return _Relay(pieces(), finish)

    def _count(self, visit: Visit) -> None:
        """Count a request that is over."""
        self._in_flight -= visit.counted_in
        if visit.service is not None:
            visit.service.answering -= 1
            visit.service.room.give(visit.room)
        self._unlogged.append(visit.logged)
        before = self.usage
        self.usage = Usage(
            requests=before.requests + 1,
            failed=before.failed + (visit.outcome == "failed"),
            refused=before.refused + (visit.outcome == "refused"),
            prompt_tokens=before.prompt_tokens + visit.tokens.prompt,
            completion_tokens=before.completion_tokens + visit.tokens.completion,
            seconds=before.seconds + (time.monotonic() - visit.started if visit.outcome != "refused" else 0.0),
            first_token_seconds=before.first_token_seconds + visit.first,
            answers=before.answers + bool(visit.first),
        )

    @property
    def _serves(self) -> bool:
        return self._services.current.supervisor.state.serves

    def _model_object(self, name: str) -> dict[str, Any]:
        plan = self._services.current.plan
        return {
            "id": name,
            "object": "model",
            "created": int(plan.created_at),
            "owned_by": "brightrun",
            "parent": plan.base_id,
            "max_model_len": plan.context_length or None,
        }


def _too_many() -> RequestRefused:
    return RequestRefused(
        f"{MAX_IN_FLIGHT} requests are being answered or wait here, and that is the most at once: try again in some seconds",
        status=429,
        kind="rate_limit_error",
        code="rate_limit_exceeded",
    )


def _loading() -> RequestRefused:
    return RequestRefused(
        "the model is being loaded; try again in some seconds", status=503, kind="server_error", code="model_loading"
    )


async def _read_body(request: Request) -> bytes:
    """Read at most `MAX_BODY_BYTES` of the body."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise RequestRefused(
                f"the request is larger than {humanize.limit(MAX_BODY_BYTES)}", status=413, code="request_too_large"
            )
    return bytes(content)


async def _whole(said: AsyncIterator[str], answer: AnswerStream, ask: Ask, visit: Visit) -> dict[str, Any]:
    """Return the engine's streamed answer in one piece."""
    pieces = []
    async for line in said:
        visit.begun()
        if piece := answer.read(line):
            pieces.append(piece)
    if answer.failed or not pieces:
        raise engine_refused(500, b"")
    try:
        return whole_answer(pieces, ask.dialect)
    except NONSENSE:
        raise engine_refused(500, b"") from None


async def _unless_left(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any] | None:
    """Return what ``work`` comes to; None when the caller hangs up before: then it is cancelled."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)
