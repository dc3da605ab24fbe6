"""From turns as files hold them to the messages of a record: roles, text, order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from brightrun_tui.domain.dataset import Message, Role

ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "client": "user", "customer": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "ai": "assistant", "agent": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
}
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


class Unusable(Exception):
    """A record that cannot be trained on; ``kind`` is a key of `problems.LEFT_OUT`."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


class Turn(NamedTuple):
    """One turn as found in a file, role and content unchecked."""

    role: Any
    content: Any
    train: bool = True


def canonical_messages(turns: Iterable[Turn]) -> tuple[tuple[Message, ...], list[str]]:
    """Messages in the order system?, user, assistant, … ending with an assistant turn, and remarks on what was changed.

    Raises:
        Unusable: no such conversation is in these turns, or none of its answers is to be learned.
    """
    remarks: list[str] = []
    plain = [(role_of(turn.role), text_of(turn.content), turn.train) for turn in turns]
    if not any(role == "assistant" and text.strip() for role, text, _ in plain):
        raise Unusable("no_answer")
    kept = [turn for turn in plain if turn[1].strip()]
    if any(not text.strip() and role != "system" for role, text, _ in plain[:-1]):
        remarks.append("empty_turn")
    system, talk = _split_system(kept)
    talk = _trimmed(talk, remarks)
    talk = _joined(talk, remarks)
    if not any(train and role == "assistant" for role, _, train in talk):
        raise Unusable("nothing_to_train")
    head = [("system", "\n\n".join(system), True)] if system else []
    return tuple(Message(role=role, content=text, train=train or role != "assistant")
                 for role, text, train in (*head, *talk)), remarks


def role_of(role: Any) -> Role:
    """The canonical role.

    Raises:
        Unusable: not a known role.
    """
    known = ROLES.get(role.strip().lower()) if isinstance(role, str) else None
    if known is None:
        raise Unusable("unknown_role", printable(role) if isinstance(role, str) else "nobody")
    return known


def text_of(content: Any) -> str:
    """The text of a turn: a string, a list of text parts, a number; None is no text.

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
        return str(content)
    elif isinstance(content, list):
        text = "\n".join(_part(part) for part in content)
    else:
        raise Unusable("not_text")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unusable("broken_characters") from None
    return text.replace("\r\n", "\n") if "\r" in text else text


def printable(text: str, longest: int = 40) -> str:
    """A piece of a file's text that is safe to show: short, without control characters."""
    return "".join(letter if letter.isprintable() else "�" for letter in text[:longest])


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type", "text") in _TEXT_PARTS and isinstance(part.get("text"), str):
        return str(part["text"])
    raise Unusable("not_text")


_Plain = tuple[Role, str, bool]


def _split_system(turns: Sequence[_Plain]) -> tuple[list[str], list[_Plain]]:
    """System texts at the start, and the rest. Templates disagree on system turns further down, so they are refused."""
    first = next((i for i, turn in enumerate(turns) if turn[0] != "system"), len(turns))
    rest = list(turns[first:])
    if any(role == "system" for role, _, _ in rest):
        raise Unusable("late_system")
    return [text for _, text, _ in turns[:first]], rest


def _trimmed(talk: list[_Plain], remarks: list[str]) -> list[_Plain]:
    """From the first user turn to the last assistant turn."""
    first = next((i for i, turn in enumerate(talk) if turn[0] == "user"), None)
    if first is None:
        raise Unusable("no_question")
    last = max((i for i, turn in enumerate(talk) if turn[0] == "assistant"), default=-1)
    if last < first:
        raise Unusable("no_answer")
    if first:
        remarks.append("answer_first")
    if last < len(talk) - 1:
        remarks.append("no_last_answer")
    return talk[first:last + 1]


def _joined(talk: list[_Plain], remarks: list[str]) -> list[_Plain]:
    """Neighbouring user turns, and neighbouring assistant turns, made one."""
    joined: list[_Plain] = []
    for role, text, train in talk:
        if joined and role in ("user", "assistant") and joined[-1][0] == role:
            joined[-1] = (role, f"{joined[-1][1]}\n\n{text}", joined[-1][2] and train)
            if "joined_turns" not in remarks:
                remarks.append("joined_turns")
        else:
            joined.append((role, text, train))
    return joined
