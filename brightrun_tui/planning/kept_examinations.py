"""What was found in a large file, kept in the cache until the file changes: it is not read again by the next start.

These files hold records, so they are for their user alone. One that is damaged, or not ours, counts as none; what cannot be kept
is found again the next time.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

import brightrun_tui
from brightrun_tui import datasets, plugins
from brightrun_tui.datasets import Examined
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, read_bytes
from brightrun_tui.paths import Paths
from brightrun_tui.plugins import Door

WORTH_KEEPING_BYTES = 256 << 10
"""A smaller dataset is read again in less than half a second, and leaves none of its records in the cache."""
MOST_FILES = 40
MOST_BYTES = 200 << 20
UNSETTLED_SECONDS = 2.0
"""A file that was written so recently may be written again without its time telling."""
_MOST_PACKED, _MOST_UNPACKED = 32 << 20, 256 << 20
_ENDING = ".json.zst"

FileState = tuple[str, int, int, int, int, int]
State = tuple[FileState, ...]
"""By file of a dataset: name, bytes, times of change of content and of anything in ns, inode and device."""


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    report: DatasetReport
    entries: dict[str, list[int]]
    like: dict[str, list[int]]
    usable: list[int]
    sample: tuple[Record, ...]


def state_of(path: Path) -> State:
    """Return what shows that a file, or any in a folder, has changed. Raises `OSError` and `ValueError`."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple(
        (file.name, (about := file.stat()).st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_dev)
        for file in files
    )


def recall(path: Path, state: State, columns: Mapping[str, str], paths: Paths) -> Examined | None:
    """Return what was kept of this file in this state, read in this way; None where there is nothing."""
    if not _is_worth_it(state):
        return None
    key = _key(path, state, columns)
    file = _folder(paths) / f"{key}{_ENDING}"
    try:
        if file.is_symlink() or file.stat().st_uid != os.geteuid():
            return None
        kept = _Kept.model_validate_json(_unpacked(read_bytes(file, _MOST_PACKED)))
        if kept.key != key:
            return None
        found = Examined(
            kept.report.model_copy(update={"path": str(path)}),
            {kind: array("L", numbers) for kind, numbers in kept.entries.items()},
            {kind: array("L", numbers) for kind, numbers in kept.like.items()},
            array("L", kept.usable),
            kept.sample,
        )
    except (OSError, ValueError, OverflowError, ForeignFileError, ValidationError):
        return None
    with suppress(OSError):
        os.utime(file)
    return found


def keep(path: Path, state: State, seen: float, columns: Mapping[str, str], found: Examined, paths: Paths) -> None:
    """Keep it for the next start, where it is worth it and the file is still as it was ``seen`` (seconds since the epoch)."""
    if not _is_worth_it(state) or max(changed for _, _, changed, *_ in state) / 1e9 > seen - UNSETTLED_SECONDS:
        return
    key = _key(path, state, columns)
    kept = _Kept(
        key=key,
        report=found.report,
        entries={kind: list(numbers) for kind, numbers in found.entries.items()},
        like={kind: list(numbers) for kind, numbers in found.like.items()},
        usable=list(found.usable),
        sample=tuple(found.sample),
    )
    with suppress(OSError, ValueError):
        if state_of(path) != state:
            return
        data = kept.model_dump_json().encode()
        if len(data) > _MOST_UNPACKED or len(packed := _packed(data)) > _MOST_PACKED:
            return
        folder = _folder(paths)
        private_directory(paths.cache)
        private_directory(folder)
        write_atomic(folder / f"{key}{_ENDING}", packed)
        _make_room(folder)


def _is_worth_it(state: State) -> bool:
    return sum(size for _, size, *_ in state) >= WORTH_KEEPING_BYTES


def _folder(paths: Paths) -> Path:
    return paths.cache / "dataset-reports"


def _key(path: Path, state: Sequence[FileState], columns: Mapping[str, str]) -> str:
    """Return a key over all that the findings depend on: the file, how it is read, and what reads it."""
    formats = [
        [name, plugins.origin_of(Door.DATASET_FORMATS, name)] for name in sorted(plugins.names(Door.DATASET_FORMATS))
    ]
    words = [os.path.realpath(path), path.name, state, sorted(columns.items()), formats, _reader()]
    return hashlib.sha256(json.dumps(words).encode("utf-8", "surrogateescape")).hexdigest()[:40]


@cache
def _reader() -> list[object]:
    """Return our version and the state of the files that read datasets: what another version found is found anew."""
    room = Path(datasets.__file__).parent
    about = [(file.name, (seen := file.stat()).st_size, seen.st_mtime_ns) for file in sorted(room.glob("*.py"))]
    return [brightrun_tui.__version__, about, DatasetReport.model_json_schema()]


def _make_room(folder: Path) -> None:
    """Forget what was not asked for the longest. Raises `OSError`."""
    newest_first = sorted(folder.glob(f"*{_ENDING}"), key=lambda file: -file.stat().st_mtime)
    taken = 0
    for number, file in enumerate(newest_first):
        taken += file.stat().st_size
        if number >= MOST_FILES or taken > MOST_BYTES:
            file.unlink(missing_ok=True)


def _packed(data: bytes) -> bytes:
    from zstandard import ZstdCompressor

    return ZstdCompressor().compress(data)


def _unpacked(data: bytes) -> bytes:
    """Unpack what was kept. Raises `ValueError`: it is damaged, or more than we would have written."""
    from zstandard import ZstdDecompressor, ZstdError, frame_content_size

    try:
        if not 0 <= frame_content_size(data) <= _MOST_UNPACKED:
            raise ValueError("too much")
        return ZstdDecompressor().decompress(data)
    except ZstdError as error:
        raise ValueError("damaged") from error
