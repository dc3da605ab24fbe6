"""The columns of a table as a person maps them: names, what is in them, the likely question and answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from brightrun_tui.datasets.guessing import guess_columns
from brightrun_tui.datasets.reading import first_rows

MAPPABLE = ("prompt", "completion", "system", "context", "category", "group")
"""Roles that a person may map; what is told apart by them is in the order in which people think of it."""


@dataclass(frozen=True)
class TableColumns:
    """``names`` in their order, one ``examples`` text of each that holds any, and a mapping ``guess`` (role to name)."""

    names: tuple[str, ...]
    examples: Mapping[str, str] = field(default_factory=dict)
    guess: Mapping[str, str] = field(default_factory=dict)


def look_at_columns(path: Path) -> TableColumns:
    """Read the first entries of a file, or of a folder's first file. Blocking.

    Raises:
        DatasetError: it cannot be read, or is broken at its beginning.
    """
    rows = [row.value for row in first_rows(path) if isinstance(row.value, Mapping)]
    names = tuple(dict.fromkeys(str(name) for row in rows for name in row if str(name).strip()))
    examples: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value not in (None, "") and not isinstance(value, list | dict):
                examples.setdefault(str(name), str(value))
    found = guess_columns(rows)
    guess = {"prompt": found[0], "completion": found[1]} if found else {}
    return TableColumns(names, examples, guess)
