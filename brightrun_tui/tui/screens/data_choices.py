"""What the dataset dialogue lists: the example, datasets that were added, and the files of a directory as it is typed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from textual.suggester import Suggester

from brightrun_tui import datasets
from brightrun_tui.datasets.folder import kind_of
from brightrun_tui.domain import humanize
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.paths import typed_path
from brightrun_tui.resources import resource
from brightrun_tui.tui.screens.pick import Choice

MOST_ENTRIES = 400
PATH_STARTS = ("/", "~", ".")
LARGE = 4 << 20
"""Bytes of a file whose check takes longer than a moment."""
QUICK_TO_OPEN = (".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".parquet", ".pq")
SHOWN_AT_FIRST = 3
WHOLE_FOLDER = "/."
"""The end of a path that means the folder itself, as one dataset."""


class PathSuggester(Suggester):
    """Completes a path as it is typed; right takes it."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        if not value.startswith(PATH_STARTS):
            return None
        listed = await asyncio.to_thread(list_files, value)
        start = value.rpartition("/")[2]
        title = next(
            (one.title for one in listed if start and one.title.startswith(start) and one.title != start), None
        )
        return f"{value[: len(value) - len(start)]}{title}" if title else None


def list_files(typed: str) -> list[Choice]:
    """Directories and data files whose path begins with what was typed, in capitals or not. Blocking."""
    path = typed_path(typed)
    directory, start = (path, "") if typed.endswith("/") else (path.parent, path.name)
    found: list[Choice] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                name, hidden = entry.name, entry.name.startswith(".") and not start.startswith(".")
                if hidden or not name.casefold().startswith(start.casefold()):
                    continue
                if os.path.isdir(entry.path):
                    found.append(Choice(f"{entry.path}/", f"{entry.name}/"))
                elif kind_of(Path(entry.name)):
                    found.append(Choice(entry.path, entry.name, _size(entry)))
                if len(found) >= MOST_ENTRIES:
                    break
    except (OSError, ValueError) as error:
        return [Choice(str(directory.parent), "..", getattr(error, "strerror", None) or str(error))]
    found.sort(key=lambda choice: (not choice.title.endswith("/"), choice.title.casefold()))
    above = f"{Path(os.path.realpath(directory)).parent}/".replace("//", "/")
    up = [] if start or directory == directory.parent else [Choice(above, "../")]
    kinds = [kind_of(Path(choice.title)) for choice in found if not choice.title.endswith("/")]
    whole = []
    if not start and len(kinds) > 1 and len(set(kinds)) == 1:
        note = f"all {len(kinds)} {kinds[0]} files here, as one dataset"
        whole = [Choice(f"{os.path.realpath(directory)}{WHOLE_FOLDER}", "./", note)]
    return [*up, *whole, *found]


def _size(entry: os.DirEntry[str]) -> str:
    """In words; a link that leads nowhere, or in circles, has none."""
    try:
        return humanize.size(entry.stat().st_size)
    except OSError as error:
        return error.strerror or ""


def first_records(place: str, columns: Mapping[str, str]) -> list[Record]:
    """Of a file whose check takes long some records to look at meanwhile; else, and where it cannot be read, none. Blocking."""
    path = typed_path(place)
    try:
        if path.suffix.lower() not in QUICK_TO_OPEN or path.stat().st_size < LARGE:
            return []
        return list(islice(datasets.read(path, columns=columns or None), SHOWN_AT_FIRST))
    except (BrightrunError, OSError, ValueError):  # the check says what is wrong
        return []


def examples() -> list[Choice]:
    """What ships with Bright Run to try it with."""
    return [
        Choice(str(path), path.stem, "example that ships with Bright Run")
        for path in sorted((resource("presets") / "examples").glob("*.jsonl"))
    ]


def known(report: DatasetReport) -> Choice:
    """A dataset that was added, with how much is in it and the beginning of its fingerprint."""
    print_of_it = report.fingerprint.removeprefix("sha256:")[:8]
    return Choice(report.name, report.name, f"{report.usable:,} records · {print_of_it} · {report.path}")
