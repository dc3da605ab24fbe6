"""A request to a service with what came back, as batches, gateways and tools that watch models keep the two side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightrun_tui.datasets.conversations import conversation_in, is_turn
from brightrun_tui.datasets.nesting import json_of
from brightrun_tui.datasets.parsed import SYSTEMS, lowered
from brightrun_tui.datasets.tool_calls import TOOLS

_PAIRS = {
    "request": ("response", "result", "output"),
    "request_body": ("response_body",),
    "requestbody": ("responsebody",),
    "params": ("result", "response"),
    "modelinput": ("modeloutput",),
    "inputs": ("outputs", "output"),
    "input": ("output",),
    "body": ("response",),
}
"""In lower case, the field with what was asked, and those that may hold the answer to it."""
_SPELT = frozenset("request Request request_body requestBody params modelInput inputs Inputs input Input body".split())
"""The first of them as they stand in files."""
_AROUND_REQUESTS = ("body", "inputbodyjson", "params", "kwargs")
_AROUND_ANSWERS = ("body", "outputbodyjson", "message", "generations")
_DEEPEST = 4
_BESIDE_TURNS = frozenset((*SYSTEMS, *TOOLS, "instructions"))
_FORMS = ("choices", "candidates", "content", "generated_text")


def from_log(value: dict[str, Any]) -> dict[str, Any]:
    """Return a request and its answer as a record: the turns, the answer, and what stands beside the two; else the value."""
    if "chat_history" in value and isinstance(value.get("message"), str):
        return _from_chat(value)
    if _SPELT.isdisjoint(value):
        return value
    fields = lowered(value)
    for asked, answered in _PAIRS.items():
        name = next((name for name in answered if name in fields), "")
        request = _request(fields.get(asked)) if name else None
        if request is None or (asked == "input" and request is fields[asked]):
            continue  # what was given to a function as it stands is read as a question and its answer
        turns = _one_list(next(request[field] for field in ("messages", "contents") if field in request))
        if not turns:
            continue
        beside = {field: part for field, part in value.items() if str(field).strip().lower() not in (asked, name)}
        kept = {field: part for field, part in request.items() if field in _BESIDE_TURNS}
        return {**beside, **kept, "messages": turns, "completion": _answer(fields[name])}
    return value


def _from_chat(value: dict[str, Any]) -> dict[str, Any]:
    """Return a call of Cohere's chat, with the message behind the earlier ones, as a record."""
    names = {"message": "prompt", "text": "completion", "chat_history": "history"}
    if not value.get("chat_history"):
        names.pop("chat_history")
    if isinstance(said := value.get("response"), Mapping) and isinstance(said.get("text"), str):
        value = {**value, "text": said["text"]}
    if not isinstance(value.get("text"), str):
        return value
    named = {new: value[old] for old, new in names.items()}
    told = {"system": value["preamble"]} if isinstance(value.get("preamble"), str) else {}
    return {name: part for name, part in value.items() if name not in (*names, "preamble", "response")} | named | told


def _request(value: Any, depth: int = _DEEPEST) -> dict[str, Any] | None:
    """Return the fields beside which the turns stand, in whatever they are wrapped; None where there are none."""
    value = _from_text(value)
    if not isinstance(value, Mapping) or not depth:
        return None
    fields = lowered(value)
    if any(isinstance(fields.get(name), list) and fields[name] for name in ("messages", "contents")):
        return fields
    return next(
        (found for name in _AROUND_REQUESTS if (found := _request(fields.get(name), depth - 1)) is not None), None
    )


def _one_list(turns: Any) -> Any:
    """Return the turns of the only conversation in a list of them, as LangChain asks; none where there are several."""
    if isinstance(turns, list) and turns and isinstance(turns[0], list):
        turns = turns[0] if len(turns) == 1 else []
    return turns if conversation_in({"messages": turns}) else []


def _answer(value: Any, depth: int = _DEEPEST) -> Any:
    """Return what was answered, out of what it is wrapped in, as far as that is known."""
    value = _from_text(value)
    if isinstance(value, list) and len(value) == 1 and not is_turn(value[0]) and isinstance(value[0], list | Mapping):
        return _answer(value[0], depth - 1) if depth else value
    if not isinstance(value, Mapping) or is_turn(value) or not depth:
        return value
    fields = lowered(value)
    if any(isinstance(fields.get(name), list | str) for name in _FORMS):
        return value
    if len(fields) == 1 and isinstance(only := next(iter(fields.values())), str):
        return only
    for name in _AROUND_ANSWERS:
        if isinstance(fields.get(name), list | Mapping | str) and fields[name]:
            return _answer(fields[name], depth - 1)
    return value


def _from_text(value: Any) -> Any:
    """Return the object that a text holds as JSON; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return json_of(value)
    except ValueError:
        return value
