"""Preference data: several answers to one question, one of them better. Recognised, so that no other is learnt by mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from brightrun_tui.datasets.conversations import are_turns
from brightrun_tui.datasets.mark_words import name_words, says_so
from brightrun_tui.datasets.parsed import COMPLETIONS, CONVERSATIONS, PROMPTS, SURE_CONVERSATIONS, SYSTEMS
from brightrun_tui.datasets.turns import as_typed, printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

_WANTED = frozenset("chosen preferred accepted winner gewählt bevorzugt elegido".split())
_UNWANTED = frozenset("rejected dispreferred unpreferred nonpreferred loser abgelehnt rechazado".split())
_BETTER = frozenset("winning win w good better best positive pos besser".split())
_WORSE = frozenset("losing lose l bad worse worst negative neg schlechter".split())
"""Words that mean so only where a name has no other word than these and `_ANSWERS`."""
_CORRECTED = frozenset(
    "corrected correction edited revised revision rewritten improved fixed gold golden expected ideal korrigiert "
    "verbessert".split()
)
_LATER = frozenset(
    "better approved reviewed verified new neu neue corrigé corrigée nouvelle corregida nueva corretta nuova corrigida "
    "nova".split()
)
"""Words that mean so only beside one for an answer."""
_ANSWERS = frozenset(
    "answer answers response responses reply output outputs completion completions text example messages "
    "conversation generation generations candidates antwort respuesta réponse risposta resposta".split()
)
_MUCH_SHORTER = 4
_RANKS = frozenset(
    "rank ranks ranking score scores rating ratings reward rewards vote votes upvotes likes points".split()
)
_LABELS = frozenset("label labels correct accepted best chosen preferred selected".split())
_POINTING = frozenset("best correct accepted chosen preferred selected winner gold".split())
_PLACES = frozenset("index idx id number position is the of".split())
_LEARNT = frozenset({*COMPLETIONS, *CONVERSATIONS, "text", "target_response", "training_pairs"})
_LETTERED = re.compile(
    r"(?P<stem>.*?(?:answer|response|completion|output|reply|generation|conversation|candidate|model|antwort|solution|summary|ref"
    r"|reference))(?:[ _-]?(?P<mark>[ab]|[0-9])|[ _-][a-km-vx-z])",
    re.IGNORECASE,
)


def refuse_preferences(where: str, rows: Sequence[Any]) -> None:
    """Raise `DatasetError` where most of these records hold several answers, of which one is better, with a mapping to that."""
    records = [row for row in rows if isinstance(row, Mapping)]
    for several in (_lettered, _ranked):
        named = [names for row in records if (names := several(row))]
        if len(named) * 2 > len(rows):
            raise DatasetError(
                f"there are several answers to each question ({_quoted(named[0][:2])}), and which one is the better is said "
                "elsewhere, if at all",
                where=where,
                kind=ErrorKind.DATASET_PREFERENCES,
                fix="make a file with two columns, prompt and completion, that holds the better answers only",
            )
    pairs = [(row, pair) for row in records if (pair := _answers(row))]
    if len(pairs) * 2 > len(rows):
        row, (wanted, _) = pairs[0]
        mapping = _mapping(row, wanted)
        raise DatasetError(
            "these are preference pairs (a wanted and an unwanted answer each), which are not trained on as they are",
            where=where,
            kind=ErrorKind.DATASET_PREFERENCES,
            fix=f"to learn the wanted answers, map {mapping}"
            if mapping
            else f"to learn the wanted answers, make a file of the questions and “{printable(wanted)}”",
        )
    corrected = [(row, pair) for row in records if (pair := _corrected(row))]
    if len(corrected) * 2 > len(rows):
        row, (better, first) = corrected[0]
        raise DatasetError(
            f"there are two answers to each question: “{printable(better)}” seems to be better than “{printable(first)}”",
            where=where,
            kind=ErrorKind.DATASET_PREFERENCES,
            fix=f"say which to learn: map {_mapping(row, better) or f'completion={as_typed(better)}'}",
        )


def _mapping(row: Mapping[str, Any], wanted: str) -> str:
    """Return roles and columns by which the field ``wanted`` is learnt; empty if its form does not allow it."""
    if are_turns(row[wanted]) and _speaks_first(row[wanted]):
        return f"messages={as_typed(wanted)}"
    asked = next((name for name in row if name.strip().lower() in ("instruction", *PROMPTS)), "")
    if not asked or isinstance(row[asked], Mapping):
        return ""
    mapping = f"prompt={as_typed(asked)}, completion={as_typed(wanted)}"
    system = next((name for name in row if name.strip().lower() in SYSTEMS), "")
    return mapping + (f", system={as_typed(system)}" if system else "")


def _lettered(row: Mapping[str, Any]) -> list[str]:
    """Return fields whose names differ by a letter or digit at the end, beside no field with a usual name for what is learnt."""
    names = [str(name) for name in row]
    if any(name.strip().lower() in _LEARNT for name in names):
        return []
    stems: dict[str, list[str]] = {}
    for name in names:
        if match := _LETTERED.fullmatch(name.strip()):
            stems.setdefault(match["stem"].lower(), []).append(name)
    return next((alike for alike in stems.values() if len(alike) > 1), [])


def _ranked(row: Mapping[str, Any]) -> list[str]:
    """Return a field with a list of answers and one with as many ranks or scores; or one with answers that have these
    themselves.
    """
    lists = {str(name): value for name, value in row.items() if isinstance(value, list) and len(value) > 1}
    for name, values in lists.items():
        if not name_words(name) & _ANSWERS or are_turns(values):
            continue
        others = any(
            str(other).strip().lower() in COMPLETIONS and _holds_answer(row[other]) for other in row if other != name
        )
        if not others and (
            pointer := next((other for other, value in row.items() if _points_to_one(other, value, len(values))), "")
        ):
            return [name, pointer]
        if all(isinstance(value, Mapping) and any(map(_is_rank, value.items())) for value in values):
            return [name]
        for other, ranks in lists.items():
            if len(ranks) == len(values) and all(_is_rank((other, rank)) for rank in ranks):
                return [name, other]
    return []


def _answers(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the fields with the wanted and with the unwanted answer, where there are both."""
    words = {str(name): name_words(str(name)) for name in row if _holds_answer(row[name])}

    def means(each: frozenset[str], plainly: frozenset[str], alone: frozenset[str]) -> bool:
        return bool(each & plainly) or bool(each & alone and each <= alone | _ANSWERS)

    unwanted = [name for name, each in words.items() if means(each, _UNWANTED, _WORSE) or {"non", "preferred"} <= each]
    wanted = [name for name, each in words.items() if name not in unwanted and means(each, _WANTED, _BETTER)]
    if not wanted and any("rejected" in words[name] for name in unwanted):
        wanted = [name for name in words if name.strip().lower() in _LEARNT]
    return (min(wanted, key=len), min(unwanted, key=len)) if wanted and unwanted else None


