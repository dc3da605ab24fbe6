"""How a table is read: which columns are what, encoding and sheet, as said of a table of this shape before, else as a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui.datasets.columns import MAPPABLE, TableColumns, look_at_columns
from brightrun_tui.datasets.reading_options import ENCODING, SHEET, split_reading
from brightrun_tui.domain.errors import BrightrunError, DatasetError
from brightrun_tui.files import write_atomic
from brightrun_tui.paths import Paths, typed_path
from brightrun_tui.planning.hub_dataset_names import is_hub_dataset
from brightrun_tui.planning.hub_datasets import fetch_dataset

MOST_KEPT = 200


@dataclass(frozen=True)
class ColumnMap:
    """The columns of a table, the mapping to begin with, and whether a person made it (else it is a guess).

    ``mapping`` may hold `reading_options.ENCODING` and ``SHEET``, too. ``shape``: the names of the columns as they are without
    these, by which the mapping is remembered.
    """

    table: TableColumns
    mapping: Mapping[str, str]
    remembered: bool
    shape: tuple[str, ...] = ()


def column_map(place: str, paths: Paths) -> ColumnMap:
    """Return the columns of a file, a folder or a dataset of the Hub (which is fetched). Blocking.

    Raises as `look_at_columns` and `fetch_dataset`.
    """
    path = _path(place, paths)
    guessed = look_at_columns(path)
    known = _kept(paths).get(_shape(guessed.names))
    if known:
        encoding, sheet, roles = split_reading(known)
        table = guessed
        with suppress(DatasetError):  # another file of this shape may have no such sheet
            table = look_at_columns(path, encoding, sheet) if encoding or sheet else guessed
            if set(roles.values()) <= set(table.names):
                return ColumnMap(table, known, remembered=True, shape=guessed.names)
    return ColumnMap(guessed, guessed.guess, remembered=False, shape=guessed.names)


def remembered_reading(place: str, paths: Paths) -> ColumnMap | None:
    """Return what was said of a file like this one, where that was its encoding or its sheet; such a file is not to be guessed
    at.

    None also where the file cannot be read, which its check tells. Blocking.
    """
    if is_hub_dataset(place) or not any({ENCODING, SHEET} & kept.keys() for kept in _kept(paths).values()):
        return None
    try:
        found = column_map(place, paths)
    except BrightrunError:
        return None
    return found if found.remembered and {ENCODING, SHEET} & found.mapping.keys() else None


def look_again(place: str, encoding: str, sheet: str, paths: Paths) -> TableColumns:
    """Return the columns with another encoding or sheet. Blocking; raises as `look_at_columns`."""
    return look_at_columns(_path(place, paths), encoding, sheet)


def _path(place: str, paths: Paths) -> Path:
    if is_hub_dataset(place):
        return Path(fetch_dataset(place, paths, lambda what, share: None).path)
    return typed_path(place)


def remember(found: ColumnMap, paths: Paths) -> None:
    """Keep the mapping for the next table with these columns. Raises ``OSError``."""
    kept = _kept(paths)
    kept.pop(_shape(found.shape), None)
    kept[_shape(found.shape)] = dict(found.mapping)
    newest = dict(list(kept.items())[-MOST_KEPT:])
    paths.column_maps.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(paths.column_maps, json.dumps(newest, ensure_ascii=False, indent=1))


def _shape(names: tuple[str, ...]) -> str:
    """Return a key for tables with the same columns in whatever order."""
    return "\n".join(sorted(name.strip().casefold() for name in names))


def _kept(paths: Paths) -> dict[str, dict[str, str]]:
    """Return what was remembered; a file that cannot be read remembers nothing."""
    try:
        document = json.loads(paths.column_maps.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        str(shape): {
            role: name
            for role, name in mapping.items()
            if role in (*MAPPABLE, ENCODING, SHEET) and isinstance(name, str)
        }
        for shape, mapping in document.items()
        if isinstance(mapping, dict)
    }
