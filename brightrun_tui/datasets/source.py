"""Opening a dataset file: is it there, is it text, and reading it in bounded memory."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple

from brightrun_tui.datasets.flaws import CUT_OFF, NOT_UTF8
from brightrun_tui.datasets.folder import data_files
from brightrun_tui.datasets.unpacking import ZIP, Copy
from brightrun_tui.domain import humanize
from brightrun_tui.domain.disk import no_temporary_place
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.paths import typed_path

MAX_RECORD_BYTES = 32 * 1024 * 1024
"""Longest line or record that is read. One training example of 32 MiB is some eight million tokens."""

HEAD_BYTES = 64 * 1024
PEEK = 20
"""Entries by which it is told what a file holds."""
MOST_TIMES, LEAST_SUSPECT = 300, 1 << 28
"""A table that unpacks to more bytes than the second, and to more times its size than the first, is a bomb."""

ACCEPTED = ".jsonl, .json, .csv, .tsv, .xlsx or .parquet"


class Literal(float):
    """A number that keeps the digits it was written with: 1.10 stays 1.10 where it is an answer."""

    literal: str

    def __new__(cls, text: str) -> Literal:
        number = super().__new__(cls, text)
        number.literal = text
        return number


class SourceRow(NamedTuple):
    """One entry of a file. ``number`` is its line, or its ordinal in JSON documents and Parquet; ``place`` says it in words."""

    number: int
    value: Any
    place: str


Row = SourceRow
"""As formats of other packages may still call it."""


@dataclass
class Position:
    """How much of a file has been read: bytes, or rows where its parser tells only these, of so many."""

    done: int = 0
    total: int = 0


@dataclass
class Sheet:
    """A workbook's sheet beside its values.

    Attributes:
        dates: forms of dates that are not followed, each with a date as it is read.
        filled: rows that take a value from a cell that is merged over several rows.
        hidden: rows with values that are not shown, by a filter or by hand.
        struck: rows with a cell whose text is struck through.
        commented: rows with a cell on which somebody left a comment.
        unseen: the names of columns that are hidden.
    """

    dates: dict[str, str] = field(default_factory=dict)
    filled: int = 0
    hidden: int = 0
    struck: int = 0
    commented: int = 0
    unseen: list[str] = field(default_factory=list)

    def add(self, other: Sheet) -> None:
        """Count another file's sheet in."""
        self.dates.update(other.dates)
        self.filled += other.filled
        self.hidden += other.hidden
        self.struck += other.struck
        self.commented += other.commented
        self.unseen += other.unseen


@dataclass(frozen=True)
class SourceFile:
    """A file that exists, is readable, and holds text, Parquet or an Excel workbook.

    Attributes:
        path: as the person named it.
        copy: what is read instead of the file itself, where that is packed or not in UTF-8.
        name: its name, of a packed one that of the file in it.
        head: the first 64 KiB of what is read.
        encoding: the encoding that the text was guessed to be in, where it is not UTF-8.
        position: how far the reading is.
        sheet: what a person sees of a workbook's sheet that its cells do not say, as far as it has been read.
    """

    path: Path
    size: int
    head: bytes
    name: str
    copy: Copy | None = None
    encoding: str = ""
    position: Position = field(default_factory=Position, compare=False)
    sheet: Sheet = field(default_factory=Sheet, compare=False)

    @property
    def share_read(self) -> float:
        """How much of the file has been read, 0–1."""
        total = self.position.total or self.size
        return min(1.0, self.position.done / total) if total else 0.0

    @property
    def data(self) -> Path:
        """The file that is read."""
        return self.copy.path if self.copy else self.path

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()

    @property
    def is_parquet(self) -> bool:
        return self.head.startswith(b"PAR1")

    @property
    def is_workbook(self) -> bool:
        return self.head.startswith(ZIP)

    def at(self, line: int, column: int | None = None) -> str:
        """Return ``file:line[:column]``."""
        return f"{self.path}:{line}" + (f":{column}" if column is not None else "")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the operating system says about reading ``path`` into a DatasetError."""
    try:
        yield
    except FileNotFoundError as error:
        if placeless := no_temporary_place(error):
            raise placeless from None
        raise DatasetError(
            "there is no such file", where=str(path), fix=_similar_name(path), kind=ErrorKind.DATASET_MISSING
        ) from None
    except PermissionError:
        raise DatasetError(
            "the file may not be read",
            where=str(path),
            fix=f"allow it with: chmod u+r {path.name}",
            kind=ErrorKind.DATASET_UNREADABLE,
        ) from None
    except OSError as error:
        if error.errno is None:  # a library's own word for a file that makes no sense to it
            raise DatasetError(
                f"the file is damaged or cut off ({str(error).strip().partition(chr(10))[0]})",
                where=str(path),
                fix="copy or export it again",
                kind=ErrorKind.DATASET_UNREADABLE,
            ) from None
        raise DatasetError(
            f"the file cannot be read ({error.strerror})",
            where=str(path),
            fix="check the path and the disk",
            kind=ErrorKind.DATASET_UNREADABLE,
        ) from None
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        raise DatasetError(
            "a path cannot hold a NUL character",
            where=repr(str(path)),
            fix="check the path",
            kind=ErrorKind.DATASET_MISSING,
        ) from None


def fingerprint(path: str | PathLike[str]) -> str:
    """Return ``sha256:`` and the hex digest of a file's content, read as a stream; for a folder, of its files' names
    and digests.

    Raises:
        DatasetError: it cannot be read, or is a folder that is not a dataset.
    """
    path = typed_path(path)
    with readable(path):
        if not os.path.isdir(path):
            with path.open("rb") as stream:
                return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
        parts = "".join(f"{file.name}\0{fingerprint(file)}\n" for file in data_files(path).files)
    return "sha256:" + hashlib.sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()


def numbered_lines(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers from 1, line ends kept, a byte-order mark removed.

    Raises:
        DatasetError: a line is longer than `MAX_RECORD_BYTES`, or not UTF-8.
    """
    position = file.position
    position.done = 0
    with readable(file.path), file.data.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        for number, line in enumerate(iter(lambda: stream.readline(MAX_RECORD_BYTES + 1), b""), start=1):
            position.done += len(line)
            _refuse_growing(file, size)
            if len(line) > MAX_RECORD_BYTES:
                raise too_long(file.at(number), "line")
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                yield number, line.decode("utf-8")
            except UnicodeDecodeError as error:
                if error.reason == "unexpected end of data" and error.end == len(line):
                    raise CUT_OFF.at(file.at(number)) from None
                raise _not_utf8(file.at(number), error) from None


