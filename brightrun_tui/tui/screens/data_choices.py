"""What the dataset dialogue lists: the example, datasets that were added, and the files of a directory as it is typed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from brightrun_tui import datasets
from brightrun_tui.datasets.folder import kind_of
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.paths import typed_path
from brightrun_tui.resources import resource
from brightrun_tui.tui.screens.path_choices import list_files, place_and_start
from brightrun_tui.tui.screens.pick import Choice

LARGE = 4 << 20
"""Bytes of a file whose check takes longer than a moment."""
QUICK_TO_OPEN = (".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".parquet", ".pq")
SHOWN_AT_FIRST = 3
WHOLE_FOLDER = "/."
"""The end of a path that means the folder itself, as one dataset."""


def list_data(typed: str) -> list[Choice]:
    """List directories and data files whose path begins with what was typed; files of one kind also as one dataset.
    Blocking.
    """
    listed = list_files(typed, is_data)
    directory, start = place_and_start(typed)
    kinds = [kind for choice in listed if not choice.title.endswith("/") and (kind := kind_of(Path(choice.title)))]
    if start or len(kinds) < 2 or len(set(kinds)) > 1:
        return listed
    note = f"all {len(kinds)} {kinds[0]} files here, as one dataset"
    whole = Choice(f"{os.path.realpath(directory)}{WHOLE_FOLDER}", "./", note)
    above = sum(choice.title == "../" for choice in listed)
    return [*listed[:above], whole, *listed[above:]]


def is_data(file: Path) -> bool:
    return bool(kind_of(file))


def first_records(place: str, columns: Mapping[str, str]) -> list[Record]:
    """Return some records of a file whose check takes long, to look at meanwhile; else, and where it cannot be read,
    none. Blocking.
    """
    path = typed_path(place)
    try:
        if path.suffix.lower() not in QUICK_TO_OPEN or path.stat().st_size < LARGE:
            return []
        return list(islice(datasets.read(path, columns=columns or None), SHOWN_AT_FIRST))
    except (BrightrunError, OSError, ValueError):  # the check says what is wrong
        return []


def examples() -> list[Choice]:
    """Return what ships with Bright Run to try it with."""
    return [
        Choice(str(path), path.stem, "example that ships with Bright Run")
        for path in sorted((resource("presets") / "examples").glob("*.jsonl"))
    ]


def known(report: DatasetReport) -> Choice:
    """Return a dataset that was added, with how much is in it and the beginning of its fingerprint."""
    print_of_it = report.fingerprint.removeprefix("sha256:")[:8]
    return Choice(report.name, report.name, f"{report.usable:,} records · {print_of_it} · {report.path}")
