"""What the engine answers, put into the form that OpenAI's clients expect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving.ask import Ask, Dialect


@dataclass(frozen=True)
class Tokens:
    """Tokens of one answer as the engine counted them."""

    prompt: int = 0
    completion: int = 0


class StopCutter:
    """Ends a text before whichever of some strings is complete first, however the text is cut into pieces.

    The engine stops there too, but leaves the string in the answer.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self._kept_back = max((len(stop) for stop in stops), default=1) - 1
        self.stopped = False

    def feed(self, piece: str) -> str:
        """Return the text that can be passed on now; what may be the beginning of a stop string is held back."""
        if self.stopped:
            return ""
        text = self._held + piece
        ends = [place + len(stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        if ends:
            self.stopped, self._held = True, ""
            said = text[: min(ends)]
            return said[: min(place for stop in self._stops if (place := said.find(stop)) >= 0)]
        cut = max(0, len(text) - self._kept_back)
        self._held = text[cut:]
        return text[:cut]

    def rest(self) -> str:
        """Return what was held back, when the text has ended."""
        text, self._held = self._held, ""
        return text


class AnswerStream:
    """Rewrites the ``data:`` lines of one answer: model name, stop strings, errors, final ``[DONE]``."""

    def __init__(self, ask: Ask, ref: str) -> None:
        self._ask = ask
        self._ref = ref
        self._cutters: dict[int, StopCutter] = {}
        self._said: list[str] = []
        self.tokens = Tokens()
        self.failed = False

    @property
    def text(self) -> str:
        """What the model said so far, of several answers the first; its thoughts and calls are not part of it."""
        return "".join(self._said)

    def read(self, line: str) -> dict[str, Any] | None:
        """Return one line from the engine as one piece of the answer; None when there is nothing to pass on."""
        if not line.startswith("data:"):
            return None
        try:
            return self._read(json.loads(line[5:]))
        except NONSENSE:
            self.failed = True
            return failure("the model failed while answering")

    def _read(self, document: dict[str, Any]) -> dict[str, Any]:
        if "error" in document and "object" not in document and "type" not in document:
            self.failed = True
            return failure("the model failed while answering")
        self.failed = self.failed or document.get("type") == "response.failed"
        self.tokens = usage_of(document) or self.tokens
        rename(document, self._ref)
        if self._ask.stops:
            self._cut(document)
        self._said.append(_text_of(document))
        return document

    def rewrite(self, line: str) -> str:
        """Return one line from the engine as events for the caller; empty when there is nothing to pass on.

        Token counts come in a piece of their own without choices, and only where they were asked for.
        """
        piece = self.read(line)
        if piece is None:
            return ""
        if "choices" not in piece:
            return event(piece)
        usage = piece.pop("usage", None)
        if not self._ask.usage:
            return event(piece) if piece["choices"] else ""
        counts = event(piece | {"choices": [], "usage": usage}) if usage else ""
        return (event(piece | {"usage": None}) if piece["choices"] else "") + counts

    def _cut(self, document: dict[str, Any]) -> None:
        for choice in document.get("choices", []):
            holder, key = (
                (choice, "text") if self._ask.dialect == "completions" else (choice.get("delta", {}), "content")
            )
            cutter = self._cutters.setdefault(choice.get("index", 0), StopCutter(self._ask.stops))
            text = cutter.feed(holder.get(key) or "")
            if choice.get("finish_reason"):
                text += cutter.rest()
            if text or holder.get(key) is not None:
                holder[key] = text

    def end(self) -> str:
        """Return what closes the stream: the older dialects say ``[DONE]``, unless the answer failed."""
        return "" if self.failed or self._ask.dialect == "responses" else "data: [DONE]\n\n"


def _text_of(piece: dict[str, Any]) -> str:
    """Return the text that a piece of an answer adds to the first of the answers."""
    if piece.get("type") == "response.output_text.delta":
        return str(piece.get("delta") or "")
    first: dict[str, Any] = next((choice for choice in piece.get("choices", ()) if choice.get("index", 0) == 0), {})
    return str(first.get("text") or (first.get("delta") or {}).get("content") or "")


def whole_answer(pieces: Sequence[dict[str, Any]], dialect: Dialect) -> dict[str, Any]:
    """Return all pieces of one answer as the document that a caller gets who did not ask for a stream."""
    if dialect == "responses":
        return dict(pieces[-1]["response"])
    choices = [choice for piece in pieces for choice in piece["choices"]]
    numbers = sorted({choice.get("index", 0) for choice in choices})
    last = pieces[-1]
    return {
        "id": last["id"],
        "object": "text_completion" if dialect == "completions" else "chat.completion",
        "created": last["created"],
        "model": last["model"],
        "choices": [
            _whole_choice(number, [each for each in choices if each.get("index", 0) == number], dialect)
            for number in numbers
        ],
        "usage": last["usage"],
    }


def _whole_choice(number: int, pieces: list[dict[str, Any]], dialect: Dialect) -> dict[str, Any]:
    whole: dict[str, Any] = {"index": number, "finish_reason": pieces[-1]["finish_reason"]}
    said = [piece["logprobs"] for piece in pieces if piece.get("logprobs")]
    whole["logprobs"] = {key: _chained(said, key) for key in said[0]} if said else None
    if dialect == "completions":
        return whole | {"text": _joined(pieces, "text")}
    deltas = [piece["delta"] for piece in pieces]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    content = _joined(deltas, "content")
    message: dict[str, Any] = {"role": "assistant", "content": content if content or not calls else None}
    if reasoning := _joined(deltas, "reasoning_content"):
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [{key: call[key] for key in ("id", "type", "function")} for call in calls]
    return whole | {"message": message}


def _chained(said: list[dict[str, Any]], key: str) -> list[Any] | None:
    """Return the lists under ``key`` of all pieces, one after the other."""
    found = [each for piece in said for each in piece[key] or ()]
    return found or None


def _joined(parts: Sequence[dict[str, Any]], key: str) -> str:
    return "".join(part.get(key) or "" for part in parts)


def rename(document: dict[str, Any], ref: str) -> None:
    """Put ``name:version`` where the engine wrote its own name for the model."""
    for holder in (document, document.get("response")):
        if isinstance(holder, dict) and "model" in holder:
            holder["model"] = ref


def usage_of(document: dict[str, Any]) -> Tokens | None:
    """Return the token counts of an answer or of its last piece, in any dialect."""
    usage = document.get("usage") or (document.get("response") or {}).get("usage")
    if not usage:
        return None
    return Tokens(
        int(usage.get("prompt_tokens", usage.get("input_tokens", 0)) or 0),
        int(usage.get("completion_tokens", usage.get("output_tokens", 0)) or 0),
    )


def failure(message: str, *, code: str | None = None) -> dict[str, Any]:
    """Return OpenAI's error object for a fault on our side."""
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def event(document: dict[str, Any]) -> str:
    """Return one server-sent event, in ASCII: some clients take U+2028 for the end of a line."""
    return f"data: {json.dumps(document)}\n\n"