class GuardedReader:
    """A binary stream for a parser that may swallow what it likes: it gets UTF-8 only, and not without end.

    Call `mark` whenever a record is complete; more than `MAX_RECORD_BYTES` since the last mark are refused.
    """

    def __init__(self, stream: IO[bytes], file: SourceFile) -> None:
        self._stream = stream
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._line = 1
        self._since_mark = 0
        self._marks = 0
        self._started = False
        self._size = os.fstat(stream.fileno()).st_size
        file.position.done = 0

    def mark(self) -> None:
        self._since_mark = 0
        self._marks += 1

    @property
    def place(self) -> str:
        """The file and the entry being read; a parser reads ahead, so that the line is not known."""
        return f"{self._file.path}, entry {self._marks + 1}"

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            DatasetError: not UTF-8, or the record is too long.
        """
        data = self._stream.read(size)
        self._file.position.done += len(data)
        _refuse_growing(self._file, self._size)
        if not self._started and size != 0:
            data = data.removeprefix(codecs.BOM_UTF8)
            self._started = True
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError as error:
            line = self._line + data[: error.start].count(b"\n")
            raise _not_utf8(self._file.at(line), error) from None
        self._line += data.count(b"\n")
        self._since_mark += len(data)
        if self._since_mark > MAX_RECORD_BYTES:
            raise too_long(self.place, "record")
        return data


def _refuse_growing(file: SourceFile, size: int) -> None:
    """Raise `DatasetError` where more has been read than the ``size`` of the file when it was opened: it may never end. A size of
    nothing is what some file systems say of every file.
    """
    if file.position.done > size > 0:
        raise DatasetError(
            "the file grows while it is read",
            where=str(file.path),
            fix="wait until whatever writes it has finished, or name a copy of it",
            kind=ErrorKind.DATASET_UNREADABLE,
        )


def too_long(where: str, unit: str) -> DatasetError:
    limit = humanize.limit(MAX_RECORD_BYTES)
    fix = (
        "put each record on a line of its own; if the file is one JSON document, name it .json"
        if unit == "line"
        else "split it into several records"
    )
    return DatasetError(
        f"one {unit} is longer than {limit}", where=where, fix=fix, kind=ErrorKind.DATASET_RECORD_TOO_LONG
    )


def _not_utf8(where: str, error: UnicodeDecodeError) -> DatasetError:
    return NOT_UTF8.at(where, f"{error.object[error.start]:02x}")


def no_records(file: SourceFile, what: str = "the file holds no records") -> DatasetError:
    return DatasetError(
        what,
        where=str(file.path),
        fix="check that the export finished, and export it again",
        kind=ErrorKind.DATASET_EMPTY,
    )


def _similar_name(path: Path) -> str:
    from difflib import get_close_matches

    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"there is no directory {path.parent} either; check the path"
    close = get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"did you mean {close[0]}?" if close else "check the path"
