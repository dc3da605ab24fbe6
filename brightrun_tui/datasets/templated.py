"""Texts that hold a whole conversation in some model's chat format, and the marks by which such formats end a turn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from brightrun_tui.datasets.turns import Turn, Unusable

END_MARKS = (
    "</s>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<|end|>",
    "<|eom_id|>",
    "<eos>",
    "<|end_of_turn|>",
    "<|EOT|>",
    "<｜end▁of▁sentence｜>",
    "[/INST]",
    "<|return|>",
    "<turn|>",
)
_START_MARKS = (
    "<|im_start|>",
    "<|start_header_id|>",
    "<start_of_turn>",
    "[INST]",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|begin_of_text|>",
    "<bos>",
    "<s>",
    "<<SYS>>",
)
_MARK = re.compile("|".join(re.escape(mark) for mark in (*END_MARKS, *_START_MARKS)))
_MARKUP = re.compile(
    r"&(?:amp|nbsp|quot|lt|gt|apos|[aou]uml|szlig|#\d{2,5});|</(?:p|div|span|li|td|strong|a)>|<br ?/?>"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_TURNS = (
    re.compile(r"<\|im_start\|>[ ]*(?P<role>\w+)[ ]*\n?(?P<text>.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)", re.S),
    re.compile(
        r"<\|start_header_id\|>(?P<role>\w+)<\|end_header_id\|>\s*"
        r"(?P<text>.*?)(?:<\|eot_id\|>|<\|eom_id\|>|<\|end_of_text\|>|(?=<\|start_header_id\|>)|\Z)",
        re.S,
    ),
    re.compile(r"<start_of_turn>(?P<role>\w+)\n(?P<text>.*?)(?:<end_of_turn>|(?=<start_of_turn>)|\Z)", re.S),
    re.compile(
        r"<\|(?P<role>system|user|assistant|tool)\|>\s*(?P<text>.*?)(?:<\|end\|>|</s>|<\|endoftext\|>|"
        r"(?=<\|(?:system|user|assistant|tool)\|>)|\Z)",
        re.S,
    ),
)
_INST = re.compile(r"\[INST\](?P<user>.*?)\[/INST\](?P<assistant>.*?)(?=</s>|<s>|\[INST\]|\Z)", re.S)
_SYS = re.compile(r"\s*<<SYS>>(?P<system>.*?)<</SYS>>", re.S)
_ALPACA = re.compile(
    r"### Instruction:\s*(?P<instruction>.*?)(?:### Input:\s*(?P<input>.*?))?"
    r"### Response:\s*(?P<output>.*)",
    re.S,
)
_SPOKEN = re.compile(r"^(?P<role>Human|User|Assistant|System|AI|Bot):[ \t]*", re.M)


def is_templated(row: Any) -> bool:
    """Whether all that the entry says is one text, and that is a conversation in a chat format."""
    return isinstance(row, Mapping) and isinstance(row.get("text"), str) and bool(turns_in_text(row["text"]))


def turns_in_text(text: str) -> list[Turn]:
    """The turns of a conversation in one of the well-known chat formats; empty where it is in none."""
    for pattern in _TURNS:
        found = [Turn(m["role"], m["text"].strip()) for m in pattern.finditer(text)]
        if found:
            return found
    turns: list[Turn] = []
    for said in _INST.finditer(text):
        user = said["user"]
        if system := _SYS.match(user):
            turns.append(Turn("system", system["system"].strip()))
            user = user[system.end() :]
        turns += [Turn("user", user.strip()), Turn("assistant", said["assistant"].strip())]
    if turns:
        return turns
    if match := _ALPACA.search(text):
        asked = "\n\n".join(part.strip() for part in (match["instruction"], match["input"] or "") if part.strip())
        return [Turn("user", asked), Turn("assistant", _without_end(match["output"]))]
    spoken = list(_SPOKEN.finditer(text))
    if len(spoken) >= 2 and not text[: spoken[0].start()].strip():
        ends = [match.start() for match in spoken[1:]] + [len(text)]
        return [
            Turn(match["role"], _without_end(text[match.end() : end])) for match, end in zip(spoken, ends, strict=True)
        ]
    return []


def marks_in(texts: Iterable[str]) -> str:
    """The first mark of a chat format in the texts, or empty."""
    return next((match[0] for text in texts if ("<" in text or "[" in text) and (match := _MARK.search(text))), "")


def markup_in(text: str) -> str:
    """The first HTML tag or entity of those that editors and help desks put around plain text, or empty."""
    return match[0] if ("&" in text or "<" in text) and (match := _MARKUP.search(text)) else ""


def has_control_characters(text: str) -> bool:
    """Whether there are characters that no text has: NUL, terminal escapes and the like."""
    return not text.isprintable() and bool(_CONTROL.search(text))


def cleaned(turns: Iterable[Turn]) -> list[Turn]:
    """The turns without marks of chat formats and control characters; a turn that holds a whole conversation becomes its turns.

    Raises:
        Unusable: a conversation in a turn ends with nobody's turn.
    """
    result: list[Turn] = []
    for turn in turns:
        text = turn.content
        if not isinstance(text, str):
            result.append(turn)
            continue
        inner = turns_in_text(text) if marks_in([text]) else []
        if len(inner) > 1 or (inner and inner[0].content and inner[0].content != _plain(text)):
            result += [
                one._replace(content=_plain(one.content), train=turn.train and one.role == turn.role)
                for one in inner
                if _plain(one.content)
            ]
            continue
        result.append(turn._replace(content=_plain(text)))
    if not result:
        raise Unusable("no_answer")
    return result


def _plain(text: str) -> str:
    return _ESCAPES.sub("", _MARK.sub("", text)).strip()


def _without_end(text: str) -> str:
    text = text.strip()
    for mark in END_MARKS:
        text = text.removesuffix(mark).rstrip()
    return text
