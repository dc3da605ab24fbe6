"""Turns in the forms that clients' libraries give their objects when they write them out: LangChain, OpenAI Responses.

They become turns with ``role`` and ``content``, which is what all other readers know; anything else stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from brightrun_tui.datasets.marks import ENDINGS

_LANGCHAIN = {
    "human": "user",
    "humanmessage": "user",
    "humanmessagechunk": "user",
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "system": "system",
    "systemmessage": "system",
    "tool": "tool",
    "toolmessage": "tool",
    "function": "tool",
    "functionmessage": "tool",
}
RETURNED = ("choices", "candidates")
"""Where OpenAI's and Google's services put the answers that they return."""
_UNSEEN = frozenset({"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"})
_ALL = "all"
"""Who a message is for that people see."""
_SPEAKERS = frozenset({"system", "user", "human", "assistant", "gpt", "bot", "tool"})
_ITEMS = frozenset({"message", "reasoning", "function_call", "function_call_output"})
"""What a response of OpenAI's consists of, and what is given to the next one."""


def as_turn(value: Any) -> Any:
    """Return LangChain's message as a turn: ``{"type": "human", "content": …}``, with its fields below ``data``, or as a
    constructor.
    """
    if not isinstance(value, dict) or "role" in value or not isinstance(value.get("type"), str):
        return value
    kind, fields = value["type"], value
    if kind == "constructor" and isinstance(value.get("id"), list) and isinstance(value.get("kwargs"), dict):
        kind, fields = str(value["id"][-1:] and value["id"][-1]), value["kwargs"]
    elif isinstance(value.get("data"), dict) and "content" in value["data"]:
        fields = value["data"]
    role = _LANGCHAIN.get(kind.lower())
    if role is None or "content" not in fields:
        return value
    more = fields.get("additional_kwargs")
    calls = fields.get("tool_calls") or (more.get("tool_calls") if isinstance(more, dict) else None)
    kept = {name: fields[name] for name in ("tool_call_id", "name") if fields.get(name)}
    return {"role": role, "content": fields["content"], **({"tool_calls": calls} if calls else {}), **kept}


def from_items(value: Any) -> Any:
    """Return the turns of OpenAI's Responses: messages, calls with their outputs, and thoughts, which belong to what follows."""
    if not isinstance(value, list) or not any(_is_item(item) for item in value):
        return value
    turns: list[Any] = []
    thoughts: list[str] = []
    for item in value:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "reasoning":
            texts = [part.get("text") for part in _parts(item) if isinstance(part, dict)]
            thoughts += [text for text in texts if isinstance(text, str) and text]
        elif kind == "function_call":
            call = {"name": item.get("name"), "arguments": item.get("arguments"), "id": item.get("call_id")}
            turns.append({"role": "assistant", "content": "", "tool_calls": [call]})
        elif kind == "function_call_output":
            turns.append({"role": "tool", "content": item.get("output"), "tool_call_id": item.get("call_id")})
        else:
            turns.append({name: part for name, part in item.items() if name != "type"} if kind == "message" else item)
        if thoughts and isinstance(turns[-1] if turns else None, dict) and turns[-1].get("role") == "assistant":
            turns[-1] = {**turns[-1], "reasoning_content": "\n".join(thoughts)}
            thoughts = []
    return turns


def with_thoughts(turns: list[Any]) -> list[Any]:
    """Return the turns without those that are only thoughts, as OpenAI's open models and Google's studio mark them.

    They become the thoughts of the answer behind them.
    """
    if not any(map(_is_thought, turns)):
        return turns
    shown: list[Any] = []
    thoughts: list[str] = []
    for turn in turns:
        if _is_thought(turn):
            thoughts += [turn[name] for name in ("content", "text") if isinstance(turn.get(name), str)]
        else:
            shown.append({**turn, "reasoning_content": "\n".join(thoughts)} if thoughts else turn)
            thoughts = []
    return shown


def _is_thought(turn: Any) -> bool:
    if not isinstance(turn, dict):
        return False
    return turn.get("isThought") is True or (turn.get("channel") == "analysis" and turn.get("role") == "assistant")