def _corrected(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the field with a better answer and the one with the usual name, where both are filled and differ."""
    usual = [name for name in row if str(name).strip().lower() in COMPLETIONS and _holds_answer(row[name])]
    talks = [name for name in row if str(name).strip().lower() in SURE_CONVERSATIONS and are_turns(row[name])]
    better = [
        name
        for name in row
        if name not in usual
        and ((words := name_words(str(name))) & _CORRECTED or (words & _LATER and words & _ANSWERS))
        and words <= _CORRECTED | _LATER | _ANSWERS
        and _holds_answer(row[name])
        and not (usual and _is_said_of(row[name], row[usual[0]]))
    ]
    if talks:
        usual, better = talks, [name for name in better if are_turns(row[name])]
    if not usual or not better or row[usual[0]] == row[better[0]]:
        return None
    return str(better[0]), str(usual[0])


def _points_to_one(name: str, value: Any, of: int) -> bool:
    """Say whether a field tells by its place which of so many answers is the best."""
    words = name_words(str(name))
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= of:
        return False
    return bool(words & _POINTING) and words <= _POINTING | _ANSWERS | _PLACES


def _holds_answer(value: Any) -> bool:
    return bool(value) and isinstance(value, str | list | dict)


def _is_said_of(value: Any, answer: Any) -> bool:
    """Say whether a value is what somebody says of an answer, as yes or a date, not another one: a word, or much shorter."""
    if not isinstance(value, str) or not isinstance(answer, str):
        return False
    word = " " not in value.strip() and " " in answer.strip()
    return word or says_so(value) is not None or len(value) * _MUCH_SHORTER < len(answer)


def _is_rank(field: tuple[str, Any]) -> bool:
    name, value = field
    words = name_words(name)
    if isinstance(value, bool):
        return bool(words & _LABELS)
    return bool(words & _RANKS) and isinstance(value, int | float)


def _speaks_first(turns: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether these turns hold a question as well, not only the answer."""
    return len(turns) > 1


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"“{printable(name)}”" for name in names)
