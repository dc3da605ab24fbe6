"""What decides in a sentence that is the wanted one but for it: one number, name, relation or reservation for another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice

from brightrun_tui.trainer.report.exchanged import MOST_WORDS, SAME_SENTENCE
from brightrun_tui.trainer.report.fact_words import COUNTS, DENIALS, LIGHT
from brightrun_tui.trainer.report.facts import WORD, read_facts
from brightrun_tui.trainer.report.plain_words import SAME
from brightrun_tui.trainer.report.stems import STEM

_ONE = frozenset(("a", "an", *(word for word, count in COUNTS.items() if count == 1)))
_RELATIONS = (
    (
        "before prior until till within by vor bis binnen avant jusqu dans antes hasta prima entro fino voor tot",
        "after since following nach seit après depuis después desde dopo na sinds",
        "with during while mit während avec pendant con durante met tijdens",
    ),
    ("with mit avec con met", "without ohne sans sin senza zonder"),
    (
        "under below beneath underneath unter sous bajo sotto onder",
        "above over über sobre sopra boven",
        "outside beyond außerhalb dehors fuera fuori buiten",
        "inside innerhalb dedans dentro",
        "behind hinter derrière detrás dietro achter",
    ),
)
"""Words that say when, with or without what, and where; those of one line may stand for one another."""
_KINDS = tuple({word: n for n, words in enumerate(kind) for word in words.split()} for kind in _RELATIONS)
_SEVERAL = frozenset("both all several many beide beiden alle mehrere deux tous ambos todos entrambi tutti".split())
_NONE = frozenset(
    "none no zero kein keine keinen keiner aucun aucune ninguno ninguna nessuno nessuna geen never nie".split()
)
_CODES = re.compile(r"(?<!\S)(?:--?[A-Za-z][\w-]*|[~.]{0,2}/[\w.-]+/[\w./-]+|\w+[_~\\]\w+)(?=[\s.,;:!?)]|$)")
"""Flags of commands, paths, and names as programs have them: each is itself or another."""
_WHO = re.compile(r"\b(?:who|whom|whose|wer|wem|wen|wessen|qui|quién|quiénes|chi)\b", re.IGNORECASE)
_SIGN = re.compile(r"[<>≤≥≠]=?|[!=]=|(?<=\w)\s?[+=]\s?(?=\w)")
_RESERVES = re.compile(
    r"\b(?:but|however|unless|except|aber|jedoch|sofern|außer|mais|sauf|pero|salvo|ma|tranne|maar|tenzij)\b",
    re.IGNORECASE,
)
_PASSIVE = re.compile(r"\b(\w+)\s+(?:is|are|was|were|gets|get|got)\s+(\w{4,})\s+by\b")
_VERB = 5
"""Letters that a verb has in common in its forms."""
_OPENING = re.compile(r"^\W*[^\W\d_]+\s*[,.!;:–-]\s")


def decides_otherwise(wanted: str, said: str, question: str, *, names: bool) -> bool:
    """Say whether the same sentence has one, or none, for several, another name in the place of a name, another relation
    (with a meal, before a meal), another sign, flag or path.

    ``names``: a capital inside a sentence means a name; where the question asks who, also one at its beginning.
    """
    ours, theirs = _words(wanted), _words(said)
    if _turns_passive(wanted, said) or _turns_passive(said, wanted):
        return True
    signs, other_signs = _signs(wanted), _signs(said)
    if signs and signs != other_signs:
        return True
    codes, other_codes = (set(_CODES.findall(text)) for text in (wanted, said))
    if codes - other_codes and other_codes - codes:
        return True
    asks_who = bool(_WHO.search(question))
    for one, other, beside in _exchanges(ours, theirs):
        if _relates_otherwise(one, other) or _counts_otherwise(one, other) or _counts_otherwise(other, one):
            return True
        lost, new = _capitals(one, said), _capitals(other, wanted)
        if {word.casefold() for word in new} & {same for word in lost for same in SAME.get(word.casefold(), ())}:
            continue
        if lost and new and (asks_who or one[0] is not ours[0]) and (names or beside):
            return True
    return False


def reserves_otherwise(wanted: str, said: str) -> bool:
    """Say whether one text has a reservation and a denial where the other has neither: it is, but it must not."""
    return reserves(wanted) is not reserves(said) and _denies(wanted) is not _denies(said)


def reserves(text: str) -> bool:
    """Say whether it takes back a part of what it says: but, unless."""
    return bool(_RESERVES.search(text))


def _relates_otherwise(one: Sequence[str], other: Sequence[str]) -> bool:
    ours, theirs = ([word.casefold() for word in words] for words in (one, other))
    for kind in _KINDS:
        relations, others = ({kind[word] for word in words if word in kind} for words in (ours, theirs))
        if relations and others and not relations & others:
            return True
    return False


def is_one_sentence(wanted: str, said: str) -> bool:
    """Say whether they are one sentence but for some words."""
    ours, theirs = ([word.casefold() for word in _words(text)] for text in (wanted, said))
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return matcher.quick_ratio() >= SAME_SENTENCE and matcher.ratio() >= SAME_SENTENCE


def _denies(text: str) -> bool:
    """Say whether anything is denied in it; a “no” at first is an answer and no denial."""
    words = (word[0].casefold().replace("’", "'") for word in WORD.finditer(_OPENING.sub("", text)))
    return any(word in DENIALS or word.endswith("n't") for word in words)


def is_passive(text: str) -> bool:
    """Say whether it says by whom something is done."""
    return bool(_PASSIVE.search(text.casefold()))


def _turns_passive(one: str, other: str) -> bool:
    """Say whether who does it in one has it done to them in the other: Ada pays Bo, Ada is paid by Bo."""
    for found in _PASSIVE.finditer(other.casefold()):
        active = rf"\b{re.escape(found[1])}\s+(?:\w+\s+)?{re.escape(found[2][:_VERB])}\w*\b(?! by\b)"
        if re.search(active, one.casefold()) and not _PASSIVE.search(one.casefold()):
            return True
    return False


def _counts_otherwise(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether the first says that it is one, or none, and the second that it is several."""
    ours, theirs = ({word.casefold() for word in words} for words in (one, other))
    if (ours & _ONE) - {"a", "an"} and theirs & _SEVERAL and not ours & _SEVERAL:
        return True
    if ours & _NONE and not theirs & _NONE:
        return bool(read_facts(" ".join(other)).numbers)
    if not ours & _ONE or theirs & _ONE:
        return False
    number = next((n for n, word in enumerate(one) if word.casefold() in _ONE), 0)
    said = read_facts(" ".join(other)).numbers
    same = read_facts(" ".join(("1", *one[number + 1 :]))).numbers
    return bool(said) and not any(each.agrees(another) for each in said for another in same)


