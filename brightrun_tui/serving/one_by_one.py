"""An answer of llama.cpp in which only what it said itself is penalised for having been said.

llama.cpp's own presence penalty counts the tokens of the prompt, too. So it is asked for one token at a time, with a bias for
each token that the answer has by then. That computes nothing twice: of prompt and answer it knows all but the last token.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving.ask import Ask
from brightrun_tui.serving.engine_client import EngineGone, Reply
from brightrun_tui.serving.llama_dialect import llama_body
from brightrun_tui.serving.supervision import Answers

PENALTIES = ("frequency_penalty", "presence_penalty")
ONE = "/completion"
"""llama.cpp's own form: OpenAI's does not tell a token that is half of a character."""
TEXT_OF = "/detokenize"
_OURS = ("stream", "stream_options", "stop", "n", "max_tokens", "logprobs")
_SEEDS = 2**32 - 1
_HALF = "\ufffd"


@dataclass(frozen=True)
class _Step:
    """What one token is: its number (None: the answer ends), its text (None: it ends within a character), and its
    log-probabilities as the engine tells them; ``cached``: tokens that were known.
    """

    token: int | None
    text: str | None
    logprobs: dict[str, Any] | None
    cached: int


class OneByOne:
    """One answer of no given form, as a `Reply` in llama.cpp's lines."""

    status = 200

    def __init__(self, engine: Answers, ask: Ask, ids: list[int], new_tokens: int, defaults: dict[str, Any]) -> None:
        self._engine, self._stops, self._ids, self._most = engine, ask.stops, ids, new_tokens
        self._frequency, self._presence = (float(ask.body.get(name) or 0.0) for name in PENALTIES)
        free = replace(ask, body={name: value for name, value in ask.body.items() if name not in PENALTIES})
        body = llama_body(free, ids, 1, defaults)
        self._bias: dict[str, float] = body.pop("logit_bias", None) or {}
        self._body = {name: value for name, value in body.items() if name not in _OURS}
        self._body |= {"n_predict": 1, "n_probs": max(1, ask.logprobs or 0), "return_tokens": True}
        self._first: _Step | None = None
        self._closed = False

    async def begin(self) -> OneByOne | Reply:
        """Ask for the first token; returns what the engine said where it refused. Raises `EngineGone`."""
        found = await self._ask([])
        if isinstance(found, Reply):
            return found
        self._first = found
        return self

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the answer's lines. Raises `EngineGone` where the engine ends, or does not go on with what it began."""
        said: list[int] = []
        half: list[int] = []
        text, reason, count = "", None, 0
        step, cached = self._first, self._first.cached if self._first else 0
        while step is not None and reason is None:
            count += 1  # the token that ends it is one, too, as in any other answer
            if step.token is None:
                reason = "stop"
            else:
                said.append(step.token)
                reason = "length" if len(said) >= self._most else None
            piece, half = await self._piece(step, half, ends=reason is not None)
            text += piece
            if any(stop in text for stop in self._stops):
                reason = "stop"
            yield _line([{"index": 0, "text": piece, "logprobs": step.logprobs, "finish_reason": reason}])
            step = None if reason or self._closed else await self._next(said)
        usage = {"prompt_tokens": len(self._ids), "completion_tokens": count}
        yield _line([], usage | {"prompt_tokens_details": {"cached_tokens": cached}})

    async def close(self) -> None:
        self._closed = True

    async def _piece(self, step: _Step, half: list[int], *, ends: bool) -> tuple[str, list[int]]:
        """Return the text that a token adds after those of ``half`` a character, and those that are half of one now."""
        token = [] if step.token is None else [step.token]
        if step.text is not None and not half:
            return step.text, []
        half = [*half, *token]
        if step.text is None and not ends:
            return "", half
        text = str((await self._said(TEXT_OF, {"tokens": half})).get("content") or "") if half else ""
        return ("", half) if text.endswith(_HALF) and not ends else (text, [])

    async def _next(self, said: list[int]) -> _Step:
        found = await self._ask(said)
        if isinstance(found, Reply):
            await found.close()
            raise EngineGone(f"the engine refused to go on ({found.status})")
        return found

    async def _ask(self, said: list[int]) -> _Step | Reply:
        """Return the token after those ``said``."""
        bias = dict(self._bias)
        for token, times in Counter(said).items():
            bias[str(token)] = bias.get(str(token), 0.0) - self._frequency * times - self._presence
        body = self._body | {"prompt": self._ids + said, "logit_bias": bias}
        if "seed" in body:
            body["seed"] = (body["seed"] + len(said)) % _SEEDS
        reply = await self._engine.post(ONE, json.dumps(body).encode())
        if reply.status != 200:
            return reply
        document = await _document(reply)
        try:
            return _step(document)
        except NONSENSE:
            raise _unlike_llama() from None

    async def _said(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        return await _document(await self._engine.post(path, json.dumps(asked).encode()))


async def _document(reply: Reply) -> dict[str, Any]:
    """Return what the engine said. Raises `EngineGone` where that is no JSON object."""
    try:
        found = json.loads(await reply.read())
    except (ValueError, RecursionError):
        raise _unlike_llama() from None
    finally:
        await reply.close()
    if not isinstance(found, dict):
        raise _unlike_llama()
    return found


def _unlike_llama() -> EngineGone:
    return EngineGone("the engine does not answer as llama.cpp does")


def _step(document: dict[str, Any]) -> _Step:
    """Read one token from the engine's answer. Raises whatever reading nonsense raises."""
    cached = int((document.get("timings") or {}).get("cache_n") or 0)
    tokens = document["tokens"]
    if document.get("stop_type") == "eos" or not tokens:
        return _Step(None, "", None, cached)
    told = document.get("completion_probabilities") or []  # not of one that ends within a character
    text = bytes(told[0]["bytes"]).decode(errors="replace") if told else None
    return _Step(int(tokens[-1]), text, {"content": told[:1]} if told else None, cached)


def _line(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    return f"data: {json.dumps({'choices': choices, **({'usage': usage} if usage else {})})}\n\n".encode()