def are_said(turns: Any) -> bool:
    """Say whether each of these turns is nothing but who speaks and what, as ``{"user": …}``, and there are several who do."""
    if not isinstance(turns, list) or not all(isinstance(turn, dict) and len(turn) == 1 for turn in turns):
        return False
    speakers = {str(next(iter(turn))).strip().lower() for turn in turns}
    return len(speakers) > 1 and speakers <= _SPEAKERS


def from_tree(value: Any) -> Any:
    """Return a conversation of ChatGPT's own export, a tree of messages, as its turns: those on the way to the one shown last."""
    nodes = value.get("mapping") if isinstance(value, dict) else None
    if not isinstance(nodes, dict) or "current_node" not in value:
        return value
    turns: list[Any] = []
    place = value["current_node"]
    for _ in nodes:
        node = nodes.get(place) if isinstance(place, str) else None
        if not isinstance(node, dict):
            break
        turns += _shown(node.get("message"))
        place = node.get("parent")
    about = {name: value[name] for name in ("id", "conversation_id") if isinstance(value.get(name), str)}
    return {"messages": turns[::-1], **about}


def _shown(message: Any) -> list[Any]:
    """Return a message as a turn; none for what nobody saw."""
    content, author = (
        (message.get(name) for name in ("content", "author")) if isinstance(message, dict) else (None, None)
    )
    about = message.get("metadata") if isinstance(message, dict) else None
    if not isinstance(content, dict) or not isinstance(author, dict) or str(content.get("content_type")) in _UNSEEN:
        return []
    if (isinstance(about, dict) and about.get("is_visually_hidden_from_conversation")) or content.get("parts") == [""]:
        return []
    if author.get("role") == "assistant" and str(message.get("recipient") or _ALL) != _ALL:
        content = [
            {"type": f"said to a tool: {message['recipient']}"}
        ]  # said to a tool, which no text of the answer is
    return [{"role": author.get("role"), "content": content}]


def answer_of(value: Any) -> Any:
    """Return the answer in what a service returned: a turn, a text, or the texts of several; anything else as it is.

    Known are OpenAI's ``choices``, Gemini's ``candidates``, Bedrock's ``output``, Ollama's ``message`` and ``generated_text``.
    """
    if not isinstance(value, Mapping) or "role" in value:
        return value
    given = next((value[name] for name in RETURNED if isinstance(value.get(name), list)), [value])
    if all(isinstance(one, Mapping) and isinstance(one.get("index"), int) for one in given):
        given = sorted(given, key=lambda one: one["index"])
    said = [_said(one) for one in given if isinstance(one, Mapping)]
    if not said or len(said) < len(given) or None in said:
        return value
    return said[0] if len(said) == 1 else [one.get("content") if isinstance(one, Mapping) else one for one in said]


def _said(choice: Mapping[str, Any]) -> Any:
    """Return what one choice says, with why it ended where that is a limit; None if it says nothing that is known."""
    inner = choice["output"] if isinstance(choice.get("output"), Mapping) else choice
    turn: Mapping[str, Any] = next(
        (inner[name] for name in ("message", "content") if isinstance(inner.get(name), Mapping)), {}
    )
    if "role" in turn or "parts" in turn:
        return {"role": "assistant", **turn, **{name: choice[name] for name in ENDINGS if name in choice}}
    if isinstance(choice.get("text"), str) and "finish_reason" in choice:
        return choice["text"]
    return choice.get("generated_text") if len(choice) == 1 else None


def instructions_of(fields: Mapping[str, Any], answer: Any) -> Any:
    """Return the system text that stands beside a response of OpenAI's; None beside anything else."""
    return fields.get("instructions") if isinstance(answer, list) and any(map(_is_item, answer)) else None


def _is_item(value: Any) -> bool:
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind in _ITEMS and ("role" in value or kind != "message")


def _parts(item: Mapping[str, Any]) -> Sequence[Any]:
    return [part for name in ("summary", "content") if isinstance(item.get(name), list) for part in item[name]]
