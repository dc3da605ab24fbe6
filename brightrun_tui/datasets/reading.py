"""One corridor from a file to records: open, recognise, draft, check the turns."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from brightrun_tui.datasets.brightrun_v4 import pairs_of
from brightrun_tui.datasets.document import Document, find_records
from brightrun_tui.datasets.folder import data_files
from brightrun_tui.datasets.formats import (
    JSON_SUFFIXES,
    DatasetFormat,
    format_of_suffix,
    formats,
    is_record,
    recognise,
    unwrapped,
)
from brightrun_tui.datasets.jsonl import read_jsonl
from brightrun_tui.datasets.mark_words import DECIDED, decision
from brightrun_tui.datasets.marks import Flag, fields_of_parts, is_mark, is_part, refuse_marked
from brightrun_tui.datasets.message_rows import join_messages, one_by_one
from brightrun_tui.datasets.pairs import CHOICES, HISTORIES
from brightrun_tui.datasets.parquet import read_parquet
from brightrun_tui.datasets.parsed import CATEGORIES, COMPLETIONS, CONVERSATIONS, PROMPTS, ParsedRecord, lowered
from brightrun_tui.datasets.preference import refuse_preferences
from brightrun_tui.datasets.reading_options import inspect_as, split_reading
from brightrun_tui.datasets.refusing import TABLE_SUFFIXES, check_columns, unknown_form
from brightrun_tui.datasets.source import ACCEPTED, HEAD_BYTES, PEEK, SourceFile, SourceRow, no_records, readable
from brightrun_tui.datasets.tables import columns_of, read_csv
from brightrun_tui.datasets.templated import cleaned
from brightrun_tui.datasets.thumbs import Thumbs, candidates, find_thumbs
from brightrun_tui.datasets.turns import Unusable, canonical_messages, printable
from brightrun_tui.datasets.unread import may_be_asked_about
from brightrun_tui.datasets.workbooks import read_workbook
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError, UsageError

COLUMN_ROLES = ("prompt", "completion", "system", "context", "messages", "id", "group", "category")
PLAIN_SUFFIXES = (".txt", ".text", ".log", "")
"""Endings that say nothing: the content does."""
_LONGEST_NAME = 100
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]])")
"""How objects and lists begin."""


class EntryOutcome(NamedTuple):
    """What became of one entry: a record with remarks and the names of fields it does not hold, or the kind of reason why not.

    ``value`` is what the file holds there, where that is left out. ``flags`` are marks that nobody reads. ``texts``: of the
    unused fields those with a text that is long enough to be what the question is about.
    """

    place: str
    record: Record | None
    left_out: str = ""
    detail: str = ""
    remarks: Sequence[str] = ()
    unused: Sequence[str] = ()
    value: Any = None
    flags: Sequence[Flag] = ()
    texts: Sequence[str] = ()


@dataclass
class Source:
    """An opened dataset. ``header`` and ``others`` are complete when the rows are exhausted (see `Document`).

    ``unheard`` are the roles group and id with their columns, where mapped, until a record has a value there.
    """

    file: SourceFile
    format: DatasetFormat
    rows: Iterator[SourceRow]
    forced: bool = False
    thumbs: Thumbs = field(default_factory=Thumbs)
    parts: frozenset[str] = frozenset()
    clean: bool = False
    unheard: dict[str, str] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)

    def outcomes(self, ids: set[int], part: str) -> Iterator[EntryOutcome]:
        """Yield what becomes of every entry, in order.

        ``ids`` are the hashes of those that were given already. ``part`` is the file's name where it is one of several.

        Raises:
            DatasetError: the file turns out to be broken, or a column mapped to group or id to hold nothing.
        """
        heard = False
        for row in _pairs(self.rows, self.header):
            place = f"{part} {row.place}" if part else row.place
            try:
                record, remarks, draft = self._record(row, part)
            except Unusable as reason:
                yield EntryOutcome(place, None, reason.kind, reason.detail, value=row.value)
                continue
            heard = True
            key = hash(record.id)
            if key in ids:
                record = record.model_copy(update={"id": f"{record.id}~{row.number}"})
                remarks.append("duplicate_id")
            ids.add(key)
            unused = [name for name in draft.unused if name != self.thumbs.field and not is_part(name, self.parts)]
            flags = [flag for flag in draft.flags if flag[0] != self.thumbs.field]
            texts = [name for name in unused if may_be_asked_about(name, row.value.get(name), record)]
            yield EntryOutcome(place, record, remarks=remarks, unused=unused, flags=flags, texts=texts)
        if heard and self.unheard:
            role, column = next(iter(self.unheard.items()))
            raise DatasetError(
                f"the column “{printable(column)}” (for {role}) holds no text and no number in any record",
                where=str(self.file.path),
                fix=f"map {role} to a column that does, or leave it out",
                kind=ErrorKind.DATASET_COLUMNS,
            )

    def _record(self, row: SourceRow, part: str) -> tuple[Record, list[str], ParsedRecord]:
        if not isinstance(row.value, Mapping):
            raise Unusable("other_shape")
        if _is_header(row.value):
            raise Unusable("header_again")
        self.thumbs.refuse_disliked(row.value)
        marked = refuse_marked(row.value, self.parts)
        chosen = self.format
        if not self.forced and not chosen.matches(row.value):
            chosen = recognise([row.value]) or chosen
        draft = chosen.draft(row.value)
        for role in [role for role in self.unheard if getattr(draft, role)]:
            del self.unheard[role]
        try:
            messages, remarks = canonical_messages(cleaned(draft.turns) if self.clean else draft.turns)
        except Unusable as reason:
            if "unsorted" in draft.remarks and reason.kind in ("no_answer", "no_question"):
                raise Unusable("newest_first") from None
            raise
        record = Record(
            id=draft.id or f"{part or 'record'}-{row.number}",
            messages=messages,
            group=draft.group,
            categories=draft.categories,
            line=row.number,
            tools=draft.tools,
        )
        return record, list(dict.fromkeys((*draft.remarks, *remarks, *marked))), draft


def open_source(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,
    clean: bool = False,
) -> Source:
    """Open a dataset and tell its format by its first entries. With ``clean`` its turns are `templated.cleaned`.

    Raises:
        DatasetError: the file cannot be used; says what, where and the fix.
        UsageError: ``format`` or a role in ``columns`` does not exist.
    """
    if format is not None and format not in formats():
        raise UsageError(
            f"there is no dataset format “{format}”",
            fix=f"one of: {', '.join(formats())}",
            kind=ErrorKind.UNKNOWN_FORMAT,
        )
    encoding, sheet, columns = split_reading(columns)
    unknown = next((role for role in columns if role not in COLUMN_ROLES), None)
    if unknown is not None:
        raise UsageError(
            f"a column cannot be mapped to “{unknown}”",
            fix=f"one of: {', '.join(COLUMN_ROLES)}",
            kind=ErrorKind.UNKNOWN_COLUMN_ROLE,
        )
    file = inspect_as(path, encoding, sheet)
    first, rows, document = _entries(file, columns, sheet)
    if all(_is_meta(row.value) for row in first):
        raise no_records(file)
    thumbs = Thumbs()
    if judging := candidates([unwrapped(row.value) for row in first]):
        values = (unwrapped(row.value) for row in chain(first, rows))
        thumbs = find_thumbs(judging, values, partial(_answer_in, columns))
        first, rows, document = _entries(file, columns, sheet)
    parts = fields_of_parts(unwrapped(row.value) for row in first) - {*columns.values(), *COMPLETIONS, *CATEGORIES}
    if columns:
        check_columns(file, first, columns)
        first = list(_renamed(first, columns, parts))
        rows = _renamed(rows, columns, parts)
    else:
        refuse_preferences(str(file.path), [unwrapped(row.value) for row in first])
    beginning = [unwrapped(row.value) for row in first]
    recognised = recognise(beginning)
    chosen = formats()[format] if format else recognised
    if chosen is None:
        raise unknown_form(file, first)
    if not any(chosen.matches(value) for value in beginning):
        fix = (
            f"it looks like {recognised.name}: leave the format out"
            if recognised
            else f"{format} looks like {chosen.looks}"
        )
        raise DatasetError(
            f"this file is not in the format {format}",
            where=str(file.path),
            fix=fix,
            kind=ErrorKind.DATASET_WRONG_FORMAT,
        )
    named = {role: column for role, column in columns.items() if role in ("group", "id")}
    source = Source(
        file, chosen, chain(first, rows), format is not None, thumbs=thumbs, parts=parts, clean=clean, unheard=named
    )
    if document is not None:
        source.header, source.others = document.header, document.others
    return source


def first_rows(path: Path, encoding: str = "", sheet: str = "") -> list[SourceRow]:
    """Return the first entries of a file or of a folder's first file, as they are, whatever their form. Raises `DatasetError`."""
    with readable(path):
        file = inspect_as(data_files(path).files[0] if os.path.isdir(path) else path, encoding, sheet)
    return _beginning(file, None, sheet)[0]


