"""From turns as files hold them to the messages of a record: roles, text, order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from brightrun_tui.domain.dataset import Message, Role, ToolCall

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "client": "user",
    "customer": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
    "tool_response": "tool",
    "tool_result": "tool",
    "function_response": "tool",
    "function_result": "tool",
    "chatbot": "assistant",
    "support": "assistant",
    "assistent": "assistant",
    "asistente": "assistant",
    "kunde": "user",
    "kundin": "user",
    "cliente": "user",
    "usuario": "user",
    "usuário": "user",
    "utilisateur": "user",
    "utilisatrice": "user",
    "utente": "user",
    "gebruiker": "user",
    "benutzer": "user",
    "nutzer": "user",
    "用户": "user",
    "пользователь": "user",
    "visitor": "user",
    "assistente": "assistant",
    "助手": "assistant",
    "ассистент": "assistant",
    "support_agent": "assistant",
    "end_user": "user",
    "ai_assistant": "assistant",
    "operator": "assistant",
    "human_agent": "assistant",
    "virtual_agent": "assistant",
    "virtual_assistant": "assistant",
    "representative": "assistant",
    "advisor": "assistant",
    "guest": "user",
    "caller": "user",
    "enduser": "user",
    "berater": "assistant",
    "beraterin": "assistant",
    "kundendienst": "assistant",
    "kundenservice": "assistant",
    "conseiller": "assistant",
    "conseillère": "assistant",
    "agente": "assistant",
    "medewerker": "assistant",
    "klant": "user",
    "klient": "user",
    "kund": "user",
    "besucher": "user",
    "оператор": "assistant",
    "клиент": "user",
    "客服": "assistant",
    "客户": "user",
    "お客様": "user",
    "オペレーター": "assistant",
    "고객": "user",
    "상담원": "assistant",
    "inbound": "user",
    "incoming": "user",
    "outbound": "assistant",
    "outgoing": "assistant",
}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_STEPS = frozenset({"step-start", "step-finish", "source-url", "source-document"})
_THOUGHT_PARTS = frozenset({"thinking", "reasoning", "thought", "redacted_thinking"})
_EMPTY_CELLS = frozenset({"nan", "NaN", "<NA>", "NaT"})
"""What pandas makes of a cell without a value where it is turned into text."""
_BEHIND_WORDS = frozenset(".,;:!?)")
_OPEN, _CLOSE = "<think>", "</think>"
_SEEN = re.compile("[^\\s\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2800\u3164\ufeff]")
"""A character that leaves something on the screen."""


class Unusable(Exception):
    """A record that cannot be trained on; ``kind`` is a key of `problems.LEFT_OUT`."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


class Turn(NamedTuple):
    """One turn as found in a file; role and content are unchecked."""

    role: Any
    content: Any
    train: bool = True
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    name: str = ""
    tool_call_id: str = ""


def canonical_messages(turns: Iterable[Turn]) -> tuple[tuple[Message, ...], list[str]]:
    """Return messages in the order system?, user, assistant, … ending with an assistant turn, and remarks on what was changed.

    Between an answer that calls tools and the next one stand the tools' results.

    Raises:
        Unusable: no such conversation is in these turns, or none of its answers should be learnt.
    """
    remarks: list[str] = []
    plain = [_message(turn) for turn in turns]
    if not any(message.role == "assistant" and _says_something(message) for message in plain):
        raise Unusable("no_answer")
    kept = [message for message in plain if _says_something(message)]
    if any(not _says_something(message) and message.role != "system" for message in plain[:-1]):
        remarks.append("empty_turn")
    system, talk = _split_system(kept)
    talk = _trimmed(talk, remarks)
    talk = _in_order_of_calls(_joined(talk, remarks))
    if not any(message.train and message.role == "assistant" for message in talk):
        raise Unusable("nothing_to_train")
    learnt = [message for message in talk if message.role == "assistant" and message.train]
    if any(message.tool_calls for message in learnt):
        remarks.append("calls")
    if any(message.reasoning or _OPEN in message.content for message in learnt):
        remarks.append("thoughts")
    if any(message.content.count(_OPEN) > message.content.count(_CLOSE) for message in learnt):
        remarks.append("open_thoughts")
    head = [Message(role="system", content="\n\n".join(system))] if system else []
    return (*head, *talk), remarks


