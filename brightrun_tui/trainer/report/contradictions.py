"""Ways in which an answer has the words and the numbers of the wanted one, and still says something else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations, starmap

from brightrun_tui.trainer.report.bounds import bounds_otherwise
from brightrun_tui.trainer.report.dates import take_dates
from brightrun_tui.trainer.report.decisive import is_one_sentence
from brightrun_tui.trainer.report.enumerated import are_listed
from brightrun_tui.trainer.report.fact_words import (
    DENIALS,
    LACKING,
    LIGHT,
    OPPOSITES,
    PERIODS,
    POLARITY,
    PREFIXES,
    UNITS,
    WEEKDAYS,
)
from brightrun_tui.trainer.report.facts import EXCEPT, WORD, Facts, read_facts
from brightrun_tui.trainer.report.plain_words import SMALL
from brightrun_tui.trainer.report.stems import STEM

MOST_WORDS = 60
"""Words of each text that are looked at."""
_NUMBERS = re.compile(r"\d+")
_TOKEN = re.compile(rf"\d+(?:[.,:]\d+)*|[^\W\d_]+-(?:in|out|on|off|up|down)\b|{WORD.pattern}|[.!?;,/&。！？\n]")
_JOINTS = frozenset(", / & and or und oder et ou y o".split())
_WEEK = frozenset(range(7))
_WEEKDAYS_AS_ONE = {
    **dict.fromkeys(("weekday", "weekdays", "werktags", "wochentags"), frozenset(range(5))),
    **dict.fromkeys(("weekend", "weekends", "wochenende"), frozenset({5, 6})),
}
_UP_TO = frozenset("to till until through bis au al a à - – —".split())
_TOKEN_OR_DASH = re.compile(r"[^\W\d_]+|[-–—]")
_NOUNS = "|".join(
    sorted((name for name in PERIODS if not name.endswith(("ly", "lich", "el", "al", "ile", "jks"))), key=len)[::-1]
)
_RATE = re.compile(
    rf"(?:\b(?:a|an|per|each|every|pro|im|je|jede[nrs]?|par|por|cada|al|all['’])\s+|/\s?)(?P<noun>{_NOUNS})\b"
    r"|\b(?P<adverb>hourly|daily|weekly|monthly|yearly|annually|annual|annum|stündlich|täglich|"
    r"wöchentlich|monatlich|jährlich|mensuel"
    r"|annuel|mensual|anual|mensile|annuale|maandelijks|jaarlijks)"
)
_MEASURES = {
    name: "lb" if name in ("pound", "pounds") else unit
    for name, unit in UNITS.items()
    if name.isalpha() and unit not in ("am", "pm", "times", *PERIODS)
}
_PER = re.compile(
    r"(?:\b(?:per|pro|je|par|por|each|every)\s+|\d\s?[^\W\d_]+\s?/\s?)"
    rf"({'|'.join(sorted(_MEASURES, key=len, reverse=True))})\b"
)
_RATIO = re.compile(r"(?<![\d:.,])(\d+) ?: ?(\d+)(?![\d:])")
_CLAUSES = re.compile(r"[,;.!?](?:\s+(?:and|but|und|et|y|e|en)\b)?\s|\s(?:and|und|et)\s")
_FEWEST_IN_A_CLAUSE = 3
_ONLY = re.compile(
    r"\b(?:only|solely|exclusively|nur|ausschließlich|seulement|uniquement|solo|sólo|solamente|únicamente|"
    r"alleen|tylko|soltanto)\b"
    r"(?!(?:\s+(?:costs?|takes?|for|about|around|within|until|in|at|possible|valid|kostet|dauert|etwa|"
    r"rund|bis|für|noch|pour|por"
    r"|environ|unos)){0,2}\s+[\d€$£])",
    re.IGNORECASE,
)
"""Not of how little it is: only 5 euros."""
_EVERY_OTHER = re.compile(
    r"\b(?:every|each) (?:other|second|two|2nd|2)\b|\b(?:alle|aller) (?:zwei|2)\b|\bjede[nrs]? zweite[nrs]?\b|\bsur deux\b|"
    r"\bcada (?:dos|2)\b|\btous les (?:deux|2)\b|\bogni due\b"
)
_EVERY = re.compile(
    rf"\b(?:every|each|jede[nrs]?|chaque|cada|ogni) (?:{_NOUNS})\b"
    r"|\b(?:daily|weekly|monthly|yearly|täglich|wöchentlich|monatlich|jährlich)\b"
)
_OF = frozenset("the a an of in at on von in im der des de du la di del van".split())
_NEED_NOT = re.compile(
    r"\b(?:need not|needn't|(?:do|does) not (?:have|need) to|(?:don't|doesn't) (?:have|need) to|"
    r"(?:muss|müssen|musst|brauche?n?|braucht|brauchst)\b[^.;,]*\bnicht|hoe(?:ft|ven)\b[^.;,]*\bniet)\b"
)
_MUST_NOT = re.compile(
    r"\b(?:must not|mustn't|may not|not allowed|forbidden|prohibited|(?:darf|dürfen|darfst)\b[^.;,]*\bnicht|"
    r"(?:mag|mogen)\b[^.;,]*\bniet)\b"
)
_THAN = re.compile(r"\b(?:than|als|que|dan)\b", re.IGNORECASE)
_ENDS = frozenset(".!?;。！？\n")
_AROUND = 2
_OPENING = re.compile(rf"\s*(?:{'|'.join(sorted(POLARITY, key=len, reverse=True))})\s*[,.!;:–-]", re.IGNORECASE)
_OR = "or|oder|ou|ó|または"
_ASKS = re.compile(r"[?？]\W*$")
_FIRST_SENTENCES = re.compile(r"[.!。！]\s")
_LEAST_REPEATED = 4


def denies(ours: Facts, theirs: Facts) -> bool:
    """Say whether one says yes and the other no, or one denies what the other states."""
    if ours.agrees is not None and theirs.agrees is not None and ours.agrees != theirs.agrees:
        return True
    denied = (_roots(ours.denied) & _roots(theirs.affirmed)) - _roots(ours.stated)
    denied |= (_roots(theirs.denied) & _roots(ours.affirmed)) - _roots(theirs.stated)
    if any(
        OPPOSITES.get(word, frozenset()) & two.affirmed
        for one, two in ((ours, theirs), (theirs, ours))
        for word in one.denied
    ):
        return False  # not allowed, and prohibited
    return any(not word.isdigit() and word not in SMALL for word in denied)


def _roots(words: Iterable[str]) -> set[str]:
    """Return the words without what tells their forms apart: freeze and freezer, sync and syncs."""
    return {word[:STEM].rstrip("s") or word for word in words}


def names_other_days(wanted: str, said: str) -> bool:
    """Say whether both name days of the week and share none; closed on one day and open on all others does not count."""
    ours, theirs = _weekdays(wanted), _weekdays(said)
    return bool(ours and theirs) and not ours & theirs and len(ours | theirs) < len(_WEEK)


def counts_by_other_units(wanted: str, said: str) -> bool:
    """Say whether something is so much a month in one and so much a year in the other, or per kilogram and per pound."""
    return any(
        bool(ours and theirs) and not ours & theirs for ours, theirs in zip(_rates(wanted), _rates(said), strict=True)
    )


def limits_otherwise(wanted: str, said: str) -> bool:
    """Say whether a number is the most in one and the least in the other, it is every second day in one and every day in the
    other, or nearly the same sentence names other days, too.
    """
    ours, theirs = _weekdays(wanted), _weekdays(said)
    days = ours and theirs - ours and len(ours | theirs) < len(_WEEK) and is_one_sentence(wanted, said)
    oftener = any(
        _EVERY_OTHER.search(a) and not _EVERY_OTHER.search(b) and (_EVERY.search(b) or _weekdays(b))
        for a, b in _both_ways(wanted, said)
    )
    return bool(days) or oftener or bounds_otherwise(wanted, said)


def is_one_clause(text: str) -> bool:
    """Say whether it says one thing only."""
    return len(_CLAUSES.split(text.strip())) == 1


def compares(text: str) -> bool:
    """Say whether it says that one thing is more than another."""
    return bool(_THAN.search(text))


def forbids_otherwise(wanted: str, said: str) -> bool:
    """Say whether one says that it need not be, and the other that it must not."""
    return any(_NEED_NOT.search(one) and _MUST_NOT.search(other) for one, other in _both_ways(wanted, said))


def restricts_otherwise(wanted: str, said: str) -> bool:
    """Say whether only one says that it is only so, or so but for something, or they differ in days or in the order of dates."""
    ours, theirs = _weekdays(wanted), _weekdays(said)
    days = bool(ours and theirs) and ours != theirs
    dates, others = take_dates(wanted)[0], take_dates(said)[0]
    turned = len(set(dates)) > 1 and sorted(dates) == sorted(others) and dates != others
    only, excepts = (bool(form.search(wanted)) is not bool(form.search(said)) for form in (_ONLY, EXCEPT))
    moved = _only_words(wanted) and _only_words(said) and not _only_words(wanted) & _only_words(said)
    return days or turned or only or excepts or bool(moved) or _denies_once_more(wanted, said)


def _only_words(text: str) -> set[str]:
    """Return the words that an “only” restricts."""
    words = [word[0].casefold() for word in WORD.finditer(text)]
    return {
        next((each for each in words[place + 1 :] if each not in LIGHT), "")
        for place, word in enumerate(words)
        if _ONLY.match(word)
    }


def _both_ways(wanted: str, said: str) -> tuple[tuple[str, str], tuple[str, str]]:
    ours, theirs = wanted.casefold(), said.casefold()
    return (ours, theirs), (theirs, ours)


def _denies_once_more(wanted: str, said: str) -> bool:
    """Say whether both deny, but one of them what is denied: not without a deposit, without a deposit; a "
    "“no” at first aside."""
    counts = [
        sum(word[0].casefold() in DENIALS for word in WORD.finditer(_OPENING.sub("", text))) for text in (wanted, said)
    ]
    return all(counts) and sum(counts) % 2 == 1