def _entries(
    file: SourceFile, columns: Mapping[str, str], sheet: str
) -> tuple[list[SourceRow], Iterator[SourceRow], Document | None]:
    """Do as `_beginning`; without a mapping, messages that stand in rows of their own are joined."""
    first, rows, document = _beginning(file, columns, sheet)
    if not columns:
        first, rows = join_messages(file, first, rows)
    return first, rows, document


def _beginning(
    file: SourceFile, columns: Mapping[str, str] | None, sheet: str
) -> tuple[list[SourceRow], Iterator[SourceRow], Document | None]:
    """Return the first rows of a file, those behind them, and the JSON document or workbook they stand in."""
    rows, document = _container(file, columns, sheet)
    first = list(islice(rows, PEEK))
    if (
        document is not None
        and document.key is None
        and len(first) == 1
        and (table := columns_of(first[0].value, is_record))
    ):
        return table[:PEEK], iter(table[PEEK:]), document
    return first, rows, document


def _container(
    file: SourceFile, columns: Mapping[str, str] | None, sheet: str
) -> tuple[Iterator[SourceRow], Document | None]:
    """Return the rows of the file by its kind, which its suffix and its first bytes tell."""
    suffix = file.suffix
    if file.is_workbook:
        document = Document(file, "")
        return read_workbook(file, document.others, sheet, _knows_header(columns)), document
    if file.is_parquet or suffix in (".parquet", ".pq"):
        return read_parquet(file), None
    if suffix in TABLE_SUFFIXES:
        return read_csv(file, _knows_header(columns)), None
    if suffix in JSON_SUFFIXES or (suffix in PLAIN_SUFFIXES and _JSON.match(file.head)):
        if _is_document(file, suffix):

            def is_wanted(value: Any) -> bool:
                if columns and isinstance(value, dict):
                    return all(name in value for name in columns.values())
                return is_record(value)

            document = Document(file, find_records(file, is_wanted))
            return (document.rows() if document.key is not None else one_by_one(document.rows())), document
        return one_by_one(read_jsonl(file)), None
    if suffix in PLAIN_SUFFIXES and (table := _table_in(file, columns)):
        return table, None
    own = format_of_suffix(suffix)
    if own is not None and own.rows is not None:
        return own.rows(file), None
    what = (
        "plain text has no questions and answers to learn from"
        if suffix in (*PLAIN_SUFFIXES, ".md")
        else f"“{suffix}” files are not read"
    )
    raise DatasetError(
        what,
        where=str(file.path),
        kind=ErrorKind.DATASET_UNKNOWN_FILE_TYPE,
        fix=f"give the data as {ACCEPTED}; simplest is a table with the columns prompt and completion, saved as CSV",
    )


