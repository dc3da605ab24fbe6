"""One JSON document that holds records, read as a stream: an array, an object holding one, or a single record.

`ijson.items` is not used: it spells out the path of every value, which takes quadratic memory on deep nesting.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from brightrun_tui.datasets.flaws import CUT_OFF, NAME_TWICE, NOT_A_NUMBER, NUMBER_TOO_LONG
from brightrun_tui.datasets.folder import is_for_testing
from brightrun_tui.datasets.nesting import MAX_DEPTH
from brightrun_tui.datasets.source import GuardedReader, Literal, SourceFile, SourceRow, readable
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError

MAX_HEADER_FIELDS = 20
_CHUNK = 256 * 1024
_LONGEST_CHUNK = 4 * 1024 * 1024
_REASONS = {
    "invalid char in json text": "there is a character that JSON does not know here",
    "invalid character inside string": "a text holds a raw control character (a line break must be written \\n)",
    "trailing garbage": "something follows after the end of the document (if each line is a record, name the file .jsonl)",
    "unallowed token at this point in JSON text": "a value or a bracket stands where none may be (often a comma too many)",
    "object key and value must be separated by a colon (':')": "a colon is missing between a name and its value",
    "after array element, I expect ',' or ']'": "a comma is missing between two entries",
    "after key and value, inside map, I expect ',' or '}'": "a comma is missing between two fields",
    "invalid object key (must be a string)": "here must be the name of a field in double quotes (or a comma is too many)",
}

Events = Iterator[tuple[str, Any]]


@dataclass
class Document:
    """A JSON document. ``key`` names the array that holds the records; "" is the document itself being the
    array, None the document being one record. ``header`` and ``others`` (lists that were not read, with their
    lengths) are complete when `rows` is exhausted.
    """

    file: SourceFile
    key: str | None
    header: dict[str, Any] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)

    def rows(self) -> Iterator[SourceRow]:
        """Yield every record, numbered from 1.

        Raises:
            DatasetError: not JSON (names line and column), nested too deeply, or a record too long.
        """
        values = self._elements() if self.key is not None else self._whole()
        for number, value in enumerate(values, start=1):
            yield SourceRow(number, value, f"record {number}")

    def _elements(self) -> Iterator[Any]:
        with _parsing(self.file) as (events, reader):
            event, _ = next(events)
            if event == "start_array":
                yield from _array(events, reader)
                _drain(events)
                return
            for name, event, value in _fields(events):
                if event == "start_array" and name == self.key:
                    yield from map(self._named, _array(events, reader))
                elif event == "start_array":
                    count, texts = 0, list[str]()
                    for item in _array(events, reader):
                        count += isinstance(item, dict)
                        if isinstance(item, str) and len(texts) < MAX_HEADER_FIELDS:
                            texts.append(item)
                    if count:
                        self.others[name] = count
                    elif texts and len(self.header) < MAX_HEADER_FIELDS:
                        self.header[name] = texts
                else:
                    built = _build(event, value, events, reader)
                    if len(self.header) < MAX_HEADER_FIELDS:
                        self.header[name] = built
                    else:
                        reader.mark()
            _drain(events)

    def _named(self, value: Any) -> Any:
        """Return a row as an object where the document is a table that names its columns once, before its rows."""
        names = self.header.get("columns")
        if isinstance(names, list) and isinstance(value, list) and len(names) == len(value) == len(set(names)):
            return dict(zip(names, value, strict=True))
        return value

    def _whole(self) -> Iterator[Any]:
        """Yield the document as a record, or several that follow one another (JSON Lines with line breaks in the
        records).
        """
        with _parsing(self.file, several=True) as (events, reader):
            for event, value in events:
                yield _build(event, value, events, reader)
                reader.mark()


def find_records(file: SourceFile, is_record: Callable[[Any], bool]) -> str | None:
    """Say which array of the document holds the records, as `Document.key` wants it.

    Reads only as far as needed. ``is_record`` says whether an array's first entry is of a known form; if none
    is, the longest array of objects is taken.

    Raises:
        DatasetError: as `Document.rows`.
    """
    fallback: str | None = None
    testing: str | None = None
    longest = 0
    with _parsing(file, several=True) as (events, reader):
        event, _ = next(events)
        if event == "start_array":
            return ""
        if event != "start_map":
            return None
        for name, event, value in _fields(events):
            if event != "start_array":
                _build(event, value, events, reader)
                continue
            entries = _array(events, reader)
            first = next(entries, None)
            if isinstance(first, dict) and ("role" in first or "from" in first):
                return None
            if is_record(first) and not is_for_testing(name):
                return name
            if is_record(first):
                testing = testing or name
            length = 1 + sum(1 for _ in entries)
            if not is_record(first) and isinstance(first, dict | list) and length > longest:
                fallback, longest = name, length
    return testing or fallback


@contextmanager
def _parsing(file: SourceFile, several: bool = False) -> Iterator[tuple[Events, GuardedReader]]:
    """Return parser events of a file and the guard to `mark`; a parser's error becomes a DatasetError with its place."""
    import ijson

    with readable(file.path), file.data.open("rb") as stream:
        reader = GuardedReader(stream, file)
        try:
            yield _events(reader, several), reader
        except ijson.JSONError:
            raise _broken(file, several) from None
        except SystemError:  # what the parser makes of an integer beyond Python's limit of digits
            raise NUMBER_TOO_LONG.at(reader.place) from None
        except UnicodeDecodeError:
            raise DatasetError(
                "a text holds half of a Unicode pair (such as \\udc00)",
                where=reader.place,
                fix="export the text again as UTF-8",
                kind=ErrorKind.DATASET_ENCODING,
            ) from None


