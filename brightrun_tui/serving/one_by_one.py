"""An answer of llama.cpp in which only what it said itself is penalised for having been said.

llama.cpp's own presence penalty counts the tokens of the prompt, too. So it is asked for one token at a time, with a bias for
each token that the answer has by then. That computes nothing twice: of prompt and answer it knows all but the last token.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving.ask import Ask
from brightrun_tui.serving.engine_client import EngineGone, Reply
from brightrun_tui.serving.llama_dialect import PATH, llama_body
from brightrun_tui.serving.supervision import Answers

PENALTIES = ("frequency_penalty", "presence_penalty")
_OURS = ("stream", "stream_options", "stop", "n")
_SEEDS = 2**32 - 1


@dataclass(frozen=True)
class _Step:
    """What one token is: its number (None: the answer ends), its bytes, and its log-probabilities as the engine tells them."""

    token: int | None
    piece: bytes
    logprobs: dict[str, Any] | None
    cached: int


class OneByOne:
    """The answer to a request with one answer and of any form, as a `Reply` in llama.cpp's lines."""

    status = 200

    def __init__(self, engine: Answers, ask: Ask, ids: list[int], new_tokens: int, defaults: dict[str, Any]) -> None:
        self._engine, self._stops, self._ids, self._most = engine, ask.stops, ids, new_tokens
        self._frequency, self._presence = (float(ask.body.get(name) or 0.0) for name in PENALTIES)
        free = replace(ask, body={name: value for name, value in ask.body.items() if name not in PENALTIES})
        body = llama_body(free, ids, 1, defaults)
        self._bias: dict[str, float] = body.pop("logit_bias", None) or {}
        self._body = {name: value for name, value in body.items() if name not in _OURS}
        self._body["logprobs"] = max(1, ask.logprobs or 0)
        self._first: _Step | None = None
        self._closed = False

    async def begin(self) -> OneByOne | Reply:
        """Ask for the first token; what the engine said where it refused. Raises `EngineGone`."""
        found = await self._ask([])
        if isinstance(found, Reply):
            return found
        self._first = found
        return self

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises `EngineGone` where the engine ends, or does not go on with what it began."""
        said: list[int] = []
        text, reason = "", None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        step, cached = self._first, self._first.cached if self._first else 0
        while step is not None and reason is None:
            if step.token is not None:
                said.append(step.token)
            if step.token is None:
                reason = "stop"
            elif len(said) >= self._most:
                reason = "length"
            piece = decoder.decode(step.piece, final=reason is not None)
            text += piece
            if any(stop in text for stop in self._stops):
                reason = "stop"
            yield _line([{"index": 0, "text": piece, "logprobs": step.logprobs, "finish_reason": reason}])
            step = None if reason or self._closed else await self._next(said)
        usage = {"prompt_tokens": len(self._ids), "completion_tokens": len(said)}
        yield _line([], usage | {"prompt_tokens_details": {"cached_tokens": cached}})

    async def close(self) -> None:
        self._closed = True

    async def _next(self, said: list[int]) -> _Step:
        found = await self._ask(said)
        if isinstance(found, Reply):
            await found.close()
            raise EngineGone(f"the engine refused to go on ({found.status})")
        return found

    async def _ask(self, said: list[int]) -> _Step | Reply:
        """The token after those ``said``."""
        bias = dict(self._bias)
        for token, times in Counter(said).items():
            bias[str(token)] = bias.get(str(token), 0.0) - self._frequency * times - self._presence
        body = self._body | {"prompt": self._ids + said, "logit_bias": bias}
        if "seed" in body:
            body["seed"] = (body["seed"] + len(said)) % _SEEDS
        reply = await self._engine.post(PATH, json.dumps(body).encode())
        if reply.status != 200:
            return reply
        try:
            return _step(json.loads(await reply.read()))
        except NONSENSE:
            raise EngineGone("the engine does not answer as llama.cpp does") from None
        finally:
            await reply.close()


def _step(document: dict[str, Any]) -> _Step:
    """Raises what nonsense raises."""
    choice = document["choices"][0]
    said = (choice.get("logprobs") or {}).get("content") or []
    details = (document.get("usage") or {}).get("prompt_tokens_details") or {}
    cached = int(details.get("cached_tokens") or 0)
    if not said:  # the token that ends an answer is not listed
        return _Step(None, b"", None, cached)
    (first,) = said[:1]
    return _Step(int(first["id"]), bytes(first["bytes"]), {"content": [first]}, cached)


def _line(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    return f"data: {json.dumps({'choices': choices, **({'usage': usage} if usage else {})})}\n\n".encode()
