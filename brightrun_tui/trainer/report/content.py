"""Whether an answer says what the wanted one says, in whatever words: a mark for each.

What can be compared as such is: the values of JSON and of tool calls, labels, numbers with their units, yes and no, names,
and what is denied. Only where there is nothing of the kind do the words decide, those that most answers share counting little.
An automatic mark is a guess; a person's tick outranks it (`domain.verdict`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from brightrun_tui.domain.findings import FormKind, Mark
from brightrun_tui.trainer.report.code_answers import is_code, mark_code
from brightrun_tui.trainer.report.comparing import compare_facts
from brightrun_tui.trainer.report.contradictions import (
    changes_places,
    compares,
    counts_by_other_units,
    denies,
    denies_a_number,
    forbids_otherwise,
    is_one_clause,
    leaves_open,
    limits_otherwise,
    names_other_days,
    only_asks,
    repeats_itself,
    restricts_otherwise,
    says_the_opposite,
)
from brightrun_tui.trainer.report.decisive import decides_otherwise, is_passive, reserves, reserves_otherwise
from brightrun_tui.trainer.report.documents import mark_documents, read_documents
from brightrun_tui.trainer.report.enumerated import leaves_out_a_clause, lists_more, lists_otherwise, members
from brightrun_tui.trainer.report.exchanged import (
    denies_by_ending,
    other_words,
    says_it_otherwise,
    words_lost_and_added,
    words_that_differ,
)
from brightrun_tui.trainer.report.fact_words import LIGHT
from brightrun_tui.trainer.report.facts import Facts, read_facts
from brightrun_tui.trainer.report.labels import labels_in, mark_labels
from brightrun_tui.trainer.report.numerals import with_digits
from brightrun_tui.trainer.report.plain_words import SMALL
from brightrun_tui.trainer.report.shared_text import SHARED_BY, Frame
from brightrun_tui.trainer.report.stems import STEM, folded, stems

SAME_WORDS, SOME_WORDS = 0.6, 0.4
"""Agreement of the words from which on an answer without facts is taken for right, or partly right."""
FEW_WORDS, FEWER_WORDS = 0.2, 0.12
"""Agreement below which one right fact is taken for chance, and below which several are."""
MUCH_LONGER = 4
"""Times as many words from which on an answer holds the wanted one among others."""
IN_ORDER = 0.7
"""Share of the common words that must come in their order where nothing but words can be compared."""
STEPS_IN_ORDER = 0.9
"""The same where the answer says what comes after what."""
MOST_OF_IT = 0.8
"""Share of the wanted words below which an answer that is their beginning was cut off."""
MOST_ADDED = 0.5
"""Share of what the wanted answer adds to its question, by the weight of its words, above which another word in place of it is
another answer.
"""
FEWEST_ANSWERS = 20
KNOWN_WORDS, FEWEST_WORDS = 0.1, 5
"""Share of the words known from training answers below which an answer is in another language, or none."""
SEVERAL, MANY_WORDS = 3, 24
"""Sentences and words from which on an answer may be wrong in one thing and right in others."""
OUTWEIGHED_BY = 3
"""Right things for each wrong one that there must be then."""
SHORT_WORDS = 4
"""Words up to which a wanted answer is compared as a whole."""

_STEP_WORDS = frozenset("then afterw finall danach dann anschl zuletz puis ensuit luego despué finalm".split())
"""As `stems` has them."""
_THOUGHTS = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|$)", re.DOTALL)
_FINAL = re.compile(r"(?:####|\\boxed\{|\b(?:final answer|answer)\s*(?:is|:))\s*([^\n}]+)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?。！？](?:\s|$)|\n")


@dataclass(frozen=True)
class AnswerCase:
    """A question (all turns before the answer, as one text) and the answer wanted."""

    question: str
    wanted: str


@dataclass(frozen=True)
class Yardstick:
    """What the training answers have in common, which no answer is praised for.

    ``labels``: the few answers there are, where it is a classification. ``usual``: stems with the share of the training
    answers that have them. ``calls``, ``documents``: the wanted answers are tool calls, or JSON. ``names``: a capital inside
    a sentence is rare enough to mean a name (not so in German). ``known``: different training answers, without the frame;
    ``closed``: they are so few that whatever is not among them is wrong.
    """

    frame: Frame
    labels: frozenset[str]
    usual: dict[str, float]
    answers: int
    calls: bool = False
    documents: bool = False
    names: bool = True
    known: tuple[str, ...] = ()
    closed: bool = False
    _recited: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)
    _weighed: dict[str, tuple[Counter[str], float]] = field(default_factory=dict, compare=False, repr=False)

    def weight(self, stem: str) -> float:
        """Return the inverse document frequency among the training answers, in nats; 0 for what all of them have."""
        return max(0.0, math.log((self.answers + 1) / (self.usual.get(stem, 0.0) * self.answers + 0.5)))

    def mark(self, case: AnswerCase, answer: str) -> Mark:
        """Return what the answer is worth as content."""
        wanted, said = without_thoughts(case.wanted), without_thoughts(answer)
        if not said:
            return "right" if not wanted else "wrong"
        if said.strip() == wanted.strip():
            return "right"
        if self.labels:
            return mark_labels({folded(wanted)}, labels_in(said, self.labels))
        if documents := read_documents(wanted):
            return mark_documents(documents, said)
        if is_code(wanted):
            return mark_code(wanted, said)
        wanted, said = with_digits(self.frame.without(wanted)), with_digits(self.frame.without(said))
        case = AnswerCase(with_digits(case.question), case.wanted)
        if final := _final(wanted):
            wanted, said = final, _final(said) or said.splitlines()[-1]
        if len(stems(wanted)) <= SHORT_WORDS:
            return self._mark_short(case, wanted, said)
        return self._mark_text(case, wanted, said)

    def form(self) -> FormKind:
        """Return the form that answers of this data have, if they share one."""
        if self.labels:
            return "label"
        if self.calls or self.documents:
            return "call" if self.calls else "json"
        return "frame" if any(len(words) > 1 for words in self.frame.openings | self.frame.closings) else ""

    def has_form(self, case: AnswerCase, answer: str) -> bool:
        """Say whether the answer has the form of the wanted one: a label, JSON of the same keys, opening and closing."""
        wanted, said = without_thoughts(case.wanted), without_thoughts(answer)
        if self.labels:
            return folded(said) in self.labels
        if documents := read_documents(wanted):
            return len(read_documents(said)) == len(documents)
        return all(
            theirs or not ours for ours, theirs in zip(self.frame.within(wanted), self.frame.within(said), strict=True)
        )

    def _mark_short(self, case: AnswerCase, wanted: str, said: str) -> Mark:
        ours, theirs = read_facts(wanted), read_facts(said)
        if ours.agrees is not None and len(stems(wanted)) == 1:
            if theirs.agrees != ours.agrees or only_asks(wanted, said):
                return "wrong"
            return "partly" if leaves_open(wanted, said, wanted) or theirs.denied or reserves(said) else "right"
        if len(members(wanted)) > 1 and members(wanted) == members(said):
            return "right"
        contradicts = (
            denies(ours, theirs)
            or denies_a_number(wanted, said)
            or says_the_opposite(wanted, said)
            or names_other_days(wanted, said)
            or counts_by_other_units(wanted, said)
            or denies_by_ending(wanted, said)
            or self._decides_otherwise(case, wanted, said)
            or changes_places(wanted, said)
        )
        if contradicts or only_asks(wanted, said) or self._answers_with_another_word(case, wanted, said):
            return "wrong"
        if ours.numbers:
            mark = _mark_facts(*compare_facts(ours, theirs, case.question, names=self.names), agreement=1.0)
            same_unit = any(number.unit for number in ours.numbers & theirs.numbers)
            if mark == "right" and not same_unit and _counts_other_things(wanted, said, case.question):
                mark = "partly"
        elif f" {' '.join(stems(wanted))} " in f" {' '.join(stems(said))} " and len(stems(said)) <= 12 * len(
            stems(wanted)
        ):
            mark = "right"
        else:
            return "partly" if self._agreement(wanted, said) >= SOME_WORDS else "wrong"
        doubtful = (
            leaves_open(wanted, said, wanted)
            or lists_more(wanted, said)
            or restricts_otherwise(wanted, said)
            or reserves_otherwise(wanted, said)
            or bool(other_words(wanted, said))
            or any(self._differing(wanted, said))
        )
        return "partly" if mark == "right" and doubtful else mark

    def _mark_text(self, case: AnswerCase, wanted: str, said: str) -> Mark:
        ours, theirs = read_facts(wanted), read_facts(said)
        agreement = self._agreement(wanted, said)
        found, missing, false = compare_facts(ours, theirs, case.question, names=self.names)
        opposite = says_the_opposite(wanted, said)
        is_converse = opposite and compares(wanted) and compares(said) and changes_places(wanted, said)
        if denies(ours, theirs) or (opposite and not is_converse):  # converse: the vase is lighter than the lamp
            partly = _says_several_things(wanted) and found and not missing and not false
            return "partly" if partly else "wrong"
        if only_asks(wanted, said) or repeats_itself(wanted, said):
            return "wrong"
        if agreement >= SOME_WORDS and says_it_otherwise(wanted, said):
            return "wrong"
        if names_other_days(wanted, said) or counts_by_other_units(wanted, said):
            return "wrong"
        if not _says_several_things(wanted) and self._decides_otherwise(case, wanted, said):
            return "wrong"
        if agreement >= SOME_WORDS and self._answers_with_another_word(case, wanted, said):
            return "wrong"
        if found or missing:
            mark = _mark_facts(found, missing, false, agreement=agreement, several=_says_several_things(wanted))
            if mark != "wrong" and changes_places(wanted, said):
                return "partly" if is_converse or is_passive(wanted) is not is_passive(said) else "wrong"
            if mark == "right" and agreement < SOME_WORDS and self._recites(said):
                return "wrong"
            return "partly" if mark == "right" and self._is_doubtful(case, ours, wanted, said) else mark
        if agreement >= SAME_WORDS:
            if changes_places(wanted, said):
                return "partly" if is_converse or is_passive(wanted) is not is_passive(said) else "wrong"
            doubtful = bool(false) or all(words_lost_and_added(wanted, said)) or not _follows(wanted, said)
            return "partly" if doubtful or self._is_doubtful(case, ours, wanted, said) else "right"
        if agreement >= SOME_WORDS:
            return "partly"
        if self.closed or self._recites(said) or self._echoes(case, said) or self._is_foreign(said):
            return "wrong"
        return "unclear"

    def _is_doubtful(self, case: AnswerCase, ours: Facts, wanted: str, said: str) -> bool:
        """Say whether an answer with the right facts or words leaves open, adds, leaves out or exchanges something."""
        return (
            any(leaves_open(name, said, wanted) for name in ours.names)
            or _is_much_longer(wanted, said)
            or _breaks_off(wanted, said)
            or restricts_otherwise(wanted, said)
            or reserves_otherwise(wanted, said)
            or lists_otherwise(wanted, said, case.question)
            or leaves_out_a_clause(wanted, said, case.question)
            or (bool(_STEP_WORDS & set(stems(wanted)) & set(stems(said))) and not _follows(wanted, said))
            or bool(other_words(wanted, said))
            or (not _says_several_things(wanted) and any(self._differing(wanted, said)))
        )

    def _decides_otherwise(self, case: AnswerCase, wanted: str, said: str) -> bool:
        return (
            decides_otherwise(wanted, said, case.question, names=self.names)
            or limits_otherwise(wanted, said)
            or forbids_otherwise(wanted, said)
            or self._exchanges_a_word(case, wanted, said)
        )

    def _exchanges_a_word(self, case: AnswerCase, wanted: str, said: str) -> bool:
        """Say whether an answer that says one thing is the wanted one but for a word of the training answers, or of the
        question, in the place of another. One that neither has may mean the same.
        """
        lost, new = self._differing(wanted, said)
        if not lost or not new or not is_one_clause(wanted) or _says_several_things(wanted):
            return False
        known = {*self.usual, *stems(case.question)}
        return any(word[:STEM] in known for word in new)

    def _differing(self, wanted: str, said: str) -> tuple[list[str], list[str]]:
        """Return the words that nearly the same sentence has lost and added, but for those that many training answers have."""
        lost, new = words_that_differ(wanted, said)
        if not lost and not new:
            return [], []
        shared = {word for words in self.frame.openings | self.frame.closings for word in words}
        lost, new = (
            [word for word in words if word not in shared and self.usual.get(word[:STEM], 0.0) < SHARED_BY]
            for words in (lost, new)
        )
        return lost, new

    def _answers_with_another_word(self, case: AnswerCase, wanted: str, said: str) -> bool:
        """Say whether most of what the wanted answer adds to the question is another word of the training answers instead:
        it is green, where it is red.
        """
        lost = {
            stem
            for words, others in other_words(wanted, said)
            if any(stem in self.usual for stem in stems(" ".join(others)))
            for stem in stems(" ".join(words))
        }
        if not lost:
            return False
        added = set(stems(wanted)) - set(stems(case.question)) - LIGHT - SMALL
        return sum(map(self.weight, lost & added)) > MOST_ADDED * sum(map(self.weight, added))

    def _is_foreign(self, said: str) -> bool:
        """Say whether hardly a word of it stands in any training answer: another language, or none."""
        words = set(stems(said))
        known = sum(word in self.usual for word in words)
        return len(words) >= FEWEST_WORDS and self.answers >= FEWEST_ANSWERS and known <= KNOWN_WORDS * len(words)

    def _echoes(self, case: AnswerCase, said: str) -> bool:
        """Say whether hardly a word of it is new against the question, or against itself."""
        words = stems(said)
        new = set(words) - set(stems(case.question))
        return len(new) <= max(1, len(words) // 5)

    def _recites(self, said: str) -> bool:
        """Say whether it is one of the training answers; where it is not the wanted one, it belongs to another question."""
        if said not in self._recited:
            self._recited[said] = said in self.known or any(
                self._agreement(known, said) >= SAME_WORDS for known in self.known
            )
        return self._recited[said]

    def _agreement(self, wanted: str, said: str) -> float:
        """Return F1 of the stems, weighted by how rare each is among the training answers; 0 to 1."""
        (ours, mine), (theirs, other) = self._weigh(wanted), self._weigh(said)
        common = sum(self.weight(stem) * min(count, theirs[stem]) for stem, count in ours.items() if stem in theirs)
        return 2 * common / (mine + other) if mine + other > 0 else float(ours == theirs)

    def _weigh(self, text: str) -> tuple[Counter[str], float]:
        """Say how often it has each stem, and what they weigh together."""
        if text not in self._weighed:
            counts = Counter(stem for stem in stems(text) if not stem.isdigit())
            self._weighed[text] = counts, sum(self.weight(stem) * count for stem, count in counts.items())
        return self._weighed[text]


def _counts_other_things(wanted: str, said: str, question: str) -> bool:
    """Say whether a short wanted answer has words beside its number, and the given one others, none of them wanted or asked
    for.
    """
    ours, theirs, asked = (
        {stem for stem in stems(text) if not stem.isdigit()} - LIGHT for text in (wanted, said, question)
    )
    return bool(ours and theirs) and not theirs & (ours | asked)


def without_thoughts(text: str) -> str:
    """Return what is said after thinking; thoughts that do not end take the rest with them."""
    head, closed, tail = text.rpartition("</think>")
    if closed and "<think>" not in head:
        text = tail  # the template had opened the thoughts
    return _THOUGHTS.sub("", text).strip()


def _is_much_longer(wanted: str, said: str) -> bool:
    return len(stems(said)) > MUCH_LONGER * len(stems(wanted)) + MUCH_LONGER


def _follows(wanted: str, said: str) -> bool:
    """Say whether what both say is said in the same order."""
    ours, theirs = ([stem for stem in stems(text) if stem not in LIGHT] for text in (wanted, said))
    same = sum(block.size for block in SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks())
    in_order = STEPS_IN_ORDER if set(ours) & _STEP_WORDS else IN_ORDER
    return same >= in_order * (Counter(ours) & Counter(theirs)).total()


def _breaks_off(wanted: str, said: str) -> bool:
    """Say whether it is the beginning of the wanted answer, and no more."""
    ours, theirs = stems(wanted), stems(said)
    return len(theirs) < MOST_OF_IT * len(ours) and ours[: len(theirs)] == theirs


def _says_several_things(text: str) -> bool:
    """Say whether it says so much that one wrong thing in it leaves the rest right."""
    return len(_SENTENCE_END.findall(f"{text.strip()} ")) >= SEVERAL or len(stems(text)) > MANY_WORDS


def _mark_facts(found: int, missing: int, false: int, *, agreement: float, several: bool = False) -> Mark:
    """Mark by facts: one in the place of a wanted one contradicts, which only much that is right outweighs, in a longer text."""
    contradicts = missing and (false if not several else OUTWEIGHED_BY * false > found)
    if not found or contradicts or (missing > found and agreement < SOME_WORDS):
        return "wrong"
    if missing or false or agreement < (FEW_WORDS if found == 1 else FEWER_WORDS):
        return "partly"
    return "right"


def _final(text: str) -> str:
    """Return what a worked solution comes to, where it says so (``#### 42``, ``\\boxed{42}``, ``Answer: 42``)."""
    found = _FINAL.findall(text)
    return found[-1].strip(" .") if found else ""
