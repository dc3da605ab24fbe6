"""Texts that say themselves that they are not whole: cut off by a program, left open for names, calls of tools in words."""

from __future__ import annotations

import re

from brightrun_tui.datasets.turns import printable

_SHOWN = 30
_TAIL = 60
_HEAD = 200
_GAP_SIGNS = ("{", "<", "%", "$", "@", "___", "....")
_CUT = re.compile(
    r"[\[(<{]{1,2}\W{0,3}(?:(?:output|text|message|response|content|answer|log)s? )?(?:was |is )?"
    r"(?:truncated|clipped|cut off|snip(?:ped)?"
    r"|continues|gekürzt|abgeschnitten|tronqué|truncad[oa]|troncato|обрезано|已截断|省略)\W{0,3}[\])>}]{1,2}\s*\Z"
    r"|\d[\d,. ]{0,9} (?:(?:more|remaining|weitere) (?:characters|chars|tokens|words|lines|bytes|zeichen)"
    r"|(?:characters|chars|tokens|words|lines|bytes) (?:more|truncated|omitted|remaining))[\])>]\s*\Z"
    r"|(?:…|\.\.\.)\s?(?:\[|\()?(?:read|show|see|view) (?:more|all|full \w+)(?:\]|\))?\W?\s*\Z"
    r"|(?:…|\.\.\.)\s?(?:weiterlesen|mehr (?:an)?zeigen|mehr lesen|lire la suite|voir plus|afficher plus|leer más|ver más"
    r"|mostrar más|leggi tutto|mostra altro|ler mais|ver mais|lees meer|читать далее|阅读全文|展开全部|続きを読む)\W?\s*\Z"
    r"|<\|truncated\|>",
    re.IGNORECASE,
)
"""What programs write where they have cut a text, and pages where they show its beginning only."""
_CUT_ENDS = ("]", ")", ">", "}")
_CALL = re.compile(
    r"\s*<(?P<tag>tool_call|function_call|tool_use|function=\w+|invoke)\b|\s*\[TOOL_CALLS\]|\s*<\|python_tag\|>"
)
_DEAR = (
    r"\b(?:dear|hello|hi|hey|hallo|liebe[r]?|guten tag(?: frau| herr)?|sehr geehrte[r]?(?: frau| herr)?|bonjour|chère?|cher"
    r"|hola|estimad[oa]|ciao|gentile|caro|olá|prezad[oa]|beste|geachte|здравствуйте|уважаемый)"
)
_UNNAMED = re.compile(
    rf"{_DEAR},? (?:\$?\{{[\w .$-]{{0,40}}\}}|<[\w .-]{{2,30}}>|%(?:s|\(?\w{{2,20}}\)?[s%])"
    rf"|\$[A-Za-z]\w{{1,30}}\$?|_{{3,}}|\.{{4,}}|@\w+@)"
    r"(?=[\s,.!:;]|\Z)",
    re.IGNORECASE,
)
"""A gap where a name belongs, however it is spelt."""
_BLANK = re.compile(r"(?<=\w )_{4,}(?=[^_\w]|\Z)|(?:\A|(?<=\s))%s(?=[\s,.!:;?]|\Z)")


def cut_in(text: str) -> str:
    """Return the words by which a text says that it was cut off; empty where it says nothing."""
    tail = text[-_TAIL:].rstrip()
    if tail[-1:] not in _CUT_ENDS and "..." not in tail and "…" not in tail:
        return ""
    found = _CUT.search(tail)
    return printable(found[0].strip(), _SHOWN) if found else ""


def call_in(answer: str) -> str:
    """Return how an answer begins that is the call of a tool in words; empty where it is none."""
    found = _CALL.match(answer) if answer.lstrip()[:1] in ("<", "[") else None
    return printable(found[0].strip(), _SHOWN) if found else ""


def blank_in(answer: str) -> str:
    """Return the gap for a name or a number that was left in an answer; empty where there is none."""
    found = _BLANK.search(answer) if "____" in answer or "%s" in answer else None
    if not found and any([sign in answer for sign in _GAP_SIGNS]):  # noqa: C419 - a list is made in a third of the time
        found = _UNNAMED.search(answer, 0, _HEAD)
    return printable(found[0].strip(), _SHOWN) if found else ""