def _message(turn: Turn) -> Message:
    role = role_of(turn.role)
    answers = role == "assistant"
    content = turn.content
    if role == "tool" and (
        isinstance(content, dict) or (isinstance(content, list) and content and not _is_part(content[0]))
    ):
        content = json.dumps(content, ensure_ascii=False, default=str)  # a result as its client got it
    text = text_of(content)
    reasoning = (turn.reasoning or thoughts_of(turn.content)) if answers else ""
    if answers and _CLOSE in text:
        text, reasoning = _thoughts_once(text, reasoning)
    return Message(
        role=role,
        content="" if role in ("user", "assistant") and text.strip() in _EMPTY_CELLS else text,
        train=turn.train or not answers,
        reasoning=reasoning,
        tool_calls=turn.tool_calls if answers else (),
        name=turn.name if role == "tool" else "",
        tool_call_id=turn.tool_call_id if role == "tool" else "",
    )


def _thoughts_once(text: str, reasoning: str) -> tuple[str, str]:
    """Return an answer that holds its thoughts, with their opening, which a prompt may have held, and those that are given
    beside it.
    """
    thoughts, _, answer = text.partition(_CLOSE)
    if _OPEN not in thoughts:
        text, thoughts = f"{_OPEN}\n{text.lstrip()}", f"{_OPEN}{thoughts}"
    inline = thoughts.strip().removeprefix(_OPEN).strip()
    if reasoning and reasoning not in inline:
        text = f"{_OPEN}\n{reasoning}\n{inline}\n{_CLOSE}\n\n{answer.lstrip()}"
    return text, ""


def _says_something(message: Message) -> bool:
    return bool(_SEEN.search(message.content) or message.tool_calls)


def role_of(role: Any) -> Role:
    """Return the canonical role.

    Raises:
        Unusable: not a known role.
    """
    known = ROLES.get(role) if isinstance(role, str) else None
    if known is None and isinstance(role, str):
        known = ROLES.get(role.strip().lower().replace("-", "_").replace(" ", "_"))
    if known is None:
        raise Unusable("unknown_role", printable(role) if isinstance(role, str) else "nobody")
    return known


def text_of(content: Any) -> str:
    """Return the text of a turn: a string, a list of text parts, a number; None is not text.

    Raises:
        Unusable: holds something other than text.
    """
    if isinstance(content, str):
        text = content
    elif content is None or (isinstance(content, float) and content != content):
        return ""
    elif isinstance(content, bool):
        return "true" if content else "false"
    elif isinstance(content, int | float | Decimal):
        return getattr(content, "literal", str(content))
    elif isinstance(content, date | time):
        return content.isoformat(" ") if isinstance(content, datetime) else content.isoformat()
    elif isinstance(content, list):
        text = _put_together([part for part in content if not (_is_thought(part) or _is_empty_step(part))])
    elif isinstance(content, dict) and isinstance(content.get("parts"), list):
        return text_of(content["parts"])
    else:
        raise Unusable("not_text", "an object" if isinstance(content, dict) else type(content).__name__)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unusable("broken_characters") from None
    return text.replace("\r\n", "\n") if "\r" in text else text


def _put_together(content: Sequence[Any]) -> str:
    """Return the parts of a text, each on a line of its own, but for those that were cut within a sentence: by marks of
    sources, or by a stream, whose parts name no type.
    """
    parts = [_part(part) for part in content]
    if len(parts) < 2:
        return parts[0] if parts else ""
    streamed = not any(isinstance(part, str) or "type" in part for part in content)
    text = parts[0]
    for before, part in pairwise(parts):
        cut = before[-1:].isspace() or part[:1].isspace() or part[:1] in _BEHIND_WORDS
        within = streamed and before[-1:].isalnum() and part[:1].islower()
        text += part if cut or within or not before else f"\n{part}"
    return text


def printable(text: str, longest: int = 40) -> str:
    """Return a piece of a file's text that is safe to show: short, without control characters."""
    return "".join(letter if letter.isprintable() else "�" for letter in text[:longest])


def as_typed(name: str) -> str:
    """Return a name as it is written in a shell: in quotes where it has spaces."""
    return f'"{printable(name)}"' if " " in name else printable(name)


def thoughts_of(content: Any) -> str:
    """Return the texts of thinking parts in a list of parts, as Anthropic's and Gemini's clients write them; else empty."""
    if not isinstance(content, list):
        return ""
    return "\n".join(text for part in content if _is_thought(part) for text in _texts_in(_thought(part)))