def _events(reader: GuardedReader, several: bool) -> Events:
    """Yield events of the parser, fed by hand: an error in ijson's own reading loop surfaces at some later, unrelated
    place.
    """
    import ijson
    from ijson.utils import sendable_list

    events = sendable_list()
    parser = ijson.basic_parse_coro(events, multiple_values=several)
    size = _CHUNK
    while chunk := reader.read(size):
        parser.send(chunk)
        size = _next_size(size, bool(events))
        yield from events
        events.clear()
    parser.close()
    yield from events  # a number may go on, so the parser tells a bare one only at the end


def _next_size(size: int, heard: bool) -> int:
    """Return how many bytes to feed next. The parser begins a text that goes on anew with every chunk, so chunks grow
    until it ends.
    """
    return _CHUNK if heard else min(2 * size, _LONGEST_CHUNK)


def _drain(events: Events) -> None:
    """Read to the end of the file, so that garbage after the document is found."""
    for _ in events:
        pass


def _fields(events: Events) -> Iterator[tuple[str, str, Any]]:
    """Yield name and first event of each field of the object that has just begun; the caller consumes the value."""
    for event, name in events:
        if event == "end_map":
            return
        event, value = next(events)
        yield name, event, value


def _array(events: Events, reader: GuardedReader) -> Iterator[Any]:
    """Yield the entries of the array that has just begun."""
    for event, value in events:
        if event == "end_array":
            return
        yield _build(event, value, events, reader)
        reader.mark()


def _build(event: str, value: Any, events: Events, reader: GuardedReader) -> Any:
    """Return the value that begins with this event."""
    if event not in ("start_map", "start_array"):
        return _number(value)
    root: Any = {} if event == "start_map" else []
    stack: list[tuple[Any, Any]] = [(root, None)]
    for event, value in events:
        holder, name = stack[-1]
        if event == "map_key":
            stack[-1] = (holder, value)
            continue
        if event in ("end_map", "end_array"):
            stack.pop()
            if not stack:
                return root
            continue
        opens = event in ("start_map", "start_array")
        new: Any = ({} if event == "start_map" else []) if opens else _number(value)
        if name is None:
            holder.append(new)
        elif name in holder and (opens or holder[name] != new):
            raise NAME_TWICE.at(reader.place, printable(name))
        else:
            holder[name] = new
        if opens:
            stack.append((new, None))
            if len(stack) > MAX_DEPTH:
                raise DatasetError(
                    f"a record is nested more than {MAX_DEPTH} levels deep",
                    where=reader.place,
                    fix="export the records without that nesting",
                    kind=ErrorKind.DATASET_NESTING,
                )
    return root


def _number(value: Any) -> Any:
    return Literal(str(value).replace("E+", "e").replace("E", "e")) if isinstance(value, Decimal) else value


def _broken(file: SourceFile, several: bool) -> DatasetError:
    """Find the line and column of the error: parse again, in smaller and smaller pieces around the place."""
    import ijson
    from ijson.utils import sendable_list

    start = len(codecs.BOM_UTF8) if file.head.startswith(codecs.BOM_UTF8) else 0

    def feed(offset: int, piece_size: int) -> tuple[int, int, str]:
        """Say where the piece begins that the parser refuses, its length, and why. Up to ``offset`` all is well."""
        events = sendable_list()
        parser = ijson.basic_parse_coro(events, multiple_values=several)
        done, size = 0, _CHUNK
        with readable(file.path), file.data.open("rb") as stream:
            stream.seek(start)
            while piece := stream.read(min(size, offset - done) if done < offset else piece_size or size):
                try:
                    parser.send(piece)
                except ijson.JSONError as error:
                    return done, len(piece), str(error)
                done += len(piece)
                size = _next_size(size, bool(events))
                events.clear()
        return done, 0, ""

    offset, length, message = feed(0, 0)
    while message and length > 1:
        offset, length, message = feed(offset, max(1, length // (64 if length <= _CHUNK else 16)))
    line, column = _line_and_column(file, start, offset)
    if not message:
        return CUT_OFF.at(file.at(line, column))
    with readable(file.path), file.data.open("rb") as stream:
        stream.seek(start + offset)
        word = stream.read(8)
    for constant in ("NaN", "Infinity"):
        if word.startswith(constant.encode()):
            return NOT_A_NUMBER.at(file.at(line, column), constant)
    detail = message.splitlines()[0].split("error: ", 1)[-1].rstrip(".")
    return DatasetError(
        f"this is not valid JSON: {_REASONS.get(detail, detail)}",
        where=file.at(line, column),
        fix="repair that place, or export the file again",
        kind=ErrorKind.DATASET_BROKEN_JSON,
    )


def _line_and_column(file: SourceFile, start: int, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of the byte at ``offset`` from ``start``."""
    line, column = 1, 1
    with readable(file.path), file.data.open("rb") as stream:
        stream.seek(start)
        while offset > 0 and (part := stream.read(min(offset, _CHUNK))):
            newlines = part.count(b"\n")
            line += newlines
            column = len(part) - part.rfind(b"\n") if newlines else column + len(part)
            offset -= len(part)
    return line, column
