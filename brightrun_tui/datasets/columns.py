"""The columns of a table as a person maps them: names, what is in them, the likely question and answer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from brightrun_tui.datasets.folder import data_files
from brightrun_tui.datasets.formats import recognise
from brightrun_tui.datasets.guessing import guess_columns
from brightrun_tui.datasets.inspecting import inspect_file
from brightrun_tui.datasets.parsed import CATEGORIES
from brightrun_tui.datasets.reading import first_rows
from brightrun_tui.datasets.source import readable
from brightrun_tui.datasets.unpacking import GZIP, ZIP, ZSTD, guess_encoding
from brightrun_tui.datasets.workbooks import sheet_names

MAPPABLE = ("prompt", "completion", "system", "context", "category", "group")
"""Roles that a person may map; what is told apart by them is in the order in which people think of it."""


@dataclass(frozen=True)
class TableColumns:
    """``names`` in their order, one ``examples`` text of each that holds any, and a mapping ``guess`` (role to name), empty
    where the names say by themselves what is what. ``categories``: those that are categories by their names, unless another
    is mapped to be.

    ``sheets``: of a workbook, those with rows, first the one that is read unless another is named. ``encoding``: of text, the
    guess, by Python's name.
    """

    names: tuple[str, ...]
    examples: Mapping[str, str] = field(default_factory=dict)
    guess: Mapping[str, str] = field(default_factory=dict)
    sheets: tuple[str, ...] = ()
    encoding: str = ""

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name.strip().lower() in CATEGORIES)


def look_at_columns(path: Path, encoding: str = "", sheet: str = "") -> TableColumns:
    """Read the first entries of a file, or of a folder's first file, with an encoding and a sheet, or as is guessed. Blocking.

    Raises:
        DatasetError: it cannot be read, or is broken at its beginning.
    """
    rows = [row.value for row in first_rows(path, encoding, sheet) if isinstance(row.value, Mapping)]
    names = tuple(dict.fromkeys(str(name) for row in rows for name in row if str(name).strip()))
    examples: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value not in (None, "") and not isinstance(value, list | dict):
                examples.setdefault(str(name), str(value))
    found = guess_columns(rows)
    guess = found if recognise(rows) is None else {}
    sheets, guessed = _kind_of(path)
    return TableColumns(names, examples, guess, sheets, guessed)


def _kind_of(path: Path) -> tuple[tuple[str, ...], str]:
    """Return the sheets of a workbook, or the encoding that a text seems to be in."""
    with readable(path):
        if os.path.isdir(path):
            path = data_files(path).files[0]
        with path.open("rb") as stream:
            head = stream.read(4)
        if head.startswith((GZIP, ZSTD, b"PAR1")):
            return (), ""
        if not head.startswith(ZIP):
            return (), guess_encoding(path)
        file = inspect_file(path)
        return (tuple(sheet_names(file)) if file.is_workbook else ()), ""