def _table_in(file: SourceFile, columns: Mapping[str, str] | None) -> Iterator[SourceRow] | None:
    """Return the rows of a table that is called a text, as spreadsheets save one with tabs; None if its columns are not known."""
    try:
        rows = read_csv(file, _knows_header(columns))
        first = list(islice(rows, PEEK))
    except DatasetError:
        return None
    known = len(first) > 1 and (columns or recognise([row.value for row in first]))
    return chain(first, rows) if known else None


def _knows_header(columns: Mapping[str, str] | None) -> Callable[[Sequence[str]], bool]:
    """Return a function that says whether cells are the names of columns that are mapped, or known ones if none are mapped."""
    wanted = set((columns or {}).values())
    return lambda cells: wanted <= set(cells) if wanted else is_record(dict.fromkeys(cells, "…"))


def _is_document(file: SourceFile, suffix: str) -> bool:
    """Say whether JSON text is one document rather than one value a line; the content decides, not the suffix."""
    head = file.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    line, newline, rest = head.partition(b"\n")
    line = line.strip()
    if not newline and len(file.head) == HEAD_BYTES:
        return suffix == ".json" or line[:1] == b"["
    try:
        whole = json.loads(line)
    except (ValueError, RecursionError):
        return suffix == ".json" or line[:1] == b"[" or (bool(rest.strip()) and line[-1:] in (b"{", b"[", b","))
    return not rest.strip() and (suffix == ".json" or isinstance(whole, list))