def _texts_in(thought: Any) -> list[str]:
    """Return the texts of a thought: one, or parts with one each, as Mistral writes them."""
    if isinstance(thought, list):
        return [text for part in thought for text in _texts_in(part.get("text") if isinstance(part, dict) else part)]
    return [thought.strip()] if isinstance(thought, str) and thought.strip() else []


def _thought(part: dict[str, Any]) -> Any:
    inner = part.get("reasoningContent")
    text = inner.get("reasoningText") if isinstance(inner, dict) else None
    return text.get("text") if isinstance(text, dict) else part.get(str(part.get("type")), part.get("text"))


def _is_part(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("type"), str))


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and (
        str(part.get("type")) in _THOUGHT_PARTS or part.get("thought") is True or "reasoningContent" in part
    )


def _is_empty_step(part: Any) -> bool:
    """Say whether a part only says where a step of a client begins or ends, or where the text is from."""
    return isinstance(part, dict) and str(part.get("type")) in _STEPS


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if (
        isinstance(part, dict)
        and part.get("type") == "text"
        and "text" not in part
        and isinstance(part.get("content"), str)
    ):
        return str(part["content"])
    if isinstance(part, dict) and str(part.get("type", "text")) in _TEXT_PARTS and isinstance(part.get("text"), str):
        return str(part["text"])
    if isinstance(part, dict) and isinstance(inner := part.get("text"), dict) and isinstance(inner.get("value"), str):
        return str(inner["value"])
    if isinstance(part, dict) and part.get("type") == "refusal" and isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    raise Unusable("not_text", printable(str(part.get("type", "an object"))) if isinstance(part, dict) else "a list")


def _split_system(turns: Sequence[Message]) -> tuple[list[str], list[Message]]:
    """Return system texts at the start, and the rest. Templates disagree on system turns further down, so they are refused."""
    first = next((i for i, turn in enumerate(turns) if turn.role != "system"), len(turns))
    rest = list(turns[first:])
    if any(turn.role == "system" for turn in rest):
        raise Unusable("late_system")
    return [turn.content for turn in turns[:first]], rest


def _trimmed(talk: list[Message], remarks: list[str]) -> list[Message]:
    """Return the turns from the first user turn to the last assistant turn."""
    first = next((i for i, turn in enumerate(talk) if turn.role == "user"), None)
    if first is None:
        raise Unusable("no_question")
    last = max((i for i, turn in enumerate(talk) if turn.role == "assistant"), default=-1)
    if last < first:
        raise Unusable("no_answer")
    if first:
        remarks.append("answer_first")
    if last < len(talk) - 1:
        remarks.append("no_last_answer")
    return talk[first : last + 1]


def _in_order_of_calls(talk: list[Message]) -> list[Message]:
    """Return the results behind an answer in the order of its calls, as most templates tell them apart by nothing else.

    Raises:
        Unusable: a result names a call that is not there.
    """
    ordered: list[Message] = []
    results: list[Message] = []
    calls: dict[str, int] = {}
    for turn in (*talk, None):
        if turn is not None and turn.role == "tool":
            if calls and turn.tool_call_id and turn.tool_call_id not in calls:
                raise Unusable("result_without_call", printable(turn.tool_call_id))
            results.append(turn)
            continue
        if all(result.tool_call_id in calls for result in results):
            results.sort(key=lambda result: calls[result.tool_call_id])
        ordered += results
        results = []
        if turn is not None:
            ordered.append(turn)
            calls = {call.id: number for number, call in enumerate(turn.tool_calls) if call.id}
    return ordered


def _joined(talk: list[Message], remarks: list[str]) -> list[Message]:
    """Return neighbouring user turns, and neighbouring assistant turns, made one."""
    joined: list[Message] = []
    for turn in talk:
        before = joined[-1] if joined else None
        if before is not None and turn.role in ("user", "assistant") and before.role == turn.role:
            if before.tool_calls and turn.content.strip():
                raise Unusable("call_without_result", before.tool_calls[0].name)
            joined[-1] = before.model_copy(
                update={
                    "content": "\n\n".join(text for text in (before.content, turn.content) if text.strip()),
                    "train": before.train and turn.train,
                    "tool_calls": before.tool_calls + turn.tool_calls,
                    "reasoning": "\n\n".join(text for text in (before.reasoning, turn.reasoning) if text),
                }
            )
            if "joined_turns" not in remarks:
                remarks.append("joined_turns")
        else:
            joined.append(turn)
    return joined
