"""Texts that hold a whole conversation in some model's chat format, and the marks by which such formats end a turn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html.entities import html5
from typing import Any
from unicodedata import is_normalized, normalize

from brightrun_tui.datasets.near_copies import UNSEEN_LETTERS
from brightrun_tui.datasets.turns import Turn, Unusable, role_of

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
_MARK = re.compile(
    "|".join(map(re.escape, END_MARKS))
    + r"|<\|[A-Za-z_][\w▁]{1,40}\|>|<｜[^｜<>\n]{2,40}｜>|</?s>|<bos>|<(?:start|end)_of_turn>|<sop>|<[BE]OS_TOKEN>|<</?SYS>>"
    r"|\[/?(?:INST|TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|gMASK)\]"
)
_HEAD = re.compile(
    r"^#{2,3} ?(?:Instruction|Response|Human|Assistant):"
    r"|^(?:Human|USER|User):[^\S\n](?s:.*)^(?:Assistant|ASSISTANT):\s*\Z"
    r"|^(?:SYSTEM|System):[^\S\n](?s:.*?)^(?:USER|User|Human):[^\S\n]"
    r"|(?:###|->|=>)\s*\Z",
    re.MULTILINE,
)
"""What a prompt looks like that was put into a form with heads, which a chat template would do once more."""
_SEPARATOR = re.compile(r"\s*(?:###|->|=>)\s*\Z")
_THOUGHT_MARKS = (("<|begin_of_thought|>", "<think>"), ("<|end_of_thought|>", "</think>"))
_THOUGHT_TAG = re.compile(
    r"\A\s*<(?P<tag>thinking|thought|thoughts|reasoning|reflection|scratchpad)>(?P<thoughts>.*?)</(?P=tag)>",
    re.DOTALL | re.IGNORECASE,
)
"""Thoughts before an answer in the notation of prompts, which no chat template takes for such."""
_HEADED_BY = ("##", "Human:", "USER:", "User:", "SYSTEM:")
_LONGEST_SHOWN = 40
_MARKUP = re.compile(
    r"&(?:amp|nbsp|quot|lt|gt|apos|[aou]uml|szlig|#\d{2,5});"
    r"|</(?:p|div|span|li|td|tr|table|ul|ol|strong|a|b|i|u|em|font|center|blockquote|h[1-6])>|<br ?/?>|<img\s"
    r"|<@[UW][A-Z0-9]{5,}>|<https?://[^|>\s]+\|[^>\n]+>"
)
_BBCODE = re.compile(r"\[/(?:b|i|u|s|url|img|quote|code|color|size|center|list|email|spoiler)\]", re.IGNORECASE)
"""Of forums and games."""
_ENTITY = re.compile(r"&[A-Za-z]{2,8};")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UNSEEN = re.compile(f"[{UNSEEN_LETTERS}]")
_PARTS_WORDS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Scripts that are written without spaces, where a break between words is one of those that nobody sees."""
_LIGATURES = "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
_LETTER_FORMS = re.compile(f"[A-Za-z\u00c0-\u024f][\u0300-\u030c\u0327\u0328]+|[{_LIGATURES}]")
_ESCAPES = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_SPOKEN_BY = "Human|User|Assistant|System|AI|Bot"
_HEADS = "Instruction|Input|Context|Question|Human|User|Response|Output|Answer|Assistant|System"
_ASKING = frozenset("instruction input context question human user".split())
_TURNS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"<\|im_start\|>[ ]*(?P<role>\w+)[ ]*(?:<\|im_sep\|>)?\n?(?P<text>.*?)(?:<\|im_end\|>|(?=<\|im_start\|>)|\Z)",
        (
            r"<\|start_header_id\|>(?P<role>\w+)<\|end_header_id\|>\s*"
            r"(?P<text>.*?)(?:<\|eot_id\|>|<\|eom_id\|>|<\|end_of_text\|>|(?=<\|start_header_id\|>)|\Z)"
        ),
        r"<\|header_start\|>(?P<role>\w+)<\|header_end\|>\s*(?P<text>.*?)(?:<\|eot\|>|(?=<\|header_start\|>)|\Z)",
        r"<start_of_turn>(?P<role>\w+)\n(?P<text>.*?)(?:<end_of_turn>|(?=<start_of_turn>)|\Z)",
        (
            r"<\|(?P<role>system|user|assistant|tool)\|>\s*(?P<text>.*?)(?:<\|end\|>|</s>|<\|endoftext\|>|"
            r"(?=<\|(?:system|user|assistant|tool)\|>)|\Z)"
        ),
        r"<｜(?P<role>User|Assistant)｜>(?P<text>.*?)(?:<｜end▁of▁sentence｜>|(?=<｜(?:User|Assistant)｜>)|\Z)",
        r"<\|START_OF_TURN_TOKEN\|><\|(?P<role>SYSTEM|USER|CHATBOT)_TOKEN\|>(?P<text>.*?)(?:<\|END_OF_TURN_TOKEN\|>|\Z)",
    )
)
_INST = re.compile(r"\[INST\](?P<user>.*?)\[/INST\](?P<assistant>.*?)(?:</s>|(?=<s>|\[INST\]|\Z))", re.DOTALL)
_SYS = re.compile(r"\s*<<SYS>>(?P<system>.*?)<</SYS>>", re.DOTALL)
_HEADED = re.compile(rf"#{{2,3}} ?(?P<role>{_HEADS}):[ \t]*\n?(?P<text>.*?)(?=#{{2,3}} ?(?:{_HEADS}):|\Z)", re.DOTALL)
_SPOKEN = re.compile(rf"^(?P<role>{_SPOKEN_BY}):[ \t]*(?P<text>.*?)(?=^(?:{_SPOKEN_BY}):|\Z)", re.DOTALL | re.MULTILINE)
_CAPITAL = re.compile(
    r"\b(?P<role>SYSTEM|USER|ASSISTANT): (?P<text>.*?)(?:</s>|(?=\b(?:SYSTEM|USER|ASSISTANT): )|\Z)", re.DOTALL
)
_PREAMBLE = "Below is an instruction"