def _pairs(rows: Iterable[SourceRow], header: dict[str, Any]) -> Iterator[SourceRow]:
    """Yield rows with conversations of training pairs taken apart, and the ``_meta`` line put into the header."""
    ordinal = 0
    for row in rows:
        value = unwrapped(row.value)
        if _is_meta(value):
            header.update(value)
        elif isinstance(value, dict) and isinstance(value.get("training_pairs"), list):
            for pair, part in pairs_of(value, row.number):
                ordinal += 1
                yield SourceRow(ordinal, pair, part)
        else:
            yield SourceRow(row.number, value, row.place)


def _is_meta(value: Any) -> bool:
    """Say whether this is not a record but a header line that tells about the file."""
    return isinstance(value, dict) and value.keys() == {"_meta"}


def _is_header(value: Mapping[str, Any]) -> bool:
    """Say whether this is a line with the names of a table's columns, of a file that was put behind another one."""
    if len(value) < 2 or not all(isinstance(part, str) and len(part) <= _LONGEST_NAME for part in value.values()):
        return False
    if all(part.strip("\ufeff ") == str(name).strip() for name, part in value.items()):
        return True
    parts = {part.strip().lower() for part in value.values()}
    return not (parts.isdisjoint(PROMPTS) or parts.isdisjoint(COMPLETIONS))


def _renamed(rows: Iterable[SourceRow], columns: Mapping[str, str], parts: Set[str]) -> Iterator[SourceRow]:
    """Yield rows that hold only the mapped fields, under the names of their roles, what is a category by its name, and
    what says not to learn something.
    """
    mapped = set(columns.values())
    categories = () if "category" in columns else CATEGORIES
    for row in rows:
        if isinstance(row.value, dict) and not _is_header(row.value):
            others = {name: value for name, value in row.value.items() if name not in mapped}
            kept = {
                name: value
                for name, value in others.items()
                if name in parts or is_mark(name, value) or name.strip().lower() in (*CHOICES, *HISTORIES)
            }
            kept |= {
                name: value
                for name, value in lowered(others).items()
                if name in categories or (name == DECIDED and decision(value) is not None)
            }
            row = row._replace(value={**kept, **{role: row.value.get(column) for role, column in columns.items()}})
        yield row


def _answer_in(columns: Mapping[str, str], row: Mapping[str, Any]) -> str:
    """Return the answer of a record as it is found without reading it: a field, or the last turn."""
    fields = lowered(row)
    answer = row.get(columns["completion"]) if "completion" in columns else None
    for name in () if answer is not None else (*COMPLETIONS, *CONVERSATIONS):
        if answer := fields.get(name):
            break
    while isinstance(answer, list | dict) and answer:
        answer = answer[-1] if isinstance(answer, list) else answer.get("content", answer.get("value"))
    return str(answer).strip()
