"""A dataset of one file or of several: opening it, and reading its records in their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

from brightrun_tui.datasets.folder import DataFiles, data_files
from brightrun_tui.datasets.reading import EntryOutcome, Source, open_source
from brightrun_tui.datasets.source import Sheet, readable
from brightrun_tui.domain.dataset import Record
from brightrun_tui.paths import typed_path

Progress = Callable[[str, float], None]
"""Is told what is done, in words, and which share of all it is (0–1)."""

REPORT_EVERY = 512
"""Records."""


@dataclass
class Dataset:
    """A file, or the files of a folder one after another. ``source`` is the one being read, after ``bytes_read``.

    What is said of all files at the end (headers, lists that were not read, encodings) is complete when `outcomes` is exhausted.
    """

    path: Path
    files: Sequence[Path]
    for_testing: Sequence[Path]
    source: Source
    following: Iterator[Source]
    bytes_read: int = 0
    sizes: list[int] = field(default_factory=list)
    formats: dict[str, None] = field(default_factory=dict)
    encodings: dict[str, None] = field(default_factory=dict)
    ratings: dict[str, None] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    sheet: Sheet = field(default_factory=Sheet)

    @property
    def name(self) -> str:
        """What to call it: the name of the file without its ending, or of the folder."""
        return self.path.stem if self.path == self.files[0] else Path(os.path.realpath(self.path)).name

    @property
    def share_read(self) -> float:
        """How much has been read, 0–1."""
        total = self.size
        return (
            min(1.0, (self.bytes_read + self.source.file.share_read * self.source.file.size) / total) if total else 0.0
        )

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.sizes)

    def outcomes(self) -> Iterator[EntryOutcome]:
        """Yield what becomes of every entry, in order. Record ids are unique. Raises as `Source.outcomes` and
        `open_source`.
        """
        ids: set[int] = set()
        for source in chain([self.source], self.following):
            self.source = source
            yield from source.outcomes(ids, source.file.path.name if len(self.files) > 1 else "")
            self.bytes_read += source.file.size
            self.formats[source.format.name] = None
            self.header.update(source.header)
            for name, count in source.others.items():
                self.others[name] = self.others.get(name, 0) + count
            if source.thumbs.rated:
                self.ratings[source.thumbs.rated] = None
            self.sheet.add(source.file.sheet)
            if source.file.encoding:
                self.encodings[source.file.encoding] = None


def read(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,
    clean: bool = False,
) -> Iterator[Record]:
    """Return the usable records of a dataset in the order of the file. Opened at once, then read as a stream.

    Raises:
        DatasetError: the file is refused; a broken place shows when the reading gets there.
        UsageError: ``format`` or ``columns`` make no sense.
    """
    dataset = open_dataset(path, columns=columns, format=format, clean=clean)
    return (outcome.record for outcome in dataset.outcomes() if outcome.record is not None)


def open_dataset(
    path: str | PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    format: str | None = None,
    clean: bool = False,
) -> Dataset:
    """Open a file, or the files of a folder: the first at once, the others when the reading gets there.

    Raises as `open_source`, and `DatasetError` where a folder is not a dataset.
    """
    path = typed_path(path)
    with readable(path):
        found = data_files(path) if os.path.isdir(path) else DataFiles([path], [])
        sources = (open_source(file, columns=columns, format=format, clean=clean) for file in found.files)
        first = next(sources)
        sizes = [file.stat().st_size for file in found.files]
    return Dataset(path, found.files, found.for_testing, first, sources, sizes=sizes)