def is_templated(row: Any) -> bool:
    """Say whether all that the entry says is one text, and that is a conversation in a chat format."""
    return isinstance(row, Mapping) and isinstance(row.get("text"), str) and bool(turns_in_text(row["text"]))


def turns_in_text(text: str) -> list[Turn]:
    """Return the turns of a conversation in one of the well-known chat formats.

    Empty where it is in none, or where some of it belongs to no turn: what is not understood must not be lost.
    """
    for pattern in (*_TURNS, _INST, _HEADED, _SPOKEN, _CAPITAL):
        found = list(pattern.finditer(text))
        turns = [turn for match in found for turn in _turns_of(match)]
        if not found or (pattern in (_HEADED, _SPOKEN, _CAPITAL) and len(turns) < 2):
            continue
        ends = [match.end() for match in found]
        between = [text[end : match.start()] for end, match in zip(ends, found[1:], strict=False)]
        if any(map(_plain, [*between, text[ends[-1] :]])) or (pattern is _INST and "[TOOL_CALLS]" in text):
            return []
        before = _plain(text[: found[0].start()])
        if pattern is _SPOKEN and before:
            continue
        return _joined([*([Turn("system", before)] if before and not before.startswith(_PREAMBLE) else []), *turns])
    return []


def _turns_of(match: re.Match[str]) -> list[Turn]:
    if match.re is not _INST:
        role = match["role"].casefold()
        role = "user" if role in _ASKING else "assistant" if role in ("response", "output", "answer") else match["role"]
        return [Turn(role, _without_end(match["text"]))]
    user, system = match["user"], []
    if found := _SYS.match(user):
        system = [Turn("system", found["system"].strip())]
        user = user[found.end() :]
    return [*system, Turn("user", user.strip()), Turn("assistant", match["assistant"].strip())]


def _joined(turns: list[Turn]) -> list[Turn]:
    """Return neighbouring parts of one question, such as instruction and input, as one."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and turn.role == joined[-1].role == "user":
            joined[-1] = turn._replace(content="\n\n".join(filter(None, (joined[-1].content, turn.content))))
        else:
            joined.append(turn)
    return joined


def marks_in(texts: Iterable[str]) -> str:
    """Return the first mark of a chat format in the texts, or empty."""
    for text in texts:
        found = _MARK.search(text) if "<" in text or "[" in text else None
        if found is None and (any(head in text for head in _HEADED_BY) or text.rstrip().endswith(("->", "=>"))):
            found = _HEAD.search(text)
        if found is None and "</" in text and (tagged := _THOUGHT_TAG.match(text)):
            return f"<{tagged['tag']}>"
        if found:
            return found[0].strip().split("\n")[0][:_LONGEST_SHOWN]
    return ""


def markup_in(text: str) -> str:
    """Return the first HTML tag or entity of those that editors, help desks and chats put around plain text, or empty."""
    if ("&" in text or "<" in text) and (match := _MARKUP.search(text)):
        return match[0]
    if "[/" in text and (match := _BBCODE.search(text)):
        return match[0]
    named = _ENTITY.finditer(text) if "&" in text else ()
    return next((match[0] for match in named if match[0][1:] in html5), "")


def has_control_characters(text: str) -> bool:
    """Say whether there are characters that no text has: NUL, terminal escapes and the like."""
    return not text.isprintable() and bool(_CONTROL.search(text))


def has_unseen_characters(text: str) -> bool:
    """Say whether there are characters in it that nobody sees, and that few people type."""
    return any(letter in text for letter in UNSEEN_LETTERS) and not _PARTS_WORDS.search(text)


def letter_form_in(text: str) -> str:
    """Return the first letters in a form that people do not type, a separate accent or two letters as one; else empty."""
    if text.isascii() or (is_normalized("NFC", text) and not any(letter in text for letter in _LIGATURES)):
        return ""
    found = _LETTER_FORMS.search(text)
    return found[0] if found and normalize("NFKC", found[0]) != found[0] else ""


def cleaned(turns: Iterable[Turn]) -> list[Turn]:
    """Return the turns without marks of chat formats and control characters; a turn that holds a whole conversation becomes
    its turns.

    Raises:
        Unusable: a conversation in a turn ends with nobody's turn.
    """
    result: list[Turn] = []
    for turn in turns:
        text = turn.content
        if not isinstance(text, str):
            result.append(turn)
            continue
        for mark, plain in _THOUGHT_MARKS:
            text = text.replace(mark, plain)
        if role_of(turn.role) == "assistant":
            text = _THOUGHT_TAG.sub(lambda found: f"<think>{found['thoughts']}</think>", text)
        if turn.role == "user":
            text = _SEPARATOR.sub("", text)
        inner = turns_in_text(text) if marks_in([text]) else []
        if inner and inner[0].role == "system" and text.lstrip().startswith(inner[0].content):
            inner[0] = inner[0]._replace(role=turn.role)  # what this turn says itself
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
    text = _ESCAPES.sub("", _MARK.sub("", text))
    if not text.isascii():
        text = _LETTER_FORMS.sub(lambda found: normalize("NFKC", found[0]), text)
    return (_UNSEEN.sub("", text) if has_unseen_characters(text) else text).strip()


def _without_end(text: str) -> str:
    text = text.strip()
    for mark in END_MARKS:
        text = text.removesuffix(mark).rstrip()
    return text
