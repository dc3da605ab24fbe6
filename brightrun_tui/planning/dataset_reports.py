"""The report of a dataset that a person named: a path, the name of an added dataset, or one of the Hub.

Made once, then kept: by this process, and of large files for those to come (`kept_examinations`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from threading import Lock

from brightrun_tui import datasets
from brightrun_tui.datasets import Examined
from brightrun_tui.datasets.opening import Progress
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, DatasetError
from brightrun_tui.paths import Paths, typed_path
from brightrun_tui.planning import kept_examinations
from brightrun_tui.planning.hub_dataset_names import is_hub_dataset
from brightrun_tui.planning.hub_datasets import fetch_dataset
from brightrun_tui.store import datasets as added_datasets

_MOST_KEPT = 32
_Key = tuple[Path, kept_examinations.State, tuple[tuple[str, str], ...]]

_kept: dict[_Key, Examined | BrightrunError] = {}
_reading: dict[_Key, Lock] = {}
_kept_lock = Lock()
"""Held for moments only: who wants another file does not wait for one that takes a minute."""


def report_of(
    word: str, columns: dict[str, str], paths: Paths, progress: Progress = lambda what, share: None
) -> DatasetReport:
    """Find and check what the word names. Blocking; as `examined`, but with the whole path: the engine works elsewhere."""
    report = examined(word, columns, paths, progress).report
    return report.model_copy(update={"path": str(Path(report.path).absolute())})


def examined(
    word: str, columns: dict[str, str], paths: Paths, progress: Progress = lambda what, share: None
) -> Examined:
    """Find and check what the word names: the report, and the entries that it speaks of, which lie at ``report.path``.

    An added dataset is read as was said when it was added, unless ``columns`` says otherwise; ``report.columns`` is how it was
    read. Blocking; ``progress`` is told how far it is, and what it raises ends the work.

    Raises:
        DatasetError: nothing is named, or as `datasets.check`.
        UsageError, NotConnectedError: as `fetch_dataset`.
    """
    if not word.strip():
        raise DatasetError(
            "no dataset is chosen", fix="give a file, or the name of an added dataset", kind=ErrorKind.DATASET_MISSING
        )
    path = typed_path(word)
    if not os.path.exists(path) and not is_hub_dataset(word):
        word, said = added_datasets.place_of(paths.database, word) or (word, {})
        columns, path = columns or said, Path(word)
    if is_hub_dataset(word):
        folder = fetch_dataset(word, paths, progress)
        found = _examine(Path(folder.path), columns, paths, progress)
        return found._replace(report=found.report.model_copy(update={"source": folder.source}))
    return _examine(path, columns, paths, progress)


def check_dataset(
    path: Path, columns: dict[str, str], paths: Paths, progress: Progress = lambda what, share: None
) -> DatasetReport:
    """Return the report of a file or folder; read once and kept until it changes. Raises as `datasets.check`."""
    return _examine(path, columns, paths, progress).report


def _examine(path: Path, columns: dict[str, str], paths: Paths, progress: Progress) -> Examined:
    try:
        state, seen = kept_examinations.state_of(path), time.time()
    except (OSError, ValueError):
        return datasets.examine(path, columns=columns or None)
    key = (Path(os.path.realpath(path)), state, tuple(sorted(columns.items())))
    with _kept_lock:
        read_once = _reading.setdefault(key, Lock())
    with read_once:
        outcome: Examined | BrightrunError | None = _kept.get(key) or kept_examinations.recall(
            path, state, columns, paths
        )
        if outcome is None:
            try:
                outcome = datasets.examine(path, columns=columns or None, progress=progress)
                outcome = outcome._replace(report=outcome.report.model_copy(update={"columns": columns}))
                kept_examinations.keep(path, state, seen, columns, outcome, paths)
            except BrightrunError as error:
                if error.kind == ErrorKind.DISK_FULL:
                    raise
                outcome = error.with_traceback(None)
        with _kept_lock:
            _kept[key] = outcome
            while len(_kept) > _MOST_KEPT:
                oldest = next(iter(_kept))
                del _kept[oldest]
                _reading.pop(oldest, None)
    if isinstance(outcome, BrightrunError):
        raise outcome
    return outcome