def _signs(text: str) -> list[str]:
    return sorted(found[0].strip() for found in _SIGN.finditer(text))


def _capitals(words: Sequence[str], other: str) -> list[str]:
    """Return words with a capital that the other text has not."""
    known = {word[0].casefold()[:STEM] for word in WORD.finditer(other)}
    return [
        word
        for word in words
        if word[0].isupper() and word.casefold() not in LIGHT and len(word) > 1 and word.casefold()[:STEM] not in known
    ]


def _exchanges(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str], bool]]:
    """Yield what stands in one text in the place of what in the other, where they are one sentence but for that, and whether
    a word with a capital stands beside it in both.
    """
    folded, others = ([word.casefold() for word in words] for words in (ours, theirs))
    matcher = SequenceMatcher(None, folded, others, autojunk=False)
    if min(matcher.real_quick_ratio(), matcher.quick_ratio()) < SAME_SENTENCE or matcher.ratio() < SAME_SENTENCE:
        return
    for tag, a, a_end, b, b_end in matcher.get_opcodes():
        if tag == "replace":
            beside = [*ours[max(0, a - 1) : a], *ours[a_end : a_end + 1]]
            yield ours[a:a_end], theirs[b:b_end], any(word[0].isupper() for word in beside)


def _words(text: str) -> list[str]:
    return [word[0] for word in islice(WORD.finditer(text), MOST_WORDS)]
