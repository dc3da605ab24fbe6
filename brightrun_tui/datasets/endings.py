"""How answers end: whether they were cut off, at a number of characters or of words, or within a sentence."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from brightrun_tui.datasets.problem_log import ProblemLog

_LEAST = {"characters": 100, "words": 20}
"""Of the longest answer, from which on a limit may have ended it."""
_ENDING = 12
"""Characters; answers that end alike have a signature, those that were cut off end anyhow."""
_SENTENCE_ENDS = tuple(".!?…:;)]}>\"'“”»`*|。！？")
_LEAST_SENTENCE, _FEWEST_SPACES = 20, 3
"""Characters from which on an answer is looked at for how it ends, and spaces in its last line."""
_MOST_OPEN = 0.4
"""Share of such answers up to which those that end within a sentence are not how answers end there."""


class AnswerEnds:
    """Looks at answers as they go by.

    Of the longest, in characters and in words, those that end open are kept: by how they end, the entry of the first.
    """

    def __init__(self) -> None:
        self._most = {"characters": 0, "words": 0}
        self._found: dict[str, dict[int, int]] = {"characters": {}, "words": {}}
        self._ended = 0
        self._open = array("L")

    def see(self, answers: Sequence[str], entry: int) -> None:
        """Look at the answers of a record that are learnt."""
        most = self._most
        for answer in answers:
            if len(answer) >= most["characters"]:
                self._keep("characters", len(answer), answer, entry)
            spaces = answer.count(" ")
            if spaces + 1 >= most["words"] and ". " in answer:  # else it may be a form with so many words
                self._keep("words", spaces + 1, answer, entry)
        end = answers[-1].rstrip()
        if len(end) < _LEAST_SENTENCE:
            return
        if end.endswith(_SENTENCE_ENDS):
            self._ended += 1
        elif (end[-1].isalpha() or end[-1] == ",") and end.count(" ", end.rfind("\n") + 1) >= _FEWEST_SPACES:
            self._open.append(entry)

    def _keep(self, unit: str, length: int, answer: str, entry: int) -> None:
        if length > self._most[unit]:
            self._most[unit], self._found[unit] = length, {}
        if _is_open(answer.rstrip()):
            self._found[unit].setdefault(hash(answer.rstrip(".…")[-_ENDING:]), entry)

    def conclude(self, log: ProblemLog, usable: int) -> None:
        """Remark on answers that seem to be cut off."""
        least = max(3, usable // 200)
        for unit, found in self._found.items():
            if self._most[unit] >= _LEAST[unit] and len(found) >= least:
                detail = f"{self._most[unit]:,} {unit}"
                log.add("cut_short", count=len(found), detail=detail, entries=found.values())
                return
        if least <= len(self._open) <= _MOST_OPEN * (len(self._open) + self._ended):
            log.add("open_ended", count=len(self._open), entries=self._open)


def _is_open(answer: str) -> bool:
    """Say whether it does not end as a sentence does; dots tell that something is left out."""
    return answer.endswith(("...", "…")) or not answer.endswith(_SENTENCE_ENDS)
