"""The opening and the closing that most training answers share: a greeting, a signature. They answer nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from brightrun_tui.trainer.report.facts import WORD, is_answer_word

SHARED_BY = 0.3
"""Share of the training answers from which on an opening or a closing says nothing about the question."""
FEWEST = 4
LONGEST = 24
"""Words of an opening or a closing at most."""

_MARK = re.compile(r"[^\w\s'’]|\n")
_IN_A_NUMBER = re.compile(r"\d[.,:]\d")
"""A comma that begins decimals begins no closing: the cents of a price are a part of the answer."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """Word sequences, casefolded, that answers begin with or end with."""

    openings: frozenset[Words] = frozenset()
    closings: frozenset[Words] = frozenset()

    def without(self, text: str) -> str:
        """Return the text without the longest opening and closing known; a text that is nothing else stays whole."""
        words, first, last = self._places(text)
        if first >= last:
            return text.strip()
        start = words[first].start()
        if text[start].isdigit() and text[max(0, start - 1) : start] in ("-", "−"):
            start -= 1  # the sign of a number
        found = text[start : words[last].start() if last < len(words) else len(text)]
        return found.strip(" \n\t,–—").rstrip("-")

    def within(self, text: str) -> tuple[bool, bool]:
        """Say whether the text has a known opening of two words or more, and a known closing."""
        words, first, last = self._places(text)
        return first >= 2, last < len(words)

    def words(self, answers: Iterable[str]) -> str:
        """Return opening and closing as they are most often written, for people: ``Hello there … Happy growing, Ida``."""
        openings: Counter[str] = Counter()
        closings: Counter[str] = Counter()
        for text in answers:
            words, first, last = self._places(text)
            if 2 <= first < last:
                openings[text[: words[first - 1].end()].strip()] += 1
            if first < last < len(words):
                closings[" ".join(text[words[last].start() :].split())] += 1
        return " … ".join(counter.most_common(1)[0][0] for counter in (openings, closings) if counter)

    def _places(self, text: str) -> tuple[list[re.Match[str]], int, int]:
        """Return the words, the number of the first behind the opening, and that of the first of the closing."""
        words = list(WORD.finditer(text))
        folded = [word[0].casefold() for word in words]
        longest = min(LONGEST, len(words))
        first = max((n for n in range(1, longest + 1) if tuple(folded[:n]) in self.openings), default=0)
        if 0 < first < longest and _is_addressed(text, words, first):
            first += 1
        last = min((n for n in _closing_starts(text, words) if tuple(folded[n:]) in self.closings), default=len(words))
        return words, first, last


def find_frame(answers: Sequence[str]) -> Frame:
    """Return the frame of these training answers.

    An opening ends before a yes, a no or a number, which may be the answer; a closing begins behind a punctuation mark.
    """
    openings: Counter[Words] = Counter()
    closings: Counter[Words] = Counter()
    for text in answers:
        words = list(WORD.finditer(text))
        folded = [word[0].casefold() for word in words]
        longest = min(LONGEST, len(folded) - 1)  # the whole of an answer is its content
        stop = next((n for n, word in enumerate(folded) if is_answer_word(word)), longest)
        openings.update(tuple(folded[:n]) for n in range(1, min(stop, longest) + 1))
        closings.update(tuple(folded[n:]) for n in _closing_starts(text, words))
    enough = max(FEWEST, ceil(SHARED_BY * len(answers)))
    return Frame(
        frozenset(words for words, count in openings.items() if count >= enough),
        frozenset(words for words, count in closings.items() if count >= enough),
    )


def _is_addressed(text: str, words: Sequence[re.Match[str]], place: int) -> bool:
    """Say whether the opening goes on with whom it greets: ``Hello Ada!``, but not ``Hello! Yes,``."""
    before, after = text[words[place - 1].end() : words[place].start()], text[words[place].end() :][:1]
    word = words[place][0]
    return not before.strip() and after in ("!", ",") and word[0].isupper() and not is_answer_word(word)


def _closing_starts(text: str, words: Sequence[re.Match[str]]) -> list[int]:
    """Return numbers of the words that a closing may begin with."""
    return [
        n
        for n in range(max(1, len(words) - LONGEST), len(words))
        if _MARK.search(text, words[n - 1].end(), words[n].start())
        and not _IN_A_NUMBER.fullmatch(text[words[n - 1].end() - 1 : words[n].start() + 1])
    ]
