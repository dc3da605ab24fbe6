"""Which columns of a table are what: as the person said of a table of this shape before, else as a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brightrun_tui.datasets.columns import MAPPABLE, TableColumns, look_at_columns
from brightrun_tui.files import write_atomic
from brightrun_tui.paths import Paths, typed_path
from brightrun_tui.planning.hub_dataset_names import is_hub_dataset
from brightrun_tui.planning.hub_datasets import fetch_dataset

MOST_KEPT = 200


@dataclass(frozen=True)
class ColumnMap:
    """The columns of a table, the mapping to begin with, and whether a person made it (else it is a guess)."""

    table: TableColumns
    mapping: Mapping[str, str]
    remembered: bool


def column_map(place: str, paths: Paths) -> ColumnMap:
    """For a file, a folder or a dataset of the Hub (which is fetched). Blocking.

    Raises as `look_at_columns` and `fetch_dataset`.
    """
    path = (
        Path(fetch_dataset(place, paths, lambda what, share: None).path) if is_hub_dataset(place) else typed_path(place)
    )
    table = look_at_columns(path)
    known = _kept(paths).get(_shape(table.names))
    if known and set(known.values()) <= set(table.names):
        return ColumnMap(table, known, remembered=True)
    return ColumnMap(table, table.guess, remembered=False)


def remember(table: TableColumns, mapping: Mapping[str, str], paths: Paths) -> None:
    """Keep the mapping for the next table with these columns. Raises ``OSError``."""
    kept = _kept(paths)
    kept.pop(_shape(table.names), None)
    kept[_shape(table.names)] = dict(mapping)
    newest = dict(list(kept.items())[-MOST_KEPT:])
    paths.column_maps.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(paths.column_maps, json.dumps(newest, ensure_ascii=False, indent=1))


def _shape(names: tuple[str, ...]) -> str:
    """Tables with the same columns, in whatever order, are of one shape."""
    return "\n".join(sorted(name.strip().casefold() for name in names))


def _kept(paths: Paths) -> dict[str, dict[str, str]]:
    """What was remembered; a file that cannot be read remembers nothing."""
    try:
        document = json.loads(paths.column_maps.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        str(shape): {role: name for role, name in mapping.items() if role in MAPPABLE and isinstance(name, str)}
        for shape, mapping in document.items()
        if isinstance(mapping, dict)
    }
