"""What is counted while the records of a dataset go by, and what follows from it."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from brightrun_tui.datasets.alike import same
from brightrun_tui.datasets.answers import FEW, MANY, remarks_on
from brightrun_tui.datasets.brightrun_v4 import announced_records
from brightrun_tui.datasets.credentials import credentials_in
from brightrun_tui.datasets.endings import AnswerEnds
from brightrun_tui.datasets.folder import is_for_testing
from brightrun_tui.datasets.languages import judge_languages
from brightrun_tui.datasets.mark_words import tells_all
from brightrun_tui.datasets.opening import Dataset
from brightrun_tui.datasets.parsed import COMPLETIONS, PROMPTS, SYSTEMS
from brightrun_tui.datasets.personal import personal_data
from brightrun_tui.datasets.problem_log import FIRST_PLACES, ProblemLog
from brightrun_tui.datasets.sampling import RecordSample, pieces_of
from brightrun_tui.datasets.slipped import RowOrder
from brightrun_tui.datasets.source import fingerprint
from brightrun_tui.datasets.spelling import garbled_in, spelling_in
from brightrun_tui.datasets.splitting import SplitKey, content_of, find_units, likeness, other_answers, split_key
from brightrun_tui.datasets.templated import (
    has_control_characters,
    has_unseen_characters,
    letter_form_in,
    marks_in,
    markup_in,
)
from brightrun_tui.datasets.turns import printable
from brightrun_tui.datasets.unread import UnreadFields, first_names
from brightrun_tui.datasets.versions import origin_in
from brightrun_tui.domain.correction import correction_number
from brightrun_tui.domain.dataset import DatasetReport, LanguageShares, LengthStats, Record
from brightrun_tui.domain.languages import language_name, shares_said

SHORT_ANSWER = 2
VERY_LONG = 32_000
FEW_RECORDS = 20
_SAME_ANSWER_SHARE = 0.8
_MOST_ANSWERS = 1000
_MOST_CATEGORIES = 12
_MOST_VALUES = 100
_LABEL_USES = 3
"""Times that each answer is given on average from which on answers are labels."""


class Survey:
    """What is counted while the records go by."""

    def __init__(self, preview: int) -> None:
        self.log = ProblemLog()
        self.entry = 0
        self.entries = array("L")
        self.sample = RecordSample()
        self._order = RowOrder()
        self.like: dict[str, array[int]] = {}
        self.records = 0
        self.usable = 0
        self._corrections = 0
        self._turns = 0
        self._preview_size = preview
        self._preview: list[Record] = []
        self._lengths = array("L")
        self._answer_lengths = array("L")
        self._tool_lengths = array("L")
        self._keys: list[SplitKey] = []
        self._places = _Places()
        self._said = array("q")
        self._answers: Counter[int] = Counter()
        self._ends = AnswerEnds()
        self._last_answers = array("q")
        self._categories: dict[str, Counter[str]] = {}
        self.fields = UnreadFields()
        self._personal: dict[str, array[int]] = {}
        self._first_personal: list[str] = []
        self._languages = LanguageShares()

    @property
    def all_the_same(self) -> bool:
        return all(content_of(key) == content_of(self._keys[0]) for key in self._keys)

    def note(self, kind: str, place: str, detail: str = "") -> None:
        """Count something found in the entry that is looked at."""
        self.log.add(kind, place, detail=detail, entries=(self.entry,))

    def take(self, record: Record, place: str) -> None:
        """Count a usable record."""
        self.records += 1
        self.usable += 1
        self._corrections += correction_number(record.id) is not None
        self.entries.append(self.entry)
        if len(self._preview) < self._preview_size:
            self._preview.append(record)
        answers = [message.said for message in record.messages if message.role == "assistant" and message.train]
        length = sum(len(message.said) + len(message.reasoning) for message in record.messages)
        self.sample.add(self.entry, place, record, length)
        self._order.take(self.entry, place, record)
        self._turns += sum(message.role != "system" for message in record.messages)
        self._lengths.append(length)
        self._answer_lengths.append(sum(map(len, answers)))
        self._tool_lengths.append(len(json.dumps(record.tools, ensure_ascii=False)) if record.tools else 0)
        key = split_key(record)
        self._keys.append(key)
        self._places.add(place, record.line)
        self._said.append(hash((likeness(key), *(message.train for message in record.messages))))
        if min(len(answer.strip()) for answer in answers) <= SHORT_ANSWER:
            self.note("short_answer", place)
        if length > VERY_LONG:
            self.note("very_long", place)
        self._look_at_answers(record, answers, place)
        answer = hash(answers[-1])
        self._last_answers.append(answer)
        if answer in self._answers or len(self._answers) < _MOST_ANSWERS:
            self._answers[answer] += 1
        self._count_categories(record)

    def _look_at_answers(self, record: Record, answers: Sequence[str], place: str) -> None:
        """Remark on answers that are not answers, or hold more or less than one."""
        for kind, detail in remarks_on(record, answers):
            self.note(kind, place, detail)
        self._ends.see(answers, self.entry)

    def note_characters(self, record: Record, place: str) -> None:
        """Remark on characters that would be learnt as text but are not text."""
        texts = [message.content for message in record.messages]
        if garbled := next(filter(None, map(garbled_in, texts)), ""):
            self.note("garbled", place, detail=garbled)
        if mark := marks_in(texts):
            self.note("marks", place, detail=mark)
        if spelling := next(filter(None, map(spelling_in, texts)), ""):
            self.note("spelling", place, detail=spelling)
        if markup := next(filter(None, map(markup_in, texts)), ""):
            self.note("markup", place, detail=markup)
        self._count_personal(personal_data(texts), place)
        if kind := credentials_in(texts):
            self.note("credentials", place, detail=kind)
        if any(map(has_unseen_characters, texts)):
            self.note("invisible", place)
        if form := next(filter(None, map(letter_form_in, texts)), ""):
            self.note("letter_forms", place, detail=form)
        if any(map(has_control_characters, texts)):
            self.note("control_characters", place)

    def _count_categories(self, record: Record) -> None:
        for name, value in record.categories.items():
            if name not in self._categories and len(self._categories) >= _MOST_CATEGORIES:
                continue
            values = self._categories.setdefault(name, Counter())
            if value in values or len(values) <= _MOST_VALUES:
                values[value] += 1

    def _count_personal(self, kinds: Sequence[str], place: str) -> None:
        for kind in kinds:
            self._personal.setdefault(kind, array("L")).append(self.entry)
        if kinds and len(self._first_personal) < FIRST_PLACES:
            self._first_personal.append(place)

    def conclude(self, dataset: Dataset, go_on: Callable[[], None]) -> None:
        """Make the remarks that need the whole picture. ``go_on`` is called now and then; what it raises ends the work."""
        self._conclude_on_answers()
        self._conclude_on_copies(go_on)
        announced = announced_records(dataset.header)
        if announced is not None and announced != self.records:
            self.log.add("announced", count=announced, detail=f"{self.records:,}")
        self.fields.conclude(self.log, self.usable)
        self._conclude_on_content(go_on)
        self._conclude_on_file(dataset)

    def _conclude_on_answers(self) -> None:
        """Remark on answers that are alike in length, in where they end, or altogether."""
        if self.log.count("short_answer") * 2 > self.usable:
            self.log.drop("short_answer")
        for kind in (*MANY, *FEW):
            if (self.log.count(kind) * 2 > self.usable) is (kind in FEW):
                self.log.drop(kind)
        if len(self._answers) * _LABEL_USES <= self.usable:
            self.log.drop("unfilled")  # a label like any other
        self._ends.conclude(self.log, self.usable)
        entries, places, by = self._order.slipped()
        if entries:
            detail = "before" if by < 0 else "behind"
            self.log.add("slipped", count=len(entries), detail=detail, entries=entries, places=places)
        if self.usable < FEW_RECORDS:
            self.log.add("few_records", count=self.usable, entries=self.entries)
        answer, most = self._answers.most_common(1)[0]
        if self.usable >= FEW_RECORDS and most >= _SAME_ANSWER_SHARE * self.usable:
            same_answer = (self.entries[i] for i, said in enumerate(self._last_answers) if said == answer)
            self.log.add("same_answer", count=most, entries=same_answer)

    def _conclude_on_file(self, dataset: Dataset) -> None:
        """Remark on what concerns the whole file: ratings, cells, encodings, and what stands beside the records."""
        if dataset.ratings:
            self.log.add("rated", count=self.usable, detail=first_names(dataset.ratings), entries=self.entries)
        if dataset.sheet.dates:
            form, shown = next(iter(dataset.sheet.dates.items()))
            detail = f"{printable(form)}: {printable(shown)}"
            self.log.add("plain_dates", count=self.usable, detail=detail, entries=self.entries)
        sheet = dataset.sheet
        for kind, count in (
            ("filled", sheet.filled),
            ("hidden_rows", sheet.hidden),
            ("struck_through", sheet.struck),
            ("commented", sheet.commented),
        ):
            if count:
                self.log.add(kind, count=count)
        if unseen := [
            name for name in sheet.unseen if name.lower() in (*PROMPTS, *COMPLETIONS, *SYSTEMS, "instruction")
        ]:
            self.log.add("hidden_columns", count=self.usable, detail=first_names(dict.fromkeys(unseen)))
        if dataset.encodings:
            detail = ", ".join(dataset.encodings)
            self.log.add("encoding", count=self.usable, detail=detail, entries=self.entries)
        if dataset.for_testing:
            left = [file.name for file in dataset.for_testing]
            self.log.add("for_testing", count=len(left), detail=first_names(left))
        if told := [name for name, value in dataset.header.items() if tells_all(name) and " " in str(value).strip()]:
            self.log.add("beside_list", count=self.usable, detail=first_names(told))
        testing = {name: count for name, count in dataset.others.items() if is_for_testing(name)}
        others = {name: count for name, count in dataset.others.items() if name not in testing}
        for kind, lists in (("other_lists", others), ("list_for_testing", testing)):
            if lists:
                self.log.add(kind, count=sum(lists.values()), detail=first_names(lists))

    def _conclude_on_content(self, go_on: Callable[[], None]) -> None:
        """Note remarks on personal data, by kind, and on the few records in another language."""
        if self._personal:
            most_first = sorted(self._personal.items(), key=lambda item: -len(item[1]))
            detail = ", ".join(f"{kind} in {len(found):,}" for kind, found in most_first)
            concerned = sorted({entry for _, found in most_first for entry in found})
            self.log.add(
                "personal", count=len(concerned), detail=detail, entries=concerned, places=self._first_personal
            )
        go_on()
        self._languages, strangers = judge_languages(self.sample.records())
        if strangers:
            main, *others = self._languages.shares
            detail = f"{shares_said({code: self._languages.shares[code] for code in others})}; most are {language_name(main)}"
            if self._languages.of < self.usable:
                detail += f"; {self._languages.of:,} records were looked at"
            entries, places = [each.entry for each in strangers], [each.place for each in strangers]
            self.log.add("other_language", count=len(strangers), detail=detail, entries=entries, places=places)

    def _conclude_on_copies(self, go_on: Callable[[], None]) -> None:
        """Note remarks on records that say what others say, and on what that means for those that are held out."""
        go_on()
        self._name_pairs("duplicate", same(range(self.usable), lambda i: self._said[i : i + 1].tobytes()))
        go_on()
        units = find_units(self._keys, go_on)
        self._name_pairs("near_copy", units.near)
        go_on()
        near = {index for members in units.near for index in members[1:]}
        self._name_pairs(
            "other_answer", ([i for i in members if i not in near] for members in other_answers(self._keys))
        )
        if units.near_parted:
            self._name_all("near_parted", sorted(index for members in units.near for index in members))
        if units.of_one_form:
            self._name_all("one_form", sorted(units.of_one_form))
        if units.one_group:
            self.log.add("one_conversation", count=self.usable, entries=self.entries)
        if units.parted:
            self._name_all("shared_prompt", sorted(units.parted))

    def _name_all(self, kind: str, indices: Sequence[int]) -> None:
        """Add records that are too many to be named, with their share of all."""
        share = f"{len(indices) / self.usable:.0%}"
        self.log.add(kind, count=len(indices), detail=share, entries=(self.entries[i] for i in indices))

    def _name_pairs(self, kind: str, sets: Iterable[list[int]]) -> None:
        """Add every record but the first of each set, with the first one's place beside its own."""
        for later, first in sorted((later, members[0]) for members in sets for later in members[1:]):
            self.log.add(kind, partial(self._places.of_both, later, first), entries=(self.entries[later],))
            self.like.setdefault(kind, array("L")).append(self.entries[first])

    def report(self, dataset: Dataset) -> DatasetReport:
        path = dataset.path
        categories = {
            name: dict(values.most_common()) for name, values in self._categories.items() if len(values) <= _MOST_VALUES
        }
        return DatasetReport(
            path=str(path),
            name=dataset.name,
            format=", ".join(dataset.formats),
            bytes=dataset.size,
            fingerprint=fingerprint(path),
            records=self.records,
            usable=self.usable,
            turns=self._turns,
            duplicates=self.log.count("duplicate"),
            problems=self.log.problems(),
            characters=_stats(self._lengths),
            answer_characters=_stats(self._answer_lengths),
            categories=categories,
            preview=tuple(self._preview),
            origin=origin_in(dataset.header),
            languages=self._languages,
            corrections=self._corrections,
            texts=pieces_of([each.record for each in self.sample.records()]),
            tool_characters=_stats(self._tool_lengths),
        )


class _Places:
    """Where each usable record is: “line 12”, in 8 bytes a record."""

    def __init__(self) -> None:
        self._unit = ""
        self._numbers = array("L")
        self._odd: dict[int, str] = {}

    def add(self, place: str, number: int) -> None:
        self._unit = self._unit or place.partition(" ")[0]
        if place != f"{self._unit} {number}":
            self._odd[len(self._numbers)] = place
        self._numbers.append(number)

    def of(self, index: int) -> str:
        return self._odd.get(index, f"{self._unit} {self._numbers[index]}")

    def of_both(self, index: int, other: int) -> str:
        return f"{self.of(index)} as {self.of(other)}"


def _stats(lengths: Any) -> LengthStats:
    ordered = sorted(lengths)
    count = len(ordered)
    percentiles = tuple(ordered[max(0, -(-count * percent // 100) - 1)] for percent in range(1, 101))
    return LengthStats(mean=sum(ordered) / count, percentiles=percentiles, longest=ordered[-1])
