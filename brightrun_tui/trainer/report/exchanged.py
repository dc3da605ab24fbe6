"""Answers that are the wanted one but for a word in the place of another: oil for alcohol, the seller for the buyer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import islice, pairwise

from brightrun_tui.trainer.report.fact_words import (
    COUNTS,
    DENIALS,
    LIGHT,
    MONTHS,
    OPPOSITES,
    PERIODS,
    POLARITY,
    UNITS,
    WEEKDAYS,
)
from brightrun_tui.trainer.report.facts import EXCEPT, WORD
from brightrun_tui.trainer.report.plain_words import AFTERWARDS, BEFOREHAND, NEUTRAL, PERSONS, SAME, SMALL
from brightrun_tui.trainer.report.stems import STEM

MOST_WORDS = 120
"""Words of each text that are looked at."""
SAME_SENTENCE = 0.6
"""Share of the words that both have, in their order, from which on they are one sentence but for words in the place of others."""
NEARLY_THE_SAME = 0.75
"""The same share from which on every word that is not neutral counts."""
SAME_BEGINNING = 4
"""Letters from which on two words are forms of one."""
SHARED_BEGINNING = 0.7
"""Share of the shorter of two words that they must begin with in common."""
ALIKE = 0.8
"""Likeness of two words from which on they are one, spelt in two ways."""

_COUNTING = {"a", "an", *COUNTS}
_BUT = frozenset(
    "but aber mais pero ma maar though although anyone anything anybody everything everyone everybody".split()
)
"""What is behind them tells: anything but, everything except."""
_AT_THE_END = SMALL | {"all"}
_DENYING = re.compile("ません|ない|なく|できず|不可|禁止|않|없|못|안 ")
_HIRAGANA = ("\u3041", "\u309f")
"""Endings and particles of Japanese."""


def other_words(wanted: str, said: str) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Return the words of the wanted text that have others in their place in nearly the same sentence, each time with those.

    Words known to mean the same do not count; whether others do is for people to say.
    """
    ours, theirs = _words(wanted), _words(said)
    pairs = [(_missing(one, theirs), _missing(other, ours)) for one, other in _exchanges(ours, theirs, SAME_SENTENCE)]
    return [(lost, new) for lost, new in pairs if lost and new and not any(_are_one(a, b) for a in lost for b in new)]


def words_that_differ(wanted: str, said: str) -> tuple[list[str], list[str]]:
    """Return the words that nearly the same sentence has too few or too many, which are more than an article or a courtesy:
    nearly, no longer, under for on, every second.

    What stands in nearly the same words has to be the same: there, small words decide.
    """
    ours, theirs = _words(wanted), _words(said)
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    if matcher.quick_ratio() < NEARLY_THE_SAME or matcher.ratio() < NEARLY_THE_SAME:
        return [], []
    changes = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    within = [change for change in changes if change[0] == "replace" or 0 < change[1] < change[2] < len(ours)]
    lost = [word for change in within for word in ours[change[1] : change[2]]]
    new = [
        word
        for change in changes
        for word in theirs[change[3] : change[4]]
        if change[4] < len(theirs) or word not in _AT_THE_END
    ]
    return _decisive(lost, ours, theirs), _decisive(new, theirs, ours)


def words_lost_and_added(wanted: str, said: str) -> tuple[list[str], list[str]]:
    """Return the words, more than neutral ones, that only one of two texts has, in whatever order they come."""
    ours, theirs = _words(wanted), _words(said)
    return _decisive(ours, ours, theirs), _decisive(theirs, theirs, ours)


