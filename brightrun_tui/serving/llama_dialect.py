"""How llama.cpp is asked, and its answers in the form of each of OpenAI's dialects.

It is always given token ids at ``/v1/completions`` and always streams; what it says there is text, log-probabilities, the reason
for the end and token counts. Chat and responses are made of these here.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving.ask import Ask, RequestRefused
from brightrun_tui.serving.forms import Growing
from brightrun_tui.serving.segments import Part, Segments, read_call

PATH = "/v1/completions"
SAMPLERS = ("penalties", "temperature", "top_k", "top_p", "min_p")
"""In the order in which transformers applies them, whose settings a base model brings along."""

ALL = 1 << 20
"""Tokens, more than a prompt and its answer have: a repetition penalty counts both."""

_COMPACT = {
    "x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "coerce_one_of": True}
}
"""Between the parts of JSON a small model may write blanks for ever. ``oneOf`` is followed as ``anyOf``, or not at all."""


def llama_body(ask: Ask, ids: list[int], new_tokens: int, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the request. ``defaults`` are the model's own generation settings, for what the caller left open."""
    own = {
        name: defaults[name] for name in ("temperature", "top_k", "top_p", "min_p") if defaults.get(name) is not None
    }
    body = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0} | own | ask.body
    if frequency := body.get("frequency_penalty"):
        body["logit_bias"] = _without_prompt(ids, frequency, body.get("logit_bias") or {})
    if "seed" in body:
        body["seed"] %= 2**32 - 1
    return body | {
        "prompt": ids,
        "max_tokens": new_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "samplers": list(SAMPLERS),
        "repeat_penalty": body.pop("repetition_penalty", defaults.get("repetition_penalty") or 1.0),
        "repeat_last_n": ALL,
        "cache_prompt": True,
        "n": ask.n,
        **({"logprobs": max(1, ask.logprobs)} if ask.logprobs is not None else {}),
        **({"json_schema": ask.form | _COMPACT} if ask.form is not None else {}),
    }


def _without_prompt(ids: list[int], frequency: float, given: dict[str, float]) -> dict[str, float]:
    """Return biases that give back what the prompt's tokens are fined: llama.cpp counts them, too, and OpenAI the answer's
    alone.
    """
    returned = {str(token): frequency * count for token, count in Counter(ids).items()}
    return returned | {token: returned.get(token, 0.0) + bias for token, bias in given.items()}


_NO_ANSWER = 'data: {"error": "this is not an answer"}'


async def translated(
    lines: AsyncIterator[str], ask: Ask, reasoning_begun: bool = False, read: int = 0
) -> AsyncIterator[str]:
    """Yield llama.cpp's lines as lines of the dialect that was asked in. ``reasoning_begun``: the prompt opened it.
    ``read``: tokens of the prompt that the engine knows because this very request had them read before.

    Raises:
        RequestRefused: the answer does not have the form that was asked for.
    """
    answer = _Answer(ask, reasoning_begun, read)
    formed = defaultdict[int, Growing](Growing) if ask.form is not None else None
    async for line in lines:
        if not line.startswith("data:"):
            if line.startswith("error:"):
                yield "data: " + line.removeprefix("error:").strip()
            continue
        if line[5:].strip() == "[DONE]":
            break
        document = _object(line[5:])
        if document is None or "error" in document:
            yield line if document else _NO_ANSWER
            return
        try:
            whole = formed is None or _is_formed(document, formed)
            pieces = answer.read(document) if whole else []
        except NONSENSE:
            yield _NO_ANSWER
            return
        if not whole:
            raise RequestRefused(
                "the engine cannot follow this schema: make it simpler",
                param="tools" if ask.call_schema else "response_format",
                code="unsupported_value",
            )
        for piece in pieces:
            yield f"data: {json.dumps(piece)}"
    for piece in answer.end():
        yield f"data: {json.dumps(piece)}"


