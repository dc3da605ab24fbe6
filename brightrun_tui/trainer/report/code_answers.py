"""Answers that are code."""

from __future__ import annotations

import re
from collections import Counter

from brightrun_tui.domain.findings import Mark

CODE_MARKS = 0.04
"""Share of brackets, equal signs and the like from which on a text is code."""
FEWEST_MARKS = 4
MUCH_ALIKE, ALIKE = 0.8, 0.4
"""Share of the pieces that both have from which on code counts as partly right, and as something for people to judge."""
_OPENS_CODE = re.compile(r"```|(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE)\s")
_CODE_LINE = re.compile(
    r"^\s*(?:def \w+\(|class \w+[:(]|from \w[\w.]* import |import [\w.]+$|(?:const|let|var) \w+ = |function \w*\(|#include )",
    re.MULTILINE,
)
_FENCE = re.compile(r"^```.*$", re.MULTILINE)
_BLOCK = re.compile(r"^```.*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(?:#|--|//) .*$", re.MULTILINE)
_PIECE = re.compile(r"\w+|[^\w\s]")
_OPERATORS = frozenset("+-*/<>%!&|^~")
_DECIDING = frozenset(
    "and or not in is asc desc true false null none where limit having distinct all any min max sum avg count inner outer "
    "left right union break continue".split()
)
"""Words of code one of which more or less makes it do something else."""


def is_code(text: str) -> bool:
    """Say whether a text is code, or begins as code does."""
    marks = sum(c in "{}()[];=<>_" for c in text)
    opens = _OPENS_CODE.match(text) or _CODE_LINE.search(text)
    return bool(opens) or (marks >= FEWEST_MARKS and marks >= CODE_MARKS * len(text))


def mark_code(wanted: str, said: str) -> Mark:
    """Compare code: the same but for spaces and comments, or much alike; whether it does the same is for people to say, but
    where an operator, a number or a word that decides is another, it does not.
    """
    ours = _bare(wanted)
    if any(_bare(part) == ours for part in _parts(wanted, said)):
        return "right"
    pieces, others = (_pieces(text) for text in (wanted, max(_BLOCK.findall(said), key=len, default=said)))
    share = 2 * (pieces & others).total() / max(1, pieces.total() + others.total())
    if share >= MUCH_ALIKE:
        return "wrong" if any(map(_decides, (pieces - others) + (others - pieces))) else "partly"
    return "unclear" if share >= ALIKE else "wrong"


def _parts(wanted: str, said: str) -> list[str]:
    """Return what of an answer may be its code: all of it, its blocks, and as many lines as the wanted code has, where the
    other lines are no code.
    """
    lines = [line for line in _FENCE.sub("", said).splitlines() if line.strip()]
    count = sum(bool(line.strip()) for line in _FENCE.sub("", wanted).splitlines())
    runs = [
        "\n".join(lines[first : first + count])
        for first in range(len(lines) - count + 1)
        if not is_code("\n".join(lines[:first] + lines[first + count :]))
    ]
    return [said, *_BLOCK.findall(said), *runs]


def _bare(text: str) -> str:
    return "".join(_COMMENT.sub("", _FENCE.sub("", text)).split()).rstrip(";").casefold()


def _pieces(text: str) -> Counter[str]:
    return Counter(piece.casefold() for piece in _PIECE.findall(_COMMENT.sub("", _FENCE.sub("", text))))


def _decides(piece: str) -> bool:
    return piece in _OPERATORS or piece.isdigit() or piece in _DECIDING