def _decisive(words: Sequence[str], text: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return those of a text that stand nowhere in the other one, in no form, and are not neutral; no numbers, nor units, which
    are compared as such.
    """
    known = {word[:STEM] for word in other}
    done = any(word.endswith("ed") for word in other)
    units = {word for before, word in pairwise(text) if word in UNITS and (before in _COUNTING or before[-1].isdigit())}
    dated = any(word in MONTHS for word in text)
    return [
        word
        for word in words
        if word[:STEM] not in known
        and (word not in NEUTRAL or (done and word == "will"))
        and word not in COUNTS
        and word not in DENIALS
        and not EXCEPT.fullmatch(word)
        and word not in _BUT
        and word not in POLARITY
        and word not in units
        and not (dated and word in WEEKDAYS)
        and not any(c.isdigit() for c in word)
        and not _HIRAGANA[0] <= word[0] <= _HIRAGANA[1]
        and not any(_are_one(word, another) for another in other)
    ]


def says_it_otherwise(wanted: str, said: str) -> bool:
    """Say whether the same sentence says who does it, when, or that it is so, the other way round."""
    return _exchanges_persons(wanted, said) or _exchanges_times(wanted, said) or denies_by_ending(wanted, said)


def _exchanges_times(wanted: str, said: str) -> bool:
    """Say whether the same sentence has after for within, or the like."""
    ours, theirs = _words(wanted), _words(said)
    return any(
        (BEFOREHAND & set(one) and AFTERWARDS & set(other)) or (AFTERWARDS & set(one) and BEFOREHAND & set(other))
        for one, other in _exchanges(ours, theirs, SAME_SENTENCE)
        if len(one) == len(other) == 1
    )


def denies_by_ending(wanted: str, said: str) -> bool:
    """Say whether the same sentence is denied in one and not in the other, by an ending as Japanese and Korean do it."""
    if bool(_DENYING.search(wanted)) is bool(_DENYING.search(said)):
        return False
    return SequenceMatcher(None, _words(wanted), _words(said), autojunk=False).ratio() >= SAME_SENTENCE


def _exchanges_persons(wanted: str, said: str) -> bool:
    """Say whether it is you who does in one what we do in the other: we pay the postage, you pay the postage."""
    ours, theirs = (_doers(_words(text)) for text in (wanted, said))
    return any(theirs.get(word, person) != person for word, person in ours.items())


def _doers(words: Sequence[str]) -> dict[str, int]:
    """Return who does what: the person before each word, but for those that stand there with several."""
    found: dict[str, int] = {}
    several: set[str] = set()
    for word, next_word in pairwise(words):
        person = PERSONS.get(word)
        does = person and next_word not in SMALL and next_word not in LIGHT
        if person and does and found.setdefault(next_word, person) != person:
            several.add(next_word)
    return {word: person for word, person in found.items() if word not in several}


def _exchanges(ours: Sequence[str], theirs: Sequence[str], least: float) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Return what stands in one text in the place of what in the other, where they are one sentence but for that."""
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    if min(matcher.real_quick_ratio(), matcher.quick_ratio()) < least or matcher.ratio() < least:
        return []
    return [(ours[a:a_end], theirs[b:b_end]) for tag, a, a_end, b, b_end in matcher.get_opcodes() if tag == "replace"]


def _missing(words: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return those that say something and stand nowhere in the other text, in no form."""
    known = {word[:STEM] for word in other}
    counted = any(word in COUNTS or any(c.isdigit() for c in word) for word in words)
    return [word for word in words if _says_something(word, counted=counted) and word[:STEM] not in known]


def _says_something(word: str, *, counted: bool) -> bool:
    """Say whether a word is more than a small one, a number, or the unit of one (``counted``: a number stands with it)."""
    light = word in LIGHT or word in SMALL or word in POLARITY or _HIRAGANA[0] <= word[0] <= _HIRAGANA[1]
    return not (light or word in COUNTS or (counted and word in UNITS) or any(c.isdigit() for c in word))


def _are_one(one: str, other: str) -> bool:
    """Say whether two words are forms or spellings of one, or mean the same."""
    same_unit = one in UNITS and UNITS[one] == UNITS.get(other)
    same_period = one in PERIODS and PERIODS[one] == PERIODS.get(other)
    if same_unit or same_period or other in SAME.get(one, ()) or other in OPPOSITES.get(one, ()):
        return True  # whether the opposite is meant is told elsewhere: not allowed, prohibited
    if len(one) < SAME_BEGINNING:
        return False
    common = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return (
        common >= max(SAME_BEGINNING, SHARED_BEGINNING * min(len(one), len(other)))
        or SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE
    )


def _words(text: str) -> list[str]:
    return [word[0].casefold().replace("’", "'").removesuffix("'s") for word in islice(WORD.finditer(text), MOST_WORDS)]
