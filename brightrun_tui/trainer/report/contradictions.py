"""Ways in which an answer has the words and the numbers of the wanted one, and still says something else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise

from brightrun_tui.trainer.report.dates import take_dates
from brightrun_tui.trainer.report.fact_words import LIGHT, OPPOSITES, PREFIXES
from brightrun_tui.trainer.report.facts import WORD, Facts

MOST_WORDS = 60
"""Words of each text that are looked at."""
_NUMBERS = re.compile(r"\d+")
_TOKEN = re.compile(rf"\d+(?:[.,:]\d+)*|{WORD.pattern}|[.!?;,/&。！？\n]")
MOST_OF_A_MEMBER = 3
"""Words that one member of a list may have."""
_BETWEEN_MEMBERS = re.compile(r"[,;/&]|\b(?:and|or|und|oder|et|ou|y|o)\b", re.IGNORECASE)
_JOINTS = frozenset(", / & and or und oder et ou y o".split())
_ENDS = frozenset(".!?;。！？\n")
_AROUND = 2
_OR = "or|oder|ou|ó|または"
_ASKS = re.compile(r"[?？]\W*$")
_FIRST_SENTENCES = re.compile(r"[.!。！]\s")
_LEAST_REPEATED = 4


def denies(ours: Facts, theirs: Facts) -> bool:
    """Yes against no, or what one denies and the other states."""
    if ours.agrees is not None and theirs.agrees is not None and ours.agrees != theirs.agrees:
        return True
    denied = (ours.denied & theirs.affirmed) - ours.stated | (theirs.denied & ours.affirmed) - theirs.stated
    return any(not word.isdigit() for word in denied)


def denies_a_number(wanted: str, said: str) -> bool:
    """Say whether a “not” stands right before a number that is wanted."""
    return any(
        re.search(rf"\b(?:not|no|nicht|kein\w*|pas|non?)\s+{number}\b", said, re.IGNORECASE)
        for number in _NUMBERS.findall(wanted)
    )


def says_the_opposite(wanted: str, said: str) -> bool:
    """Say whether a word was replaced by its opposite in the same place: before and after, at most and at least, un-."""
    ours, theirs = _contexts(_tokens(wanted)), _contexts(_tokens(said))
    for word, around in ours.items():
        if word in theirs:
            continue
        denied = {f"{prefix}{word}" for prefix in PREFIXES} | {
            word.removeprefix(prefix) for prefix in PREFIXES if word.startswith(prefix) and len(word) > len(prefix) + 3
        }
        if any(other in theirs and other not in ours for other in denied):
            return True
        for other in OPPOSITES.get(word, ()):
            if other in theirs and other not in ours and around & theirs[other]:
                return True
    return False


def changes_places(wanted: str, said: str) -> bool:
    """Say whether two words or numbers stand in each other's place: 9 to 18 and 18 to 9, red before green and green before
    red.
    """
    ours, theirs = (_contexts(_tokens(take_dates(text)[1])) for text in (wanted, said))
    common = [word for word in ours if word in theirs and word not in LIGHT]
    tokens, order = _tokens(wanted), list(theirs)
    for one, other in combinations(common, 2):
        if order.index(one) < order.index(other) or _are_listed(tokens, one, other):
            continue
        same = len(ours[one] & theirs[one]) + len(ours[other] & theirs[other])
        crossed = len(ours[one] & theirs[other]) + len(ours[other] & theirs[one])
        if crossed > same and ours[one] & theirs[other] and ours[other] & theirs[one]:
            return True
    return False


def _are_listed(tokens: Sequence[str], one: str, other: str) -> bool:
    """Say whether two words are members of one list, whose order says nothing."""
    between = tokens[tokens.index(one) + 1 : tokens.index(other)] if one in tokens and other in tokens else []
    joints = [token in _JOINTS for token in between]
    return bool(joints) and joints[0] and joints[-1] and all(a or b for a, b in pairwise(joints))


def leaves_open(answer: str, said: str, wanted: str) -> bool:
    """Say whether a short answer, or a name in it, is given as one of several, where it is not wanted so: Paris or London."""
    plain = re.escape(answer.strip(" .!?"))
    either = rf"\b{plain},? (?:{_OR}) \w|\w,? (?:{_OR}) {plain}\b"
    listed = rf"\b{plain}(?:, [\w-]{{2,20}}){{2,}}|(?:[\w-]{{2,20}}, ){{2,}}(?:and |und |et |y )?{plain}\b"
    return bool(re.search(f"{either}|{listed}", said, re.IGNORECASE)) and not re.search(
        f"{either}|{listed}", wanted, re.IGNORECASE
    )


def lists_more(wanted: str, said: str) -> bool:
    """Say whether it is a list with other members besides the wanted ones."""
    ours, theirs = (_members(text) for text in (wanted, said))
    return len(theirs) > 1 and ours < theirs


def _members(text: str) -> frozenset[str]:
    """Return what a text lists, where it is nothing but a list."""
    members = [part.strip(" .!?").casefold() for part in _BETWEEN_MEMBERS.split(text)]
    return frozenset(members) if all(0 < len(member.split()) <= MOST_OF_A_MEMBER for member in members) else frozenset()


def only_asks(wanted: str, said: str) -> bool:
    """Say whether it is nothing but a question, where no question is wanted."""
    return bool(_ASKS.search(said)) and not _ASKS.search(wanted) and not _FIRST_SENTENCES.search(said)


def repeats_itself(wanted: str, said: str) -> bool:
    """Say whether one word is said again and again."""
    words = [word for word in _tokens(said) if word not in _ENDS and word not in _JOINTS]
    most = max(((count, word) for word, count in Counter(words).items() if word not in LIGHT), default=(0, ""))
    return most[0] >= _LEAST_REPEATED and 3 * most[0] > len(words) and 3 * _tokens(wanted).count(most[1]) <= most[0]


def _tokens(text: str) -> list[str]:
    return [found[0].casefold() for found in _TOKEN.finditer(text)][:MOST_WORDS]


def _contexts(tokens: Sequence[str]) -> dict[str, frozenset[tuple[int, str]]]:
    """By each word that stands once, the words up to `_AROUND` places before (-1) and behind (1) it in its sentence."""
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