def _is_formed(document: dict[str, Any], formed: dict[int, Growing]) -> bool:
    """Say whether the answers are still JSON: an engine that cannot follow a schema goes on without one."""
    return not any(
        formed[choice.get("index", 0)].broken_by(choice.get("text") or "", choice.get("finish_reason") is not None)
        for choice in document.get("choices", [])
    )


def _object(text: str) -> dict[str, Any] | None:
    """Return what was said; None where it is no JSON object."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


class _Answer:
    """All choices of one answer."""

    def __init__(self, ask: Ask, reasoning_begun: bool, read: int) -> None:
        self._ask, self._read = ask, read
        created = int(time.time())
        self._head: dict[str, Any] = {
            "id": f"{'cmpl' if ask.dialect == 'completions' else 'chatcmpl'}-{secrets.token_hex(12)}",
            "object": "text_completion" if ask.dialect == "completions" else "chat.completion.chunk",
            "created": created,
            "model": "",
        }
        self._choices: dict[int, _Choice] = {}
        self._begun = reasoning_begun
        self._tokens = {"prompt_tokens": 0, "completion_tokens": 0}
        self._cached = 0
        self._responses = _Responses(created)
        self._offsets = defaultdict[int, int](int)

    def read(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if usage := document.get("usage"):
            self._tokens["prompt_tokens"] = int(usage.get("prompt_tokens") or 0)
            known = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
            self._cached = max(0, known - self._read)
            self._tokens["completion_tokens"] += int(usage.get("completion_tokens") or 0)
        for given in document.get("choices", []):
            index = int(given.get("index") or 0)
            if not 0 <= index < self._ask.n or not isinstance(given.get("text") or "", str):
                raise ValueError("this is not the answer that was asked for")
            if self._ask.dialect == "completions":
                found.append(self._head | {"choices": [given | {"logprobs": self._older_logprobs(index, given)}]})
                continue
            choice = self._choices.setdefault(index, _Choice(self._ask, self._begun))
            if self._ask.dialect == "responses":
                found += self._responses.read(choice.read(given))
            else:
                found += [self._head | {"choices": [{"index": index, **each}]} for each in choice.read(given)]
        return found

    def _older_logprobs(self, index: int, given: dict[str, Any]) -> dict[str, Any] | None:
        """Return log-probabilities in the older dialect; the engine gives at least one of the likeliest."""
        content = (given.get("logprobs") or {}).get("content") or []
        if self._ask.logprobs is None or not content:
            return None
        offsets = []
        for each in content:
            offsets.append(self._offsets[index])
            self._offsets[index] += len(each["token"])
        return {
            "tokens": [each["token"] for each in content],
            "token_logprobs": [each["logprob"] for each in content],
            "top_logprobs": [
                {top["token"]: top["logprob"] for top in each["top_logprobs"][: self._ask.logprobs]} for each in content
            ],
            "text_offset": offsets,
        }

    def end(self) -> list[dict[str, Any]]:
        usage = self._tokens | {"total_tokens": sum(self._tokens.values())}
        if self._ask.dialect == "responses":
            return self._responses.end(usage, self._cached)
        details = {"prompt_tokens_details": {"cached_tokens": self._cached}}
        return [self._head | {"choices": [], "usage": usage | details}]


class _Choice:
    """One answer of a chat: deltas of content, reasoning and calls."""

    def __init__(self, ask: Ask, reasoning_begun: bool) -> None:
        looked_for: tuple[Part, ...] = ("reasoning", "call") if ask.tools else ("reasoning",)
        self._segments = Segments(
            () if ask.form is not None else looked_for, "reasoning" if reasoning_begun else "content"
        )
        self._ask = ask
        self._call = ""
        self._calls = 0
        self._blank = ""
        self._spoke = False

    def read(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the deltas that one piece of text makes."""
        deltas: list[dict[str, Any]] = [] if self._spoke else [{"role": "assistant", "content": ""}]
        self._spoke = True
        parts = self._segments.feed(given.get("text") or "")
        reason = given.get("finish_reason")
        if reason:
            parts += self._segments.rest()
        for part, text in parts:
            if part == "closed":
                deltas += self._finished_call()
            elif part == "call" or self._ask.call_schema:
                self._call += text
            elif part == "reasoning":
                deltas.append({"reasoning_content": text})
            else:
                deltas += self._content(text)
        if reason:
            deltas += self._finished_call()
            deltas += [{"content": self._blank}] if self._blank and not self._calls else []
            reason = "tool_calls" if self._calls and reason == "stop" else reason
        logprobs = _chat_logprobs(given.get("logprobs"), self._ask.logprobs)
        if not deltas and (logprobs or reason):
            deltas.append({})
        made: list[dict[str, Any]] = [{"delta": delta, "finish_reason": None, "logprobs": None} for delta in deltas]
        if made:
            made[-1] |= {"finish_reason": reason, "logprobs": logprobs}
        return made

    def _content(self, text: str) -> list[dict[str, Any]]:
        """Return text of the answer. Lines that are empty wait: between calls of tools they are no answer."""
        text, self._blank = self._blank + text, ""
        if self._ask.tools and not text.strip():
            self._blank = text
            return []
        return [{"content": text}]

    def _finished_call(self) -> list[dict[str, Any]]:
        """Return the call that was collected; as content where it is none."""
        text, self._call = self._call, ""
        if not text.strip() or (self._calls and self._ask.one_call):
            return []
        call = read_call(text, self._calls)
        if call is None:
            return [{"content": text}]
        self._calls += 1
        return [{"tool_calls": [call]}]


