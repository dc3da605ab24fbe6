"""How a file is to be read where that is not to be guessed: the encoding of its text, the sheet of a workbook."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from brightrun_tui.datasets.inspecting import inspect_file
from brightrun_tui.datasets.source import SourceFile
from brightrun_tui.datasets.turns import printable
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError

ENCODING, SHEET = "encoding", "sheet"
"""Beside the roles of columns: the encoding of the text, and the sheet of the workbook, where these are not to be guessed."""


def split_reading(columns: Mapping[str, str] | None) -> tuple[str, str, dict[str, str]]:
    """Return encoding and sheet, empty where they are to be guessed, and which column holds what.

    Raises:
        UsageError: there is no such encoding.
    """
    given = dict(columns or {})
    encoding, sheet = given.pop(ENCODING, ""), given.pop(SHEET, "")
    try:
        known = not encoding or "a".encode(encoding).decode(encoding) == "a"
    except (LookupError, UnicodeError, ValueError, TypeError):
        known = False
    if not known:
        raise UsageError(
            f"there is no encoding “{printable(encoding)}”",
            fix="such as utf-8, cp1252 (Windows, Western), cp1250 (Central European), cp1251 (Cyrillic), mac-roman, utf-16",
            kind=ErrorKind.BAD_OPTION,
        )
    return encoding, sheet, given


def inspect_as(path: str | PathLike[str], encoding: str, sheet: str) -> SourceFile:
    """Return the file; an encoding of what is not text, or a sheet of what is not a workbook, is refused."""
    file = inspect_file(path, encoding)
    if (sheet and not file.is_workbook) or (encoding and (file.is_workbook or file.is_parquet)):
        raise UsageError(
            "only Excel workbooks have sheets" if sheet else "only text has an encoding, and this file is not text",
            where=str(file.path),
            fix=f"leave the {SHEET if sheet else ENCODING} out",
            kind=ErrorKind.BAD_OPTION,
        )
    return file
