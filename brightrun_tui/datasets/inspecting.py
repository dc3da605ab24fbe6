"""Looking at what a file is before it is read: unpacked, made UTF-8, or refused with what to do instead."""

from __future__ import annotations

import codecs
import os
import re
from dataclasses import replace
from os import PathLike
from pathlib import Path

from brightrun_tui.datasets.source import ACCEPTED, HEAD_BYTES, Position, SourceFile, no_records, readable
from brightrun_tui.datasets.unpacking import ZIP, Copy, is_utf16, to_utf8, unpack
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.paths import typed_path

_MAGIC = (
    (b"%PDF", "a PDF", "copy its questions and answers into a table and save that as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "open it and choose “Save as… CSV UTF-8”"),
    (b"SQLite format 3", "a SQLite database", "export the table as CSV"),
    (b"ARROW1", "an Arrow file", "save it as Parquet or JSONL"),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\xfd7zXZ", "an xz archive", "unpack it first"),
    (b"FEA1", "a Feather file", "save it as Parquet or JSONL"),
    (b"\xff\xff\xff\xff", "an Arrow file", "save it as Parquet or JSONL (datasets: .to_parquet or .to_json)"),
    (b"ORC\x08", "an ORC file", "save it as Parquet or JSONL"),
    (b"Obj\x01", "an Avro file", "save it as Parquet or JSONL"),
    (b"\x80\x04\x95", "a pickle of Python objects", "save the records as JSONL"),
    (b"\x89HDF", "an HDF5 file", "save it as Parquet or JSONL"),
    (b"{\\rtf", "a document in RTF", "copy the text into a plain text editor, and save it under the same name"),
    (
        b"version https://git-lfs",
        "only the pointer that stands for a file in Git LFS",
        "fetch the file itself: git lfs pull, or download it from the page",
    ),
)
_WEB_PAGE = re.compile(rb"(?:<\?xml[^>]*>\s*)?<(?:!doctype html|html|head)\b", re.IGNORECASE)
_OFFICE = (
    ((".xlsb",), "a workbook in Excel's binary form", "save it as .xlsx, or as CSV UTF-8"),
    ((".ods", ".numbers"), "a spreadsheet of another kind than Excel's", "save it as .xlsx, or as CSV UTF-8"),
    (
        (".docx", ".odt", ".pages", ".pptx", ".odp"),
        "a document",
        "copy its questions and answers into a table, and save that as CSV",
    ),
)


def inspect_file(path: str | PathLike[str], encoding: str = "") -> SourceFile:
    """Look at a file's first bytes. ``encoding`` is that of the text, by Python's name, where it is not to be guessed.

    Raises:
        DatasetError: missing, a directory or device, unreadable, empty, binary, or not UTF-8 text.
    """
    path = typed_path(path)
    if not str(path).isprintable() and any("\ud800" <= letter <= "\udfff" for letter in str(path)):
        raise DatasetError(
            "the file's name is not text in UTF-8",
            where=ascii(str(path)),
            fix="give the file another name",
            kind=ErrorKind.DATASET_NAME,
        )
    with readable(path):
        if os.path.isdir(path):
            raise DatasetError(
                "this is a directory, not a dataset file",
                where=str(path),
                kind=ErrorKind.DATASET_IS_DIRECTORY,
                fix=f"name a {ACCEPTED} file",
            )
        if os.path.exists(path) and not os.path.isfile(path):
            raise DatasetError(
                "this is not a regular file",
                where=str(path),
                fix=f"name a {ACCEPTED} file",
                kind=ErrorKind.DATASET_NOT_A_FILE,
            )
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
        size = path.stat().st_size
        file = SourceFile(path, size, head, path.name)
        _refuse_office(path, head)
        if unpacked := unpack(path, head):
            file = _copied(file, *unpacked)
        if not file.is_parquet and not file.is_workbook:
            if not encoding:
                _refuse_unless_text(file)
            if recoded := to_utf8(path, file.data, file.head, encoding):
                file = replace(_copied(file, recoded[0], file.name), encoding=recoded[1])
        return file


def _refuse_office(path: Path, head: bytes) -> None:
    """Raise `DatasetError` for a document or table of an office program that is not read, which is an archive inside."""
    named = next((words for suffixes, *words in _OFFICE if path.suffix.lower() in suffixes), None)
    if named and head.startswith(ZIP):
        raise DatasetError(
            f"this is {named[0]}, which is not read", where=str(path), fix=named[1], kind=ErrorKind.DATASET_BINARY
        )


def _copied(file: SourceFile, copy: Copy, name: str) -> SourceFile:
    with copy.path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return replace(file, copy=copy, name=name, head=head, position=Position(total=copy.path.stat().st_size))


def _refuse_unless_text(file: SourceFile) -> None:
    where = str(file.path)
    if not file.head:
        raise no_records(file, "the file is empty")
    for magic, name, fix in _MAGIC:
        if file.head.startswith(magic):
            raise DatasetError(f"this is {name}, not a dataset", where=where, fix=fix, kind=ErrorKind.DATASET_BINARY)
    if _WEB_PAGE.match(file.head.removeprefix(codecs.BOM_UTF8).lstrip()):
        raise DatasetError(
            "this is a web page, not a dataset",
            where=where,
            fix="download the file itself; where one has to log in for it, a page that asks for that is saved instead",
            kind=ErrorKind.DATASET_BINARY,
        )
    if file.head[257:262] == b"ustar":
        raise DatasetError(
            "this is a tar archive, not a dataset",
            where=where,
            fix="unpack it, and name the file to learn from, or the folder",
            kind=ErrorKind.DATASET_ARCHIVE,
        )
    if b"\0" in file.head and not is_utf16(file.head):
        raise DatasetError(
            "this is a binary file, not text",
            where=where,
            fix=f"export the data as {ACCEPTED}",
            kind=ErrorKind.DATASET_BINARY,
        )
    if file.size <= HEAD_BYTES and not file.head.removeprefix(codecs.BOM_UTF8).strip():
        raise no_records(file, "the file holds nothing but blank space")
