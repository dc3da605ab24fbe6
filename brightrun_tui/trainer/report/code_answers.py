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
_FENCE = re.compile(r"^```.*$", re.MULTILINE)
_PIECE = re.compile(r"\w+|[^\w\s]")


def is_code(text: str) -> bool:
    """Say whether a text is code, or begins as code does."""
    marks = sum(c in "{}()[];=<>_" for c in text)
    return bool(_OPENS_CODE.match(text)) or (marks >= FEWEST_MARKS and marks >= CODE_MARKS * len(text))


def mark_code(wanted: str, said: str) -> Mark:
    """Compare code: the same but for spaces, or much alike; whether it does the same is for people to say."""
    ours, theirs = ("".join(_FENCE.sub("", text).split()).rstrip(";") for text in (wanted, said))
    if ours.casefold() in theirs.casefold():
        return "right"
    same = (Counter(_PIECE.findall(wanted)) & Counter(_PIECE.findall(said))).total()
    share = 2 * same / max(1, len(_PIECE.findall(wanted)) + len(_PIECE.findall(said)))
    return "partly" if share >= MUCH_ALIKE else "unclear" if share >= ALIKE else "wrong"