class _Responses:
    """The events of ``POST /v1/responses``: one message of one text."""

    def __init__(self, created: int) -> None:
        self._id, self._item = f"resp_{secrets.token_hex(12)}", f"msg_{secrets.token_hex(12)}"
        self._created = created
        self._text = ""
        self._number = 0
        self._cut = False

    def read(self, pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if not self._number:
            found += [
                self._event("response.created", response=self._response("in_progress")),
                self._event("response.in_progress", response=self._response("in_progress")),
                self._event("response.output_item.added", output_index=0, item=self._message("in_progress", [])),
                self._event("response.content_part.added", **self._place(), part=self._part()),
            ]
        for piece in pieces:
            self._cut = self._cut or piece["finish_reason"] == "length"
            if text := piece["delta"].get("content"):
                self._text += text
                found.append(self._event("response.output_text.delta", **self._place(), delta=text, logprobs=[]))
        return found

    def end(self, usage: dict[str, int], cached: int) -> list[dict[str, Any]]:
        """End the response; ``cached``: tokens of the prompt that were known from an earlier request."""
        counts = {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        }
        status = "incomplete" if self._cut else "completed"
        message = self._message(status, [self._part()])
        return [
            *(self.read([]) if not self._number else []),
            self._event("response.output_text.done", **self._place(), text=self._text, logprobs=[]),
            self._event("response.content_part.done", **self._place(), part=self._part()),
            self._event("response.output_item.done", output_index=0, item=message),
            self._event(f"response.{status}", response=self._response(status, [message], counts)),
        ]

    def _event(self, kind: str, **facts: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "sequence_number": self._number - 1, **facts}

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self._text, "annotations": []}

    def _message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self._item, "type": "message", "role": "assistant", "status": status, "content": content}

    def _response(
        self, status: str, output: list[dict[str, Any]] | None = None, usage: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "model": "",
            "output": output or [],
            "usage": usage,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": False,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
        }


def _chat_logprobs(given: dict[str, Any] | None, wanted: int | None) -> dict[str, Any] | None:
    """Return log-probabilities in the chat dialect; ``wanted``: how many of the likeliest tokens were asked for, None
    for none at all.
    """
    content = (given or {}).get("content") or []
    if wanted is None or not content:
        return None
    names = ("token", "logprob", "bytes")
    return {
        "content": [
            {name: each.get(name) for name in names}
            | {"top_logprobs": [{name: top.get(name) for name in names} for top in each["top_logprobs"][:wanted]]}
            for each in content
        ],
        "refusal": None,
    }