def _weekdays(text: str) -> frozenset[int]:
    """Return the days of the week that a text names, from 0, including those between two."""
    found: set[int] = set()
    last, joint = None, ""
    for word in _TOKEN_OR_DASH.findall(text.casefold()):
        if word in _WEEKDAYS_AS_ONE:
            found |= _WEEKDAYS_AS_ONE[word]
        if (day := WEEKDAYS.get(word)) is not None:
            if last is not None and joint in _UP_TO:
                found |= {number % len(_WEEK) for number in range(last, day + (len(_WEEK) if day < last else 0))}
            found.add(day)
            last, joint = day, ""
        else:
            joint = word if last is not None and not joint else "…"
    return frozenset(found)


def _rates(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the periods and the measures by which a text counts."""
    folded = text.casefold()
    periods = (PERIODS[word] for found in _RATE.finditer(folded) if (word := found["noun"] or found["adverb"]))
    return frozenset(periods), frozenset(_MEASURES[found[1]] for found in _PER.finditer(folded))


def denies_a_number(wanted: str, said: str) -> bool:
    """Say whether a “not” stands right before a number that is wanted."""
    return any(
        re.search(rf"\b(?:not|no|nicht|kein\w*|pas|non?)\s+{number}\b", said, re.IGNORECASE)
        for number in _NUMBERS.findall(wanted)
    )


def says_the_opposite(wanted: str, said: str) -> bool:
    """Say whether a word was replaced by its opposite in the same place: before and after, at most and "
    "at least, un-."""
    ours, theirs = _contexts(_tokens(wanted)), _contexts(_tokens(said))
    for word, around in ours.items():
        if word in theirs:
            continue
        denied = {f"{prefix}{word}" for prefix in PREFIXES} | {
            word.removeprefix(prefix) for prefix in PREFIXES if word.startswith(prefix) and len(word) > len(prefix) + 3
        }
        denied |= _with_and_without(word)
        if any(other in theirs and other not in ours for other in denied):
            return True
        for other in OPPOSITES.get(word, ()):
            one_denied = (word in read_facts(wanted).denied) is not (other in read_facts(said).denied)
            if other in theirs and other not in ours and around & theirs[other] and not one_denied:
                return True
    return False


def _with_and_without(word: str) -> set[str]:
    """Return the words that say that there is what this one says that there is none of, and the other way round."""
    found = set()
    for without, having in (LACKING, LACKING[::-1]):
        for ending in without:
            if word.endswith(ending) and len(word) > len(ending) + 2:
                found |= {f"{word.removesuffix(ending)}{other}" for other in having}
    return found


def changes_places(wanted: str, said: str) -> bool:
    """Say whether two words or numbers stand in each other's place: 9 to 18 and 18 to 9, red before green and green before
    red, also within a clause of its own.
    """
    return _turns_a_ratio(wanted, said) or any(
        starmap(_change_places, [(wanted, said), *_clauses_of_one_kind(wanted, said)])
    )


def _turns_a_ratio(wanted: str, said: str) -> bool:
    """Say whether one to ten is ten to one in the other."""
    ours, theirs = (set(_RATIO.findall(text)) for text in (wanted, said))
    return any(one != other and (other, one) in theirs and (one, other) not in theirs for one, other in ours)


def _clauses_of_one_kind(wanted: str, said: str) -> list[tuple[str, str]]:
    """Return the clauses of the wanted text, each with one of the other text that has the same words."""
    ours, theirs = ([(sorted(_tokens(part)), part) for part in _CLAUSES.split(text)] for text in (wanted, said))
    if len(ours) == 1:
        return []
    return [
        (one, other)
        for words, one in ours
        for others, other in theirs
        if words == others and len(words) >= _FEWEST_IN_A_CLAUSE
    ]


def _change_places(wanted: str, said: str) -> bool:
    ours, theirs = (_contexts(_tokens(take_dates(text)[1])) for text in (wanted, said))
    common = [word for word in ours if word in theirs and word not in LIGHT]
    tokens, order = _tokens(wanted), list(theirs)
    for one, other in combinations(common, 2):
        if order.index(one) < order.index(other) or are_listed(tokens, one, other):
            continue
        if _are_compound(tokens, one, other) and _are_compound(_tokens(said), one, other):
            continue
        same = len(ours[one] & theirs[one]) + len(ours[other] & theirs[other])
        crossed = len(ours[one] & theirs[other]) + len(ours[other] & theirs[one])
        if crossed > same and ours[one] & theirs[other] and ours[other] & theirs[one]:
            return True
    return False


def _are_compound(tokens: Sequence[str], one: str, other: str) -> bool:
    """Say whether two words stand side by side, or as in “the depot in Graz”: the order of such words says nothing."""
    if one.isdigit() or other.isdigit() or one not in tokens or other not in tokens:
        return False
    first, last = sorted((tokens.index(one), tokens.index(other)))
    return set(tokens[first + 1 : last]) <= _OF


def leaves_open(answer: str, said: str, wanted: str) -> bool:
    """Say whether a short answer, or a name in it, is given as one of several, where it is not wanted "
    "so: Paris or London."""
    plain = re.escape(answer.strip(" .!?"))
    either = rf"\b{plain},? (?:{_OR}) \w|\w,? (?:{_OR}) {plain}\b"
    listed = rf"\b{plain}(?:, [\w-]{{2,20}}){{2,}}|(?:[\w-]{{2,20}}, ){{2,}}(?:and |und |et |y )?{plain}\b"
    return bool(re.search(f"{either}|{listed}", said, re.IGNORECASE)) and not re.search(
        f"{either}|{listed}", wanted, re.IGNORECASE
    )


def only_asks(wanted: str, said: str) -> bool:
    """Say whether it is nothing but a question, where no question is wanted."""
    return bool(_ASKS.search(said)) and not _ASKS.search(wanted) and not _FIRST_SENTENCES.search(said)


def repeats_itself(wanted: str, said: str) -> bool:
    """Say whether one word is said again and again."""
    words = [word for word in _tokens(said) if word not in _ENDS and word not in _JOINTS]
    most = max(((count, word) for word, count in Counter(words).items() if word not in LIGHT), default=(0, ""))
    return most[0] >= _LEAST_REPEATED and 3 * most[0] > len(words) and 3 * _tokens(wanted).count(most[1]) <= most[0]


def _tokens(text: str) -> list[str]:
    found = [token[0].casefold().replace("’", "'").removesuffix("'s") for token in _TOKEN.finditer(text)]
    return found[:MOST_WORDS]


def _contexts(tokens: Sequence[str]) -> dict[str, frozenset[tuple[int, str]]]:
    """Return, for each word that stands once, the words up to `_AROUND` places before (-1) and after (1) it in its
    sentence.
    """
    tokens = [token for token in tokens if token not in ",/&"]
    counts = Counter(tokens)
    found = {}
    for place, word in enumerate(tokens):
        if counts[word] > 1 or word in _ENDS:
            continue
        around = set()
        for step in (-1, 1):
            for distance in range(1, _AROUND + 1):
                other = place + step * distance
                if not 0 <= other < len(tokens) or tokens[other] in _ENDS:
                    break
                around.add((step, tokens[other]))
        found[word] = frozenset(around)
    return found
