"""Answers in a list: several that are each one, or the steps and lines of a single one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_NUMBER = re.compile(
    r"\W{0,4}(?:(?:step|schritt|punkt|paso|étape|etape|passo|stap|steg|krok|adım|шаг|passaggio|第|ステップ|步骤|단계)\s*)?"
    r"(\d{1,3})\s*(?:步)?\W{0,3}[.):：、–-](?!\s*\d)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"\s*([-*•–·▪‣◦])\s+\S")
_FIRST = re.compile(
    r"(?:first(?:ly)?|first of all|to begin|to start|start by|begin by|zuerst|zunächst|als erstes|erstens|primero|en primer lugar"
    r"|d['’]abord|tout d['’]abord|premièrement|prima|innanzitutto|per prima cosa|primeiro|primeiramente|eerst|ten eerste|först"
    r"|najpierw|nejprve|önce|сначала|сперва|спочатку|во-первых)\b|首先|第一|まず|最初に|먼저|우선",
    re.IGNORECASE,
)
_NEXT = re.compile(
    r"(?:then|next|after (?:that|this)|afterwards|now|secondly|thirdly|finally|lastly|dann|danach|anschließend"
    r"|nun|jetzt|zweitens|drittens|zum schluss|zuletzt|schließlich|abschließend|luego|después|a continuación|segundo|por último"
    r"|finalmente|ensuite|puis|après|deuxièmement|enfin|poi|quindi|dopo|infine|depois|em seguida|por fim|daarna|vervolgens"
    r"|ten slotte|tenslotte|sedan|därefter|potem|następnie|na koniec|poté|nakonec|sonra|son olarak|затем|потом|далее|наконец"
    r"|потім|во-вторых)\b|然后|接着|其次|最后|第二|次に|それから|最後に|그다음|다음으로|마지막으로",
    re.IGNORECASE,
)
"""Words with which the steps of one answer begin."""


def first_of_several(completion: Any) -> tuple[Any, list[str]]:
    """Return the first of several texts that are each an answer, or the one answer that they are the steps or lines of, and a
    remark on it; anything else as it is.
    """
    if not isinstance(completion, list) or len(completion) < 2 or not all(isinstance(text, str) for text in completion):
        return completion, []
    if are_lines(completion):
        ended = all(text.endswith("\n") for text in completion[:-1])
        return ("" if ended else "\n").join(completion).rstrip(), ["joined_lines"]
    return next((text for text in completion if text.strip()), ""), ["several_answers"]


def are_lines(texts: Sequence[str]) -> bool:
    """Say whether texts are the steps or lines of one: numbered in their order, marked as entries of a list, joined by words
    such as first and then, indented, or parted by empty lines.
    """
    filled = [text for text in texts if text.strip()]
    if len(filled) < 2 or len({text.strip() for text in filled}) < len(filled):
        return False
    numbers = [int(found[1]) if (found := _NUMBER.match(text)) else -1 for text in filled]
    if numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(filled))):
        return True
    if len({found[1] if (found := _BULLET.match(text)) else "" for text in filled}) == 1 and _BULLET.match(filled[0]):
        return True
    if all(text.endswith("\n") for text in texts[:-1]):
        return True
    plain = [text.lstrip(" *_#") for text in filled]
    if _FIRST.match(plain[0]) and any(map(_NEXT.match, plain[1:])):
        return True
    if not filled[0][:1].isspace() and any(text.startswith(("  ", "\t")) for text in filled[1:]):
        return True
    inner = texts[texts.index(filled[0]) : len(texts) - [*reversed(texts)].index(filled[-1])]
    return len(filled) > 2 and len(inner) > len(filled)
