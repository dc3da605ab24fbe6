"""What a text lists: whether all members of a list are there, in whatever order, and no others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

from brightrun_tui.trainer.report.fact_words import COUNTS, LIGHT, POLARITY
from brightrun_tui.trainer.report.facts import WORD
from brightrun_tui.trainer.report.plain_words import SMALL
from brightrun_tui.trainer.report.stems import STEM

MOST_OF_A_MEMBER = 3
"""Words that one member of a list may have."""
FEWEST_MEMBERS = 3
_AND = r"and|or|und|oder|et|ou|y|o|och|og"
_BETWEEN_MEMBERS = re.compile(rf"[,;/&、，]|\b(?:{_AND})\b", re.IGNORECASE)
_SENTENCES = re.compile(r"[.!?:;()。！？\n]+(?=\s|$)|[。！？\n]")
_CLAUSES = re.compile(rf"[.!?:;()。！？,\n]+(?=\s|$)|[。！？\n]|\s(?:{_AND}|but|aber|mais|pero)\s", re.IGNORECASE)
_JOINTS = frozenset([",", "/", "&", *_AND.split("|")])
_WORDS_BETWEEN = _JOINTS - frozenset(",/&")
_ENDS = frozenset(".!?;。！？\n")
_ARTICLES = frozenset(
    "a an the some der die das den ein eine einen le la les un une des el los las una il lo i gli de het een".split()
)
_VERBS = frozenset(
    "is are was were may can must shall will should have has get do does ist sind darf dürfen kann können muss".split()
)
"""Behind the last member of a list that something is said of."""
_TOKEN = re.compile(rf"{WORD.pattern}|[,/&]")


def members(text: str) -> frozenset[str]:
    """Return what a text lists, where it is nothing but a list."""
    parts = [part.strip(" .!?").casefold() for part in _BETWEEN_MEMBERS.split(text)]
    return frozenset(parts) if all(0 < len(part.split()) <= MOST_OF_A_MEMBER for part in parts) else frozenset()


def lists_more(wanted: str, said: str) -> bool:
    """Say whether it is a list with other members besides the wanted ones."""
    ours, theirs = members(wanted), members(said)
    return len(theirs) > 1 and ours < theirs


def lists_otherwise(wanted: str, said: str, question: str) -> bool:
    """Say whether a member of a list within the wanted text is nowhere in the other, or one that it lists is nowhere in the
    wanted text, nor in the question. Two things that belong together are a list where the other text has one of them only, or
    both and more.
    """
    ours, theirs = _listed(wanted), _listed(said)
    known, asked = _stems(said), _stems(wanted) | _stems(question)
    lost = [member for member in ours if not member & known]
    more = [member for member in theirs if not member & asked]
    if ours:
        return bool(lost or more)
    pairs = _pairs(wanted)
    together = set().union(*(one | other for one, other in pairs))
    longer = more and sum(bool(member & together) for member in theirs) > 1
    half = any(bool(one & known) is not bool(other & known) for one, other in pairs)
    return longer or (half and known <= asked)


def leaves_out_a_clause(wanted: str, said: str, question: str) -> bool:
    """Say whether of a wanted text of several clauses one has nothing in the other text, no word but those of the question,
    while another has.
    """
    known, asked = _stems(said), _stems(question)
    told = []
    for clause in _CLAUSES.split(wanted):
        words = [word[0].casefold() for word in WORD.finditer(clause)]
        if new := _names(words) - asked:
            told.append(bool(new & known))
        elif words and all(word in POLARITY for word in words):
            told.append(True)
    return len(told) > 1 and not all(told) and len(known) < len(_stems(wanted))


def _pairs(text: str) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return what stands on either side of an “and”, by the words that may name it."""
    tokens = [found[0].casefold() for found in _TOKEN.finditer(text)]
    found = [
        (_names(tokens[place - 1 : place]), _names(tokens[place + 1 :][: 2 if tokens[place + 1] in _ARTICLES else 1]))
        for place, token in enumerate(tokens[:-1])
        if token in _WORDS_BETWEEN and place and tokens[place - 1] not in _JOINTS
    ]
    return [pair for pair in found if all(pair)]


def are_listed(tokens: Sequence[str], one: str, other: str) -> bool:
    """Say whether two words are in different members of one list, whose order says nothing.

    Two members stand side by side, as cats and dogs; of a longer list each is one word, or begins as “two levers” and “a lamp”.
    """
    if one not in tokens or other not in tokens:
        return False
    first, last = sorted((tokens.index(one), tokens.index(other)))
    joints = [token in _JOINTS for token in tokens[first + 1 : last]]
    if joints and joints[0] and joints[-1] and all(a or b for a, b in pairwise(joints)):
        return True
    runs: list[list[str]] = [[]]
    behind: list[str] | None = None
    for place, token in enumerate(tokens[first + 1 :], first + 1):
        if token in _ENDS:
            return False
        if place == last:
            behind = runs[-1]
        if token in _JOINTS:
            runs.append([])
            if token in _WORDS_BETWEEN:
                break
        else:
            runs[-1].append(token)
    else:
        return False
    if behind is None:  # in the last member
        behind = list(tokens[place + 1 : last])
        if any(token in _JOINTS or token in _ENDS for token in behind):
            return False
    members = [run for run in runs[1:] if run]
    return len(runs) > FEWEST_MEMBERS - 1 and _begins(behind) and all(map(_is_member, members))


def _is_member(run: Sequence[str]) -> bool:
    return len(run) <= MOST_OF_A_MEMBER and (len(run) == 1 or _begins(run))


def _begins(run: Sequence[str]) -> bool:
    """Say whether these words, if there are any, begin with an article or a number."""
    return not run or run[0] in _ARTICLES or run[0] in COUNTS or run[0].isdigit()


def _listed(text: str) -> list[frozenset[str]]:
    """Return the members of every list within the text, each as the beginnings of the words that may name it."""
    found: list[frozenset[str]] = []
    for sentence in _SENTENCES.split(text):
        runs: list[list[str]] = [[]]
        joints: list[str] = []
        for token in (found[0].casefold() for found in _TOKEN.finditer(sentence)):
            if token in _JOINTS:
                if runs[-1]:
                    joints.append(token)
                    runs.append([])
                elif joints:
                    joints[-1] = token  # “, and”
            else:
                runs[-1].append(token)
        inner = [run for run in runs[1:-1] if len(run) <= MOST_OF_A_MEMBER]
        if len(runs) < FEWEST_MEMBERS or len(inner) != len(runs) - 2 or joints[-1] in ",/&" or len(set(joints)) > 2:
            continue
        last = list(takewhile(lambda word: word not in _VERBS, runs[-1][:MOST_OF_A_MEMBER]))
        found += [_names(run) for run in (runs[0][-2:], *inner, last)]
    return [member for member in found if member]


def _names(run: Sequence[str]) -> frozenset[str]:
    """Return the words of a member that may name it, cut as stems are; none of how many there are."""
    light = {*LIGHT, *SMALL, *COUNTS, *POLARITY}
    return frozenset(word[:STEM] for word in run if word not in light and not word.isdigit())


def _stems(text: str) -> set[str]:
    return {word[0].casefold()[:STEM] for word in WORD.finditer(text)}
