"""Looking at single entries of a dataset: those that a finding is about, or any other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from threading import Lock

from brightrun_tui.datasets.opening import REPORT_EVERY, open_dataset
from brightrun_tui.datasets.reading import EntryOutcome

_MOST_KEPT = 512


class EntryReader:
    """The entries of a dataset by number, from 0, as `checking.Examined` counts them.

    The file is read as a stream up to the one that is asked for, and read on from there; the last few are kept. Blocking.
    """

    def __init__(self, path: str | PathLike[str], columns: Mapping[str, str] | None = None) -> None:
        self._path, self._columns = path, dict(columns or {})
        self._kept: OrderedDict[int, EntryOutcome] = OrderedDict()
        self._following: Iterator[EntryOutcome] = iter(())
        self._next = -1
        self._lock = Lock()

    def at(self, number: int, progress: Callable[[int], None] = lambda read: None) -> EntryOutcome:
        """Return the entry with this number. ``progress`` is told how many were read; what it raises ends the reading.

        Raises:
            DatasetError: as `open_dataset`.
            IndexError: there are not so many.
        """
        with self._lock:
            if number in self._kept:
                return self._kept[number]
            if self._next < 0 or number < self._next:
                self._following = open_dataset(self._path, columns=self._columns or None).outcomes()
                self._next = 0
            for outcome in self._following:
                found, self._next = self._next, self._next + 1
                self._kept[found] = outcome
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
                if found == number:
                    return outcome
                if found % REPORT_EVERY == 0:
                    progress(found)
            self._next = -1
        raise IndexError(number)
