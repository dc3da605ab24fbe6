"""Which field of a file's records says whether their answer was liked, and records that are not to be learnt for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brightrun_tui.datasets.mark_words import Meaning, judgement, meaning_of, name_words, rejects, truth
from brightrun_tui.datasets.marks import fields_of
from brightrun_tui.datasets.turns import Unusable

_JUDGED = (Meaning.LIKED, Meaning.DISLIKED, Meaning.RATED, Meaning.REVIEWED)
_COUNTS = frozenset({"votes", "upvote", "upvotes", "stars"})
_NAMES = frozenset({"label", "tag"})
_MOST_VALUES = 8
"""Values of a field, and different answers, that are kept to tell a judgement from a class."""
_SELDOM = 10
_LEAST_USES, _LONGEST_CLASS = 3, 20
"""Times that each answer is given on average, and its characters, for answers to be classes."""


@dataclass(frozen=True)
class Thumbs:
    """``field`` says by true or false, or 1 and −1, whether an answer was liked; ``rated`` how good it is, by a number.

    Both are empty where there is no such field. ``others`` are fields that were looked at, and say something else.
    """

    field: str = ""
    rated: str = ""
    others: frozenset[str] = frozenset()

    def refuse_disliked(self, row: Mapping[str, Any]) -> None:
        """Raise `Unusable` where the record's answer was disliked.

        Also where that stands in a field that only some records have, if its name leaves no doubt.
        """
        for name, value in fields_of(row):
            if name in self.others or not (name == self.field or isinstance(value, bool)):
                continue
            said, meaning = judgement(value), meaning_of(name)
            if said is None or meaning not in _JUDGED or (meaning is Meaning.REVIEWED and not rejects(value)):
                continue
            if (said <= 0) is not (meaning is Meaning.DISLIKED):
                raise Unusable("thumbs_down", name)


def candidates(rows: Sequence[Any]) -> list[str]:
    """Return fields of these records that may say whether an answer was liked, those that say so in so many words first."""
    names = dict.fromkeys(
        name
        for row in rows
        if isinstance(row, Mapping)
        for name, value in fields_of(row)
        if meaning_of(name) in _JUDGED and not isinstance(value, dict | list)
    )
    return sorted(names, key=lambda name: (meaning_of(name) is Meaning.RATED, meaning_of(name) is Meaning.REVIEWED))


def find_thumbs(names: Sequence[str], rows: Iterable[Any], answer_of: Callable[[Mapping[str, Any]], str]) -> Thumbs:
    """Return what the fields ``names`` of these records say; all records are read, as a judgement is told from a class by all.

    A judgement is true or false; in other words for these, most records have it. A field whose value follows from the
    answer is the class that it names.
    """
    fields = {name: _Field() for name in names}
    count = 0
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        count += 1
        answer = answer_of(row)
        for name, value in fields_of(row):
            if name in fields:
                fields[name].see(value, answer)
    thumb = next((name for name, one in fields.items() if one.is_thumb(name, count)), "")
    rated = (name for name, one in fields.items() if name != thumb and one.is_rating(name, count))
    others = (name for name, one in fields.items() if name != thumb and (not one.plain or one.is_class))
    return Thumbs(thumb, next(rated, ""), frozenset(others))


@dataclass
class _Field:
    """What was seen in a field. ``values`` holds numbers; ``by_answer`` what each answer was marked with, while they are few."""

    count: int = 0
    values: set[float] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    odd: int = 0
    plain: bool = True
    judged: int = 0
    by_answer: dict[str, float] | None = field(default_factory=dict)
    follows: bool = True
    rejected: int = 0
    told: int = 0

    def see(self, value: Any, answer: str) -> None:
        self.count += 1
        if rejects(value):
            self.rejected += 1
            self.told += str(value).strip().casefold() in answer.casefold()
        try:
            said = truth(value)
        except ValueError:
            self.odd += 1
            return
        if said is None:
            return
        self.judged += 1
        if len(self.values) <= _MOST_VALUES:
            self.values.add(said)
        if isinstance(value, str) and len(self.words) <= _MOST_VALUES:
            self.words.add(value.strip().casefold())
        self.plain = self.plain and isinstance(value, bool)
        if self.by_answer is not None:
            self.follows = self.follows and self.by_answer.setdefault(answer, said) == said
            if len(self.by_answer) > _MOST_VALUES:
                self.by_answer = None

    @property
    def is_odd(self) -> bool:
        """Whether it holds other words than marks, more than here and there."""
        return self.odd * _SELDOM > self.count

    @property
    def is_class(self) -> bool:
        """Whether it says the same as the answer, of which there are few that come again and again."""
        few = self.by_answer is not None and 1 < len(self.by_answer) * _LEAST_USES <= self.judged
        return few and self.follows and (not self.plain or max(map(len, self.by_answer or ())) <= _LONGEST_CLASS)

    def is_thumb(self, name: str, records: int) -> bool:
        """Say whether it says of most records by yes or no whether their answer was liked; a review's may say so of some only."""
        if meaning_of(name) is Meaning.REVIEWED:
            about_the_case = self.told * 2 > self.rejected  # the answer tells what was decided
            return 0 < self.rejected < self.count and not about_the_case and not self.is_class
        if self.is_odd or not self.values or self.is_class or (self.count * 2 <= records and not self.plain):
            return False
        words = name_words(name)
        if meaning_of(name) is Meaning.RATED and not self.plain:
            if self.values == {0.0} or (words & _COUNTS and -1.0 not in self.values):
                return False  # nobody rated it, the number of a class, or how many did
            if words & _NAMES and self.words and self.words <= {"positive", "negative"}:
                return False  # a feeling, not a judgement
        return self.values <= {-1.0, 1.0} or self.values <= {0.0, 1.0} or self.values == {-1.0, 0.0, 1.0}

    def is_rating(self, name: str, records: int) -> bool:
        """Say whether it says of most records by a number how good their answer is."""
        if meaning_of(name) is Meaning.REVIEWED:
            return False
        varied = len(self.values) > 1 and not self.is_odd and self.count * 2 > records
        return varied and not self.is_class and not name_words(name) <= _NAMES
