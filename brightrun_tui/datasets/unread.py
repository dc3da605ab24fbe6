"""Fields of records that nothing reads: texts, remarks of people, other answers, and marks, and what is said of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from brightrun_tui.datasets.mark_words import (
    is_explanation,
    is_note,
    is_other_answer,
    says_so,
    speaks_of_faults,
    speaks_of_learning,
    tells_more,
)
from brightrun_tui.datasets.marks import Flag
from brightrun_tui.datasets.parsed import COMPLETIONS, OTHER_ANSWERS, OTHER_NUMBER
from brightrun_tui.datasets.problem_log import ProblemLog
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.dataset import Record

_LONG_TEXT = 100
_MOST_FIELDS = 100
_MOST_NAMES = 5
_Found = Mapping[str, "array[int]"]


class UnreadFields:
    """Counts, by the names of fields, the entries that have something there."""

    def __init__(self) -> None:
        self.texts: dict[str, array[int]] = {}
        self._long: dict[str, array[int]] = {}
        self._flags: dict[str, array[int]] = {}
        self._flagged: dict[str, set[float]] = {}

    def see(self, entry: int, names: Iterable[str], long: Iterable[str], flags: Iterable[Flag]) -> None:
        """Count fields of a record whose text is not in its turns, those of them that its question may be about, and marks."""
        for found, each in ((self.texts, names), (self._long, long)):
            for name in dict.fromkeys(each):
                if name in found or len(found) < _MOST_FIELDS:
                    found.setdefault(name, array("L")).append(entry)
        for name, value in flags:
            if name in self._flags or len(self._flags) < _MOST_FIELDS:
                entries = self._flags.setdefault(name, array("L"))
                if value != OTHER_NUMBER and (not entries or entries[-1] != entry):
                    entries.append(entry)
                self._flagged.setdefault(name, set()).add(value)

    def conclude(self, log: ProblemLog, usable: int) -> None:
        """Add remarks on fields with text that nothing reads, and on marks that are not heeded."""
        most_first = sorted(self.texts.items(), key=lambda item: -len(item[1]))
        kinds: dict[str, dict[str, array[int]]] = {
            kind: {} for kind in ("two_answers", "noted", "long_unused", "unused_fields", "")
        }
        for name, found in most_first:
            kinds[self._kind_of(name, found, usable)][name] = found
        for kind, fields in kinds.items():
            if kind:
                _add(log, kind, fields, max(map(len, fields.values()), default=0))
        telling = {
            name: found
            for name, found in self._flags.items()
            if speaks_of_learning(name) or (len(self._flagged[name]) > 1 and OTHER_NUMBER not in self._flagged[name])
        }
        for kind, learning in (("unread_marks", True), ("flags", False)):
            marks = {name: found for name, found in telling.items() if speaks_of_learning(name) is learning and found}
            _add(log, kind, marks, len({entry for found in marks.values() for entry in found}))

    def _kind_of(self, name: str, found: array[int], usable: int) -> str:
        """Return what is said of a field of this name, if anything: of several remarks the one that asks most of people."""
        most = len(found) * 2 > usable
        if name.strip().lower() in (*COMPLETIONS, *OTHER_ANSWERS) or (most and is_other_answer(name)):
            return "two_answers"
        if is_note(name) or (not most and speaks_of_faults(name)):
            return "noted"
        if 2 * len(self._long.get(name, ())) > usable and not is_explanation(name):
            return "long_unused"
        return "unused_fields" if most or "." in name else ""


def _add(log: ProblemLog, kind: str, fields: _Found, count: int) -> None:
    if fields:
        concerned = sorted({entry for found in fields.values() for entry in found})
        log.add(kind, count=count, detail=first_names(fields), entries=concerned)


def first_names(names: Iterable[str]) -> str:
    """Return the first names of strangers, to show."""
    return ", ".join(f"“{printable(name)}”" for name in list(names)[:_MOST_NAMES])


def may_be_asked_about(name: str, value: Any, record: Record) -> bool:
    """Say whether an answer may rest on a text: a long one, or one that is called so, which does not hold the question, too."""
    if isinstance(value, list) or (isinstance(value, Mapping) and tells_more(name)):  # passages, each a text of its own
        value = "\n".join(_texts_within(value))
    if (
        not isinstance(value, str)
        or not value
        or says_so(value) is not None
        or not (len(value) >= _LONG_TEXT or tells_more(name))
    ):
        return False
    asked = next(message.content for message in reversed(record.messages) if message.role != "assistant")
    return asked.strip().partition("\n")[0] not in value


def _texts_within(value: Any, depth: int = 3) -> Iterator[str]:
    for part in value.values() if isinstance(value, Mapping) else value:
        if isinstance(part, str):
            yield part
        elif isinstance(part, list | Mapping) and depth:
            yield from _texts_within(part, depth - 1)
