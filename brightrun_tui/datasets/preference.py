"""Preference data: two answers to one question, one liked better. Recognised, so that the other is never learnt by mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from brightrun_tui.datasets.parsed import COMPLETIONS, CONVERSATIONS, PROMPTS, SYSTEMS, is_turn
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_WANTED = ("chosen", "preferred", "accepted", "winner")
_UNWANTED = ("rejected", "dispreferred", "unpreferred", "nonpreferred", "non_preferred", "loser")

_LEARNT = frozenset({*COMPLETIONS, *CONVERSATIONS, "text", "target_response", "training_pairs"})
_LETTERED = re.compile(
    r"(?P<stem>.*?(?:answer|response|completion|output|reply|generation|conversation|candidate|model|antwort))"
    r"[ _-]?(?P<mark>[ab]|[0-9])",
    re.I,
)


def refuse_preferences(where: str, rows: Sequence[Any]) -> None:
    """Raises `DatasetError` where most of these records hold a wanted and an unwanted answer, with a mapping to the wanted."""
    _refuse_lettered(where, rows)
    found = [pair for row in rows if isinstance(row, Mapping) and (pair := _answers(row))]
    if len(found) * 2 <= len(rows):
        return
    wanted = found[0]
    row = next(row for row in rows if isinstance(row, Mapping) and _answers(row))
    asked = next((name for name in row if name.strip().lower() in ("instruction", *PROMPTS)), "")
    if _is_conversation(row[wanted]):
        mapping = (
            f"messages={printable(wanted)}"
            if not asked
            else f"prompt={printable(asked)}, completion={printable(wanted)}"
        )
    elif asked:
        mapping = f"prompt={printable(asked)}, completion={printable(wanted)}"
        system = next((name for name in row if name.strip().lower() in SYSTEMS), "")
        mapping += f", system={printable(system)}" if system else ""
    else:
        mapping = ""
    raise DatasetError(
        "these are preference pairs (a wanted and an unwanted answer each), which are not trained on as they are",
        where=where,
        kind=ErrorKind.DATASET_PREFERENCES,
        fix=f"to learn the wanted answers, map {mapping}"
        if mapping
        else f"to learn the wanted answers, make a file of the questions and “{printable(wanted)}”",
    )


def _refuse_lettered(where: str, rows: Sequence[Any]) -> None:
    """Raises `DatasetError` where most records hold answers called a and b, or 0 and 1, and none that is called the answer."""
    pairs = [names for row in rows if isinstance(row, Mapping) and (names := _lettered(row))]
    if len(pairs) * 2 > len(rows):
        first, second = (printable(name) for name in pairs[0][:2])
        raise DatasetError(
            f"there are several answers to each question (“{first}”, “{second}”), and which one is the better is said elsewhere, "
            "if at all",
            where=where,
            kind=ErrorKind.DATASET_PREFERENCES,
            fix="make a file with two columns, prompt and completion, that holds the better answers only",
        )


def _lettered(row: Mapping[str, Any]) -> list[str]:
    """Fields whose names differ by a letter or digit at the end, beside no field with a usual name for what is learnt."""
    names = [str(name) for name in row]
    if any(name.strip().lower() in _LEARNT for name in names):
        return []
    stems: dict[str, list[str]] = {}
    for name in names:
        if match := _LETTERED.fullmatch(name.strip()):
            stems.setdefault(match["stem"].lower(), []).append(name)
    return next((alike for alike in stems.values() if len(alike) > 1), [])


def _answers(row: Mapping[str, Any]) -> str:
    """The field with the wanted answer, where there is one with an unwanted one beside it; else empty."""
    names = [str(name) for name in row]
    unwanted = [name for name in names if any(word in name.lower() for word in _UNWANTED)]
    wanted = [name for name in names if name not in unwanted and any(word in name.lower() for word in _WANTED)]
    return min(wanted, key=len) if wanted and unwanted else ""


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and is_turn(value[0])
